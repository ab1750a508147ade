"""Sums and means of losses (docs/theory/bounds.md, section 6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.problem import Array, Problem
from ..problem.rows import class_count, reduction_of
from .algebra import Allowed, additions, powers, rdiv, rmul, stored
from .arithmetic import Arithmetic
from .coefficients import Mean, largest_of_sums
from .exactly import adds_up, formats_of, rounds
from .losses import Losses
from .overflow import EVALUATION, Left, exceeds, left_by


def reduced(problem: Problem, a: Arithmetic, rows: Losses) -> Allowed:
    """Theorem 9: the sum, or the mean, of the losses of all rows; or the losses themselves."""
    unit = a.compute.u
    pairwise = "numpy" if a.depth == "numpy" else "any order"
    row_sums = additions(rows.terms, unit, pairwise, class_count(problem))
    if reduction_of(problem) == "none":
        row_sums = np.where(adds_up(rows.size + rows.error, rows.unit, a, small=rows.small), 0.0, row_sums)
        error = rows.error * (1 + row_sums) + row_sums * rows.size + 2 * rows.small + a.flushed(rows.terms)
        return Allowed(rows.value, error, left=_left(rows, a, 1 + np.minimum(row_sums, rows.terms * unit)))
    if a.total_depth == "any order" and a.total is None:
        relative = additions(rows.terms.sum(), unit)
    else:
        total = a.total or a.compute
        relative = rmul(
            row_sums.max(initial=0.0), additions(np.count_nonzero(rows.terms), total.u, a.total_depth, len(rows.terms))
        )
    value, size, mean = rows.value.sum(), rows.size.sum(), Mean.of(problem, a)
    small = rows.small.sum()
    relative = np.where(_adds_up(rows, mean, a), 0.0, relative)
    error = rows.error.sum() * (1 + relative) + relative * size + 2 * small + a.flushed(rows.terms.sum())
    left = left_of_all(rows, a, 1 + np.minimum(relative, rows.terms.sum() * (a.total or a.compute).u), mean)
    if "total" in a.stored:
        error = stored(value, error, a)
    if reduction_of(problem) == "mean":
        rho = rdiv(powers(mean.roundings, (a.total or a.compute).u), mean.omega)
        value = value / mean.divisor
        error = error / abs(mean.divisor) * (1 + rho) + np.abs(value) * rho + a.underflow("terms")
    return Allowed(np.reshape(value, (1, 1)), np.reshape(error, (1, 1)), left=left)


def _adds_up(rows: Losses, mean: Mean, a: Arithmetic) -> Array:
    """Theorem 22: whether no order rounds the sum of all terms, which may be divided by D before it is taken."""
    if rounds(mean.divisor) and not a.divides:
        return np.asarray(False)
    by, used = max(1.0, abs(float(mean.divisor))), (*formats_of(a, "terms"), a.total or a.compute)
    size, unit = (rows.size.sum() + rows.error.sum()) / by, rows.unit.min(initial=np.inf) / by
    return adds_up(size * (1 + EVALUATION), unit, a, *used, small=rows.small.sum() / by)


def _left(rows: Losses, a: Arithmetic, by: Array | float) -> Left:
    """Theorem 13, where sums may be larger `by` a factor than their terms (r, 1)."""
    above, below, none = (exceeds(each * by, largest_of_sums(a)) for each in (rows.above, rows.below, rows.meets_zero))
    return left_by(above, below, undefined=none | (rows.undefined > 0))


def left_of_all(rows: Losses, a: Arithmetic, by: Array, mean: Mean) -> Left:
    """The same of what is reduced (1, 1); anything, where no digit of the denominator is certain."""
    if not mean.omega < 1:
        return mean.anything(np.ones((1, 1), bool))
    sums = {name: getattr(rows, name).sum().reshape(1, 1) for name in ("above", "below", "meets_zero", "undefined")}
    if mean.divisor < 0:
        sums["above"], sums["below"] = sums["below"], sums["above"]
    return _left(replace(rows, **sums), a, by / mean.least)
