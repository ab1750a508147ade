"""Infinite terms whose coefficients rounding may lose, and what a value or a derivative may then be.

A coefficient that is not 0 but underflows to 0 leaves NaN of 0·∞, or nothing where that product is left out; and one
whose parts cancel leaves either infinity. What is left out is decided by `bounds.masked`, class by class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..bounds.arithmetic import Arithmetic
from ..bounds.masked import MaskedTerms, masked_terms, vanishing_slopes
from ..bounds.overflow import OPPOSITE
from ..problem.losses import is_labels
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, row_length
from ..truth.signs import smoothing_of
from ..truth.solver import without_masked
from .elements import Elements

NO_COEFFICIENT, SIGN_OF_ROUNDING, NO_SLOPE_LEFT = 151, 152, 153  # rows of docs/theory/semantics.md
NO_QUOTIENT_LEFT = 43
BITS = 256  # of what is left of a value without infinite terms

Beside = Callable[[Array], Elements]  # compares the same answer with another exact value
Rule = tuple[int, Array, Callable[[Array], Array]]  # number, where, what is right as well


def with_lost_terms(
    problem: Problem,
    name: str,
    rows: Rows,
    elements: Elements,
    arithmetic: Arithmetic,
    beside: Beside,
) -> Elements:
    """The same, where a loss may be finite because the coefficients of all masked classes may come out as 0."""
    terms = _masked_terms(problem, name, rows, arithmetic)
    if terms is None or elements.agreed.all():
        return elements
    either = np.isinf(elements.got) & (terms.up | terms.down) & ((np.asarray(elements.left) & OPPOSITE) != 0)
    elements = elements.without_guarantee(either)
    if not terms.left_out.any():
        return elements
    finite = beside(without_masked(problem, rows, BITS))
    number = _number_of(problem)
    elements = elements.unless(number, terms.left_out & finite.agreed, np.isreal)
    return elements.without_guarantee(terms.left_out & finite.unsure)


def _masked_terms(problem: Problem, name: str, rows: Rows, arithmetic: Arithmetic) -> MaskedTerms | None:
    if name != "value" or not ({"target", "logits"} <= problem.inputs.keys() or "q" in problem.inputs):
        return None
    return masked_terms(problem, rows, arithmetic) if row_length(problem) else None


def _number_of(problem: Problem) -> int:
    """The row that speaks of coefficients that vanish, or of those whose parts may have two signs."""
    if "target" not in problem.inputs:
        return NO_QUOTIENT_LEFT
    mixed = not is_labels(problem) and bool((problem.inputs["target"] < 0).any())
    return SIGN_OF_ROUNDING if mixed and 0 < smoothing_of(problem) < 1 else NO_COEFFICIENT


def of_rounding(problem: Problem, name: str, rows: Rows, arithmetic: Arithmetic) -> Iterator[Rule]:
    """What applies because a coefficient of what is infinite may come out as 0, or with either sign, in this model."""
    if (terms := _masked_terms(problem, name, rows, arithmetic)) is not None:
        number = _number_of(problem)
        yield number, terms.up, np.isposinf
        yield number, terms.down, np.isneginf
        yield number, terms.undefined, np.isnan
    if (where := vanishing_slopes(problem, name, rows, arithmetic)) is not None:
        number = NO_SLOPE_LEFT if "target" in problem.inputs else NO_QUOTIENT_LEFT
        yield number, where, np.isnan
        yield number, where, partial(np.equal, 0.0)


def rounding_decides(problem: Problem, name: str, rows: Rows, arithmetic: Arithmetic) -> Array:
    """Where an infinity may be one thing or another for that reason; as the output, or what broadcasts to it."""
    terms = _masked_terms(problem, name, rows, arithmetic)
    slopes = vanishing_slopes(problem, name, rows, arithmetic)
    none = np.zeros((1, 1), bool)
    return (none if terms is None else terms.uncertain) | (none if slopes is None else slopes)
