"""Hypothesis strategies for Problems.

Structure is drawn (shape, style, seed, options, layout) and expanded to arrays deterministically; it is the structure
that shrinks. Small arrays are drawn element by element, so that a counterexample shrinks to a minimal one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from ..problem.formats import FORMATS
from ..problem.homes import functions
from ..problem.interface import check_dimensions
from ..problem.operations import OPERATIONS
from ..problem.option_values import check_option
from ..problem.problem import COMMON_LAYOUTS, LAYOUTS, Problem
from ..problem.validation import check_flag, check_mapping, check_name, check_names, shown
from .coverage import regions
from .request import DIMENSIONS, Request
from .seeded import by_seed_alone
from .steering import settings_of

_STRATEGIES: dict[str, Callable[[Request], st.SearchStrategy[Problem]]] = functions(__package__)


def problems(
    operation: str,
    dtype: str,
    *,
    supports: frozenset[str] | None = None,
    small: bool = False,
    layouts: Sequence[str] = COMMON_LAYOUTS,
    fixed: Mapping[str, Any] | None = None,
    ndim: Collection[int] = (),
    towards: str = "",
) -> st.SearchStrategy[Problem]:
    """Problems of one operation in one dtype.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be drawn; by default all.
        small: at most three classes and two rows, drawn element by element: the witnesses that people like to read.
        layouts: the layouts that may be drawn, keys of `softproof.problem.problem.LAYOUTS`.
        fixed: options that have one value, such as ``{"reduction": "none"}``.
        ndim: how many dimensions the logits, probabilities or features may have; by default any number.
        towards: a region that they are likely to lie in; by default none.
    Returns: a Hypothesis strategy for `Problem`. Each problem drawn is an event for every region that it lies in, which
        ``pytest --hypothesis-show-statistics`` counts. A seed alone determines the problems, whatever code is loaded.
    Raises: ValueError for an unknown operation, dtype or option.

    >>> from hypothesis import Phase, find, settings
    >>> first = settings(phases=[Phase.generate])
    >>> find(problems("softmax", "float32", small=True), lambda problem: True, settings=first).inputs["logits"]
    array([0.], dtype=float32)
    """
    operation, dtype = check_name("operation", operation, OPERATIONS), check_name("dtype", dtype, FORMATS)
    check_flag("small", small)
    extras = frozenset(OPERATIONS[operation].extras)
    supports = extras if supports is None else frozenset(check_names("supports", supports, "dim"))
    if unknown := supports - extras:
        raise ValueError(f"supports names {', '.join(sorted(unknown))}; {operation} has {', '.join(sorted(extras))}")
    if not check_names("layouts", layouts, "strided", LAYOUTS):
        raise ValueError(f"layouts is {shown(layouts)}; expected at least one of {', '.join(LAYOUTS)}")
    for name, value in check_mapping("fixed", {} if fixed is None else fixed, "{'reduction': 'none'}").items():
        check_option(name, value)
    ndim = check_dimensions(ndim)
    known = {name: value for name, value in (fixed or {}).items() if name in OPERATIONS[operation].options}
    extras = supports - known.keys()
    request = Request(operation, dtype, extras, small, tuple(layouts), known, frozenset(ndim), settings_of(towards))
    if not any(request.may_have(count) for count in DIMENSIONS[operation]):
        raise ValueError(
            f"ndim is {sorted(ndim)}, fixed is {known}; "
            f"{operation} has {', '.join(map(str, DIMENSIONS[operation]))} dimensions"
        )
    if operation == "cross_entropy" and not request.batches():
        raise ValueError(f"ndim is {sorted(ndim)}, which is a loss without a batch, and unbatched is left out")
    return by_seed_alone(_STRATEGIES[operation](request).map(_with_events))


def _with_events(problem: Problem) -> Problem:
    for region in regions(problem):
        hypothesis.event(region)
    return problem
