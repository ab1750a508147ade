"""The losses of rows before they are reduced (docs/theory/bounds.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..problem.formats import FORMATS, Floats
from ..problem.losses import class_weights, coefficients, is_labels, is_sparse, kept, label_coefficients, target_rows
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, reduction_of
from .algebra import Known, powers, stored
from .arithmetic import Arithmetic
from .coefficients import Mean, inexact_roundings, largest_of_sums, moved, roundings_of, smoothing_of
from .exactly import adds_up, formats_of, units
from .overflow import exceeds
from .second_order import mean
from .softmax_rows import SoftmaxRows
from .through_maximum import tangent, top
from .vjp import nonzeros


@dataclass(frozen=True)
class Losses:
    """Theorem 9 before the reduction: the losses of rows, or their derivatives in a direction, each column (r, 1)."""

    value: Floats
    size: Floats  # Σ |t l|, with the magnitudes of the parts of t
    error: Floats  # of the terms
    terms: Floats  # how many are not 0
    above: Floats  # what is positive, without ε/C, or a weight or a probability below 1, which may be multiplied last
    below: Floats  # what is negative
    meets_zero: Floats  # what is multiplied by a factor that is 0, or may underflow to it
    undefined: Floats  # how many terms may be the product of an infinite coefficient and 0
    unit: Floats  # a power of 2 that all terms are multiples of, as computed, but for those that are small; or 0
    small: Floats  # how large those may be together


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of some rows, and the magnitudes m of their parts: (r, C); or (r, 1), in the columns `at`, where
    one class alone counts.
    """

    f: SoftmaxRows
    mean: Mean
    t: Floats
    m: Floats
    counts: Array  # (r, 1)
    at: Array | None = None
    moved: Array | float = 0.0  # by how much t may be off because the smoothing was rounded first (r, C)
    first: Array | float = 1.0  # how large w q may be before 1 - ε, or a factor below 1, is multiplied: as t
    others: float = 0.0  # how large the weight of another class may be, which a one-hot row multiplies by 0, as above
    q: Array | float = 1.0  # target probabilities, as t
    last: Array | float = 1.0  # how small a part of t may be, where D is divided by, and what is above 1 not multiplied

    @classmethod
    def of(cls, problem: Problem, f: SoftmaxRows, rows: Rows) -> Coefficients:
        """Those of some rows."""
        mean, counts = Mean.of(problem, f.arithmetic), kept(problem, rows)[:, None]
        weight = np.abs(class_weights(problem, f.classes))
        first, last = np.maximum(1, weight), np.minimum(1, weight) / max(1.0, abs(mean.divisor))
        q: Array | float = 1.0
        if not is_labels(problem):
            q = np.abs(target_rows(problem, rows))
            first, last = first * np.maximum(1, q), last * np.minimum(1, q)
        if epsilon := smoothing_of(problem):
            last = last * min(1 - epsilon, epsilon / f.classes)
        if not is_sparse(problem):
            t = coefficients(problem, f.classes, rows)
            signed = any(
                not (problem.inputs[name] >= 0).all() for name in ("weight", "target") if name in problem.inputs
            )
            m = coefficients(problem, f.classes, rows, magnitudes=True) if signed else t
            m = _not_lost(problem, m, rows)
            return cls(f, mean, t, m, counts, moved=moved(problem, f, rows), first=first, q=q, last=last)
        at, t = label_coefficients(problem, f.classes, rows)
        return cls(f, mean, t, np.abs(t), counts, at, first=first[at], last=last[at], others=float(first.max()))

    @property
    def vanishes(self) -> Array:
        """Where a part of t is 0, or may underflow to it: as t."""
        return np.asarray((self.m == 0) | (self.last <= self.f.arithmetic.underflow("terms")))

    def of_these(self, array: Array) -> Array:
        """The columns of (r, C) or (C,) that t has."""
        if self.at is None:
            return array
        column = self.at[:, 0]
        return (array[column] if array.ndim == 1 else array[np.arange(len(column)), column])[:, None]


def _not_lost(problem: Problem, m: Floats, rows: Rows) -> Floats:
    """Magnitudes that float64 rounds to 0 though no factor of them is, as the least number (r, C)."""
    if m.all():
        return m
    there = np.broadcast_to(class_weights(problem, m.shape[1]) != 0, m.shape) & kept(problem, rows)[:, None]
    if not is_labels(problem) and not smoothing_of(problem):
        there = there & (target_rows(problem, rows) != 0)
    return np.where(there & (m == 0), FORMATS["float64"].subnormal, m)


