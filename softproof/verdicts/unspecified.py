"""What no document fixes: the few answers that are as right as the exact one, numbered in docs/theory/semantics.md.

Each rule names the outputs, and in them the elements, that it is about, and what is right there besides the exact
value: NaN, a limit, what is not finite. Its condition is decided exactly, on the inputs; everywhere else a NaN that
should not be is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from ..bounds.arithmetic import Arithmetic
from ..bounds.rests import OF_ROWS, cancel, of_rows_that_count, quotients_by_a_rest, where_a_rest_is_left
from ..problem.formats import FORMATS
from ..problem.losses import class_weights, denominator, exact_denominator, is_labels, kept
from ..problem.operations import OPERATIONS
from ..problem.problem import Array, Problem
from ..problem.rows import (
    ALL,
    Rows,
    axis_of,
    blocks,
    class_count,
    is_by_rows,
    once,
    one_infinity,
    reduction_of,
    row_length,
    wide_rows,
)
from ..truth.signs import share_signs, smoothing_of
from .elements import Elements
from .infinities import of_infinities
from .lost_terms import Beside, Rule, of_rounding, with_lost_terms
from .weightless import of_nothing, without_them

ONE_INFINITY = {"softmax": 3, "log_softmax": 12, "logsumexp": 22, "cross_entropy": 122, "softmax_entropy": 172}
SEVERAL_INFINITIES = {("softmax", "value"): 4, ("log_softmax", "value"): 13, ("logsumexp", "grad_logits"): 23}
SLOPE_AT_ZERO = {"entropy": 31, "distribution_cross_entropy": 34, "kl_divergence": 42}
SLOPE_AT_TWO_ZEROS = {"distribution_cross_entropy": 35, "kl_divergence": 38}
SLOPE_BELOW_Q, SLOPE_OF_NO_WEIGHT = 41, 120
NO_SHARE, NO_WEIGHT, ONLY_SMOOTHING = 113, 115, 118
NO_TOTAL, NO_TOTAL_LEFT, ALONG_NO_ROWS = 94, 96, 105


def excused(
    problem: Problem,
    name: str,
    rows: Rows,
    elements: Elements,
    arithmetic: Arithmetic,
    beside: Beside,
) -> Elements:
    """The elements of some rows of an output, of which those that no document fixes agree.

    `beside` compares the same answer with another exact value.
    """
    for number, where, also in (
        *rules(problem, name, rows, elements.left != 0),
        *of_rounding(problem, name, rows, arithmetic),
    ):
        elements = elements.unless(number, where, also)
    elements = with_lost_terms(problem, name, rows, elements, arithmetic, beside)
    elements = without_them(problem, name, elements, beside)
    if elements.agreed.all() or not (where := where_a_rest_is_left(problem, name, rows, arithmetic)).any():
        return elements
    least, most = quotients_by_a_rest(problem, name, rows, arithmetic)
    size = np.abs(elements.got)
    possible = where & (size >= least) & (size <= most)
    elements = elements.unless(NO_TOTAL_LEFT, possible & (least > 0), np.isfinite)
    return elements.without_guarantee(possible & (least == 0))


def fixed(problem: Problem, name: str, rows: Rows, overflows: Array | bool) -> Array:
    """Where no rule lets anything pass besides the exact value; of a reduced loss from some rows after the others."""
    parts = blocks(problem) if rows is ALL else [rows]
    applies = (where for each in parts for _, where, _ in rules(problem, name, each, overflows))
    return ~reduce(np.logical_or, applies, np.zeros((1, 1), bool))


def _not_finite(got: Array) -> Array:
    return np.asarray(~np.isfinite(got))


def _zero(got: Array) -> Array:
    return np.asarray(got == 0)


def _rules_of_slopes(problem: Problem, rows: Rows) -> Iterator[Rule]:
    """Of distributions: where a derivative is infinite, or has a product of 0 and what is."""
    operation = problem.operation
    p, q = (wide_rows(problem.inputs.get(name, problem.inputs["p"]), axis_of(problem), rows) for name in ("p", "q"))
    yield SLOPE_AT_ZERO[operation], q == 0, np.isnan
    if operation != "entropy":
        yield SLOPE_AT_TWO_ZEROS[operation], (p == 0) & (q == 0), _zero
    if operation == "kl_divergence":
        yield SLOPE_BELOW_Q, (p == 0) & (q > 0), np.isnan


def rules(problem: Problem, name: str, rows: Rows, overflows: Array | bool = False) -> Iterator[Rule]:
    """What applies to some rows of an output, where an intermediate result possibly `overflows`."""
    if "logits" in problem.inputs and not row_length(problem):
        return
    yield from of_nothing(problem, name, rows)
    may_be_infinite = "nonfinite" in OPERATIONS[problem.operation].kinds
    if "logits" in problem.inputs and may_be_infinite and (problem.operation, name) != ("logsumexp", "value"):
        x = wide_rows(problem.inputs["logits"], axis_of(problem), rows)
        infinite = one_infinity(x)
        if "target" in problem.inputs:
            infinite = infinite & kept(problem, rows)[:, None]
        yield ONE_INFINITY[problem.operation], _as_output(problem, name, infinite), np.isnan
        if (problem.operation, name) in SEVERAL_INFINITIES:
            beside = (x.max(-1, keepdims=True) == np.inf) & (x < np.inf)
            limit = np.isneginf if problem.operation == "log_softmax" else _zero
            yield SEVERAL_INFINITIES[problem.operation, name], beside, limit
    if "p" in problem.inputs and name != "value":
        yield from _rules_of_slopes(problem, rows)
    if "target" in problem.inputs:
        yield from _rules_of_losses(problem, name, rows, overflows)


def _as_output(problem: Problem, name: str, where: Array) -> Array:
    """Rows (r, 1), as they show in an output: in their own elements, or in a loss that they were reduced to."""
    reduced = name in ("value", "jvp") and reduction_of(problem) != "none"
    return np.asarray(where.any(keepdims=True)) if reduced else where


def _rules_of_losses(problem: Problem, name: str, rows: Rows, overflows: Array | bool) -> Iterator[Rule]:
    counts = kept(problem, rows if is_by_rows(problem) else ALL)[:, None]
    if "logits" in problem.inputs:
        masked = wide_rows(problem.inputs["logits"], axis_of(problem), rows) == -np.inf
        yield from of_infinities(problem, name, rows)
        if name == "value":
            for number, factor in _factors_of_zero(problem, rows):
                no_share = (masked & factor).any(-1, keepdims=True) & counts
                yield number, _as_output(problem, name, no_share), np.isnan
        elif name == "grad_target":
            yield SLOPE_OF_NO_WEIGHT, (masked | overflows) & _has_no_slope(problem, rows), np.isnan
    if reduction_of(problem) == "mean":
        yield from _rules_of_means(problem, name, counts)


@once
def _count(problem: Problem) -> int:
    """How many rows count."""
    return int(np.count_nonzero(kept(problem)))


def _rules_of_means(problem: Problem, name: str, counts: Array) -> Iterator[Rule]:
    everywhere = np.ones((1, 1), bool)
    if not _count(problem):
        yield ALONG_NO_ROWS, everywhere & (name == "jvp"), _zero
    elif exact_denominator(problem, class_count(problem)) == 0:
        where = of_rows_that_count(problem, counts) if name in OF_ROWS else everywhere
        yield (NO_TOTAL_LEFT if cancel(problem) else NO_TOTAL), where, _not_finite


def _factors_of_zero(problem: Problem, rows: Rows) -> Iterator[tuple[int, Array]]:
    """Where a coefficient w((1 - ε)q + ε/C), or a product in it, is 0 or may underflow to it: each (r, C)."""
    classes, epsilon = class_count(problem), smoothing_of(problem)
    weight = np.abs(class_weights(problem, classes))  # (C,)
    tiny = FORMATS[problem.dtype].tiny
    small = np.minimum(1, weight) * epsilon / classes < tiny  # the part of the smoothing
    if is_labels(problem):
        label = problem.inputs["target"].reshape(-1)[rows][:, None] == np.arange(classes)
        yield ONLY_SMOOTHING, label & (epsilon == 1)
        yield NO_WEIGHT, label & (np.minimum(1, weight) * (1 - epsilon) < tiny) | (small & (epsilon > 0))
    else:
        q = np.abs(wide_rows(problem.inputs["target"], axis_of(problem), rows))
        part = np.minimum(1, q) * np.minimum(1, weight) * (1 - epsilon) < tiny
        yield NO_SHARE, (q == 0) | part | (share_signs(problem, classes, rows) == 0)
        yield NO_WEIGHT, np.broadcast_to((weight == 0) | (small & (epsilon > 0)), (1, classes))
        yield ONLY_SMOOTHING, np.full((1, 1), epsilon == 1)


def _has_no_slope(problem: Problem, rows: Rows) -> Array:
    """Where g w(1 - ε)/D, a factor of ∂L/∂q, is 0 or may underflow to it: (r, C), or what broadcasts to it."""
    classes = class_count(problem)
    weight = np.minimum(1, np.abs(class_weights(problem, classes).astype(np.float64)))
    g = np.abs(np.asarray(problem.grad_output, np.float64)).reshape(-1, 1)
    g = g[rows] if reduction_of(problem) == "none" else g
    divisor = max(1.0, abs(denominator(problem, classes))) if reduction_of(problem) == "mean" else 1.0
    least = g * weight * (1 - problem.options.get("label_smoothing", 0.0)) / divisor  # in whatever order
    return np.asarray(least < FORMATS[problem.dtype].tiny)
