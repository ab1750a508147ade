"""What a call leaves alone: the functions that everybody shares, and the state of arithmetic."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHARED = ("torch", "torch.nn.functional", "torch.autograd")  # where they have been imported
_JUDGE = Path(__file__).parent.parent
_FILES = sorted(file for folder in ("truth", "verdicts") for file in (_JUDGE / folder).glob("[!_]*.py"))
_ASKED = ("candidate", "capabilities", "frameworks", "functions", "signature", "task", "telling")
OWN = (*(f"candidates.{name}" for name in _ASKED), *(f"{file.parent.name}.{file.stem}" for file in _FILES))
TINY, LITTLE = 2.0**-1074, 2.0**-60


class Guard:
    """The shared functions and the state at one moment, to be compared with those of a later one.

    >>> guard, kept = Guard(), np.exp
    >>> np.exp = np.expm1
    >>> guard.changed(), np.exp is kept
    (('numpy.exp',), True)
    """

    def __init__(self) -> None:
        self.functions = {name: (space, _held(space)) for name, space in _namespaces()}
        self.state = {name: get() for name, (get, _) in _state().items()}

    def replaced(self) -> list[str]:
        """The names of functions and classes that are others now; they are put back."""
        return [f"{name}.{each}" for name, (space, kept) in self.functions.items() for each in _replaced(space, kept)]

    def changed(self) -> tuple[str, ...]:
        """What is replaced, and what of the state is another one; it is put back, as far as that can be done."""
        changes = self.replaced()
        for name, (get, put) in _state().items():
            if name in self.state and get() != self.state[name]:
                put(self.state[name])
                changes.append(name)
        return tuple(changes)


Held = tuple[list[str], list[Any]]  # names, and what they stand for


def _held(space: Any) -> Held:
    """All that a namespace holds; two lists are compared faster than two dictionaries."""
    return [*vars(space)], [*vars(space).values()]


def _replaced(space: Any, before: Held) -> list[str]:
    """The functions and classes of a namespace that are no longer what they were, which they then are again."""
    if _equal(_held(space), before):
        return []
    now, kept = vars(space), dict(zip(*before, strict=True))
    others = [name for name, old in kept.items() if callable(old) and now.get(name) is not old]
    names = [name for name in others if not _wrapped_by_torch(kept[name], now.get(name))]
    for name in names:
        setattr(space, name, kept[name])
    if not isinstance(space, type):
        return names
    hidden = [name for name in now if name not in kept and hasattr(super(space, space), name)]
    for name in hidden:  # what the class inherits
        delattr(space, name)
    return names + hidden


def _wrapped_by_torch(old: Any, new: Any) -> bool:
    """Whether torch did this itself: when it compiles for the first time it wraps some of its own functions."""
    torch, file = sys.modules.get("torch"), getattr(getattr(new, "__code__", None), "co_filename", "")
    own = torch is not None and torch.__file__ is not None and Path(file).is_relative_to(Path(torch.__file__).parent)
    return own and getattr(new, "__wrapped__", None) is old


def _equal(one: Held, two: Held) -> bool:
    """Whether two namespaces hold the same; fast where they do, since the same object is not looked at."""
    try:
        return one == two
    except Exception:  # of an object that is another one, and cannot be compared
        return False


def _namespaces() -> list[tuple[str, Any]]:
    """Modules and classes whose functions the judge and other implementations call."""
    namespaces = [("builtins", builtins), ("math", math), ("numpy", np)]
    namespaces += [(name, sys.modules[name]) for name in SHARED if name in sys.modules]
    if "torch" in sys.modules:
        namespaces.append(("torch.Tensor", sys.modules["torch"].Tensor))
    return namespaces + [(name, sys.modules[name]) for each in OWN if (name := f"softproof.{each}") in sys.modules]


State = dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]  # by name, how to get it, and how to put it back


def _state() -> State:
    """What changes the arithmetic of others."""
    torch = sys.modules.get("torch")
    state: State = {
        "numpy.geterr()": (np.geterr, lambda kept: np.seterr(**kept)),
        "the mode of floating-point arithmetic": (_mode, lambda _: torch and torch.set_flush_denormal(False)),
    }
    if torch is not None:
        state["torch.get_default_dtype()"] = torch.get_default_dtype, torch.set_default_dtype
        state["torch.is_grad_enabled()"] = torch.is_grad_enabled, torch.set_grad_enabled
    return state


def _mode() -> tuple[bool, bool]:
    """Whether subnormal numbers are kept, and whether sums are rounded to the nearest number."""
    one = float(len("1"))  # no constant, which would be added up when this is compiled
    return one * TINY > 0, one + LITTLE == one == one - LITTLE