def losses(problem: Problem, coeffs: Coefficients) -> Losses:
    """Theorem 9: the terms of each row."""
    f = coeffs.f
    l, l_error, reach = (coeffs.of_these(each) for each in (f.l, f.kept_error, f.l_reach))  # noqa: E741
    l_error = _stored_alone(problem, coeffs, l, l_error, "output")
    if not f.arithmetic.subtracts_logsumexp or is_sparse(problem):
        lost = np.where(reach < np.inf, 0.0, np.inf)  # logits that may be infinite
        exact = _Exact.of(problem, coeffs)
        l_error = l_error if exact is None else np.where(exact.known, exact.reach, l_error)
        vanishes = coeffs.of_these(f.may_vanish)
        return _weighted(problem, coeffs, l, Known(np.abs(l), l_error), _Reach(lost, reach), exact, vanishes)
    x, size = l + f.lse, np.abs(l + f.lse) + np.abs(f.lse)  # Theorem 19: Σ t x and Σ t y apart
    x_error = 0.0 if f.x_error is None else f.x_error
    reach_ = _Reach.of(x, x_error) + _Reach.of(-f.lse, f.lse_reach_error)
    rows = _weighted(problem, coeffs, l, Known(size, l_error), reach_, vanishes=coeffs.of_these(f.may_vanish))
    return replace(rows, terms=2 * rows.terms)


def losses_along(problem: Problem, coeffs: Coefficients, v: Floats) -> Losses:
    """Theorem 17 (c): the same with the derivatives v - Σ p v of the log-probabilities in their place."""
    f, a = coeffs.f, coeffs.f.arithmetic
    found = coeffs.of_these(v) - f.mean(v)
    moved = tangent(f, v, a)
    own = Known(coeffs.of_these(moved.size), coeffs.of_these(np.broadcast_to(moved.error, v.shape)))
    known = (own + mean(Known(f.p, f.p_error), moved, a)).rounded(a.rounding("derivatives"), a.flushed(1))
    known = Known(known.size, _stored_alone(problem, coeffs, found, np.asarray(known.error), "derivatives"))
    beside = top(f, v) if a.through_maximum else 0.0
    reach = _Reach.of(coeffs.of_these(v), beside) + _Reach(*f.mean_reach(f.p_error, -v, a.compute.largest))
    rows = _weighted(problem, coeffs, found, known, reach)
    return replace(rows, terms=2 * rows.terms)  # as Σ t times Σ p v, less Σ t v


def _stored_alone(problem: Problem, coeffs: Coefficients, factor: Floats, error: Array, kept: str) -> Array:
    """The error of a factor that is a stored term by itself, unless what it was `kept` as is stored already."""
    a = coeffs.f.arithmetic
    if reduction_of(problem) == "none" or "terms" not in a.stored or kept in a.stored:
        return error
    return np.where(coeffs.of_these(inexact_roundings(problem, a)) == 0, stored(factor, error, a), error)


@dataclass(frozen=True)
class _Reach:
    """How large the positive and the negative parts of computed numbers may be, before they cancel."""

    plus: Floats
    minus: Floats

    @classmethod
    def of(cls, x: Floats, error: Floats | float) -> _Reach:
        return cls(np.maximum(x, 0) + error, np.maximum(-x, 0) + error)

    def __add__(self, other: _Reach) -> _Reach:
        return _Reach(self.plus + other.plus, self.minus + other.minus)


@dataclass(frozen=True)
class _Exact:
    """Theorem 22: which terms are computed without an error, but for that of l: each as t, `reach` (r, 1)."""

    known: Array
    unit: Floats  # that a term is a multiple of; 0 where none is known, inf where the term is 0 or small
    small: Floats  # how large a term may be that is as good as 0
    reach: Floats

    @classmethod
    def of(cls, problem: Problem, coeffs: Coefficients) -> _Exact | None:
        """None where there are none."""
        f, a = coeffs.f, coeffs.f.arithmetic
        if smoothing_of(problem) or not f.exact.any():
            return None
        known, small, reach = f.known(coeffs.at)
        d = np.where(known, coeffs.of_these(f.d), 0.0)
        unit: Floats = units(d) * coeffs.of_these(units(class_weights(problem, f.classes)))
        if not is_labels(problem):
            unit = unit * units(np.asarray(coeffs.q))
        known &= adds_up(np.abs(coeffs.t * d), unit, a, *formats_of(a, "terms"))
        size = np.where(small, (np.abs(coeffs.t) + a.underflow("terms")) * reach * 2 + a.underflow("terms"), 0.0)
        nothing = small | (coeffs.m == 0)
        return cls(
            known,
            np.where(nothing, np.inf, np.where(known, unit, 0.0)),
            np.where(coeffs.m == 0, 0.0, size),
            reach,
        )


