"""Draws that a seed alone determines, whatever code is loaded.

Since 6.131.1 Hypothesis takes one number in twenty from a pool of constants, half of them literals of the modules that
are loaded and lie outside site-packages. No setting leaves those out, so the same seed gave other problems beside other
code. A run that draws a problem takes the constants that Hypothesis itself brings, and no literals of anybody's
modules. Whatever else Hypothesis does in the process stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from random import Random, SystemRandom
from typing import Any, TypeVar
from weakref import WeakSet

from hypothesis import strategies as st
from hypothesis.control import current_build_context

T = TypeVar("T")

_PROVIDERS = "hypothesis.internal.conjecture.providers"  # which the oldest versions do not have
providers: Any = import_module(_PROVIDERS) if find_spec(_PROVIDERS) else None
KEPT = 1000  # limits whose constants are remembered
_FITTING: dict[str, list[Any]] = {}
_RUNS: WeakSet[Random] = WeakSet()  # the sources of randomness of runs that draw problems; a run has its own


@st.composite
def by_seed_alone(draw: st.DrawFn, strategy: st.SearchStrategy[T]) -> T:
    """What `strategy` draws; from the first time on, which Hypothesis makes the simplest, the run takes no literals."""
    source = getattr(current_build_context().data, "_random", None)
    if source is not None:  # it is None where choices are repeated
        _RUNS.add(source)
    return draw(strategy)


def _own_constant(provider: Any, choice_type: Any, constraints: Any, *, p: float = 0.05) -> Any:
    """One of Hypothesis's own constants that fit, with probability p; or None."""
    if provider._random.random() > p:
        return None
    fitting = _fitting(choice_type, constraints)
    return provider._random.choice(fitting) if fitting else None


def _fitting(choice_type: Any, constraints: Any) -> list[Any]:
    """Hypothesis's own constants within the limits of a draw, in their order."""
    limits = f"{choice_type} {constraints!r}"
    if limits not in _FITTING:
        own = providers.GLOBAL_CONSTANTS.set_for_type(choice_type)
        if len(_FITTING) == KEPT:
            _FITTING.clear()
        _FITTING[limits] = [constant for constant in own if providers.choice_permitted(constant, constraints)]
    return _FITTING[limits]


def _leave_out_literals(provider_class: Any) -> None:
    """Let runs that draw problems take `_own_constant`, and all others what they took before."""
    before: Callable[..., Any] = provider_class._maybe_draw_constant

    def constant(self: Any, *args: Any, **options: Any) -> Any:
        return (_own_constant if self._random in _RUNS else before)(self, *args, **options)

    provider_class._maybe_draw_constant = constant


if hasattr(getattr(providers, "HypothesisProvider", None), "_maybe_draw_constant"):  # older versions have no constants
    _leave_out_literals(providers.HypothesisProvider)


def fresh_seed() -> int:
    """A seed that nobody has told, and no candidate can foresee."""
    return SystemRandom().randrange(2**32)
