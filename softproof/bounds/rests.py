"""What rounding may leave of class weights whose exact sum is 0, and what a mean that is divided by it can be.

No document fixes such a mean (docs/theory/semantics.md, row 96), but not every number can be one.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ..problem.exact_sums import lowest_bit
from ..problem.losses import class_weights, denominator_reach, exact_denominator, is_labels, kept
from ..problem.problem import Array, Problem
from ..problem.rows import ALL, Rows, blocks, class_count, is_by_rows, reduction_of
from .algebra import Allowed, additions, powers
from .arithmetic import Arithmetic
from .coefficients import adds_exactly
from .overflow import exceeds
from .theorems import allowed, allowed_total

OF_ROWS = ("grad_logits", "hvp_logits", "grad_input")


def of_rows_that_count(problem: Problem, counts: Array) -> Array:
    """The rows that count, in the row form of a gradient: (r, 1), or one row of all elements.

    A row of an input counts where one of its positions does, those that a weight (C, d1, …, D) gives it.
    """
    if is_by_rows(problem):
        return counts
    positions = prod(problem.inputs["linear_weight"].shape[1:-1])
    of_inputs = counts.reshape(-1, positions).any(-1, keepdims=True)  # (N, 1)
    return np.repeat(of_inputs, problem.inputs["input"].shape[-1], axis=1).reshape(1, -1)


def _weights_that_count(problem: Problem) -> Array:
    """The class weights of the labels that count."""
    labels = problem.inputs["target"].reshape(-1)[kept(problem)]
    return class_weights(problem, class_count(problem))[labels]


def cancel(problem: Problem) -> bool:
    """Whether the sum of weights is 0 though they are not."""
    return bool(_weights_that_count(problem).any())


def where_a_rest_is_left(problem: Problem, name: str, rows: Rows, arithmetic: Arithmetic) -> Array:
    """Where a mean may divide by what rounding leaves of weights whose exact sum is 0: as the output, or (1, 1)."""
    none = np.zeros((1, 1), bool)
    if "weight" not in problem.inputs or reduction_of(problem) != "mean" or not is_labels(problem):
        return none
    if exact_denominator(problem, class_count(problem)) != 0 or not cancel(problem):
        return none
    if not _leaves_a_rest(problem, arithmetic):
        return none
    counts = kept(problem, rows if is_by_rows(problem) else ALL)[:, None]
    return of_rows_that_count(problem, counts) if name in OF_ROWS else ~none


def _leaves_a_rest(problem: Problem, arithmetic: Arithmetic) -> bool:
    """Whether weights whose exact sum is 0 may leave something else, since the additions round in some order."""
    return not adds_exactly(problem, arithmetic) or _overflows(problem, arithmetic)


def _overflows(problem: Problem, arithmetic: Arithmetic) -> bool:
    """Whether the sum of weights may be infinite on the way."""
    reach = denominator_reach(problem, class_count(problem)) * (1 + _relative_rest(problem, arithmetic))
    return bool(exceeds(np.asarray(reach), (arithmetic.total or arithmetic.compute).largest))  # inf, or no digit


def _relative_rest(problem: Problem, arithmetic: Arithmetic) -> float:
    """How much rounding may leave of them, in units of Σ|w|."""
    return float(additions(len(_weights_that_count(problem)) + 1, (arithmetic.total or arithmetic.compute).u))


def quotients_by_a_rest(problem: Problem, name: str, rows: Rows, arithmetic: Arithmetic) -> tuple[Array, Array]:
    """Between which magnitudes the numerator of an output is, divided by what may be left of the weights.

    What is left is a multiple of their lowest bit, and at most n u Σ|w| for n weights (docs/theory/bounds.md, 1). The
    numerator is what is asked with the reduction "sum", within its bound. The least is 0 where that may be 0.
    """
    sizes, total = np.abs(_weights_that_count(problem)), arithmetic.total or arithmetic.compute
    numerator = _numerator(problem, name, rows, arithmetic)
    with np.errstate(all="ignore"):
        rest = _relative_rest(problem, arithmetic) * sizes.sum() + float(arithmetic.flushed(len(sizes)))
        rest = np.inf if _overflows(problem, arithmetic) else rest
        unit, by = float(lowest_bit(sizes)), float(powers(8, arithmetic.rounding("terms") + total.u))
        lost = 8 * arithmetic.underflow("terms") * len(sizes) * max(1.0, _largest_factor(problem))
        least = (np.abs(numerator.value) - 2 * numerator.error) / (rest * (1 + by)) - lost
        most = (np.abs(numerator.value) + 2 * numerator.error) / unit * (1 + by) + lost
    return np.where(least > 0, least, 0.0), np.where(np.isnan(most), np.inf, most)


def _numerator(problem: Problem, name: str, rows: Rows, arithmetic: Arithmetic) -> Allowed:
    """Some rows of an output, as it is before a mean divides."""
    whole = replace(problem, options={**problem.options, "reduction": "sum"})
    found, _ = allowed(whole, arithmetic, rows)
    if name in found:
        return found[name]
    return allowed_total(whole, arithmetic, [allowed(whole, arithmetic, each)[1][name] for each in blocks(whole)])


def _largest_factor(problem: Problem) -> float:
    """The largest product of factors that may still follow a division that underflows."""
    given = (problem.inputs["weight"], problem.grad_output, problem.tangent, problem.inputs.get("linear_weight"))
    sizes = (float(np.abs(each.astype(np.float64)).max(initial=0.0)) for each in given if each is not None)
    return float(np.prod([max(1.0, size) for size in sizes]))