def _weighted(
    problem: Problem,
    coeffs: Coefficients,
    factor: Floats,
    known: Known,
    reach: _Reach,
    exact: _Exact | None = None,
    vanishes: Array | bool = False,
) -> Losses:
    """Rows -Σ t·factor, with factors of a magnitude, and up to an error, that are `known`, of this `reach`.

    A factor may be 0 where 0 is within its error, and where it `vanishes`.
    """
    a, t, m = coeffs.f.arithmetic, coeffs.t, coeffs.m
    kappa = powers(coeffs.of_these(inexact_roundings(problem, a)), a.rounding("terms"))
    kappa = kappa if exact is None else np.where(exact.known, 0.0, kappa)
    size = m * known.size
    error = m * known.error * (1 + kappa) + size * kappa + coeffs.moved * (known.size + known.error) * (1 + kappa)
    mixed = 0 < smoothing_of(problem) < 1  # the label's part of a row may be added by itself
    if roundings_of(problem) or reduction_of(problem) == "mean":
        divisor = max(1.0, abs(coeffs.mean.divisor))
        eta = (
            coeffs.of_these(underflow_of_terms(problem, a, coeffs.f.classes))
            * np.maximum(1, known.size + known.error)
            * divisor
        )
        error = error + np.where(m != 0 if exact is None else (m != 0) & ~exact.known, eta, 0.0)
    vanishes = vanishes | (np.abs(factor) <= known.error)
    summands = (-t * factor, size, error, *_before_cancelling(coeffs, reach, vanishes, 1 + kappa))
    value, size, error, *reaches = (each.sum(-1, keepdims=True) for each in summands)
    counted = np.asarray(nonzeros(m) + mixed, np.float64)
    unit, small = np.where(counted == 0, np.inf, 0.0), np.zeros(counted.shape)
    if exact is not None:
        unit, small = exact.unit.min(-1, keepdims=True), exact.small.sum(-1, keepdims=True)
    above, below, meets_zero, undefined = reaches
    return Losses(value, size, error, counted, above, below, meets_zero, undefined, unit, small)


def _before_cancelling(
    coeffs: Coefficients, reach: _Reach, vanishes: Array, by: Array
) -> tuple[Floats, Floats, Floats, Floats]:
    """How large the positive and the negative terms of -Σ t·factor may be on the way, and those of a factor of 0; and
    which may be NaN, since the coefficient, divided by D first, overflows, and the other factor or another `vanishes`.
    """
    t, m, first = coeffs.t, coeffs.m, coeffs.first * by
    largest = largest_of_sums(coeffs.f.arithmetic)
    infinite = exceeds(first / coeffs.mean.least, largest)
    plus, minus = (np.where(infinite & (each > 0), np.inf, first * each) for each in (reach.plus, reach.minus))
    none = np.zeros(np.broadcast_shapes(plus.shape, minus.shape))
    positive, negative = m + t > 0, m - t > 0  # parts of t
    above = np.where(positive, minus, 0.0) + np.where(negative, plus, 0.0)
    below = np.where(positive, plus, 0.0) + np.where(negative, minus, 0.0)
    meets_zero = np.where(coeffs.vanishes & coeffs.counts, np.maximum(plus, minus), none)
    infinite_beside = exceeds(np.asarray(coeffs.others / coeffs.mean.least), largest)
    undefined = (infinite & (vanishes | coeffs.vanishes) | infinite_beside) & coeffs.counts
    return none + above, none + below, meets_zero, none + undefined


def underflow_of_terms(problem: Problem, a: Arithmetic, classes: int) -> Array:
    """Underflow in one term, enlarged by the weight that may follow it: (C,)."""
    one = (roundings_of(problem) + 2) * a.underflow("terms")
    weight = problem.inputs.get("weight")
    return (
        np.broadcast_to(one, (classes,)) if weight is None else one * np.maximum(1, np.abs(weight.astype(np.float64)))
    )
