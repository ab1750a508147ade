"""The cross-entropy loss and the linear classifier with their gradients (docs/theory/bounds.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..problem.formats import FORMATS, Floats
from ..problem.problem import Array, Problem
from ..problem.rows import (
    ALL,
    Rows,
    axis_of,
    by_positions,
    class_weights,
    coefficients,
    count_classes,
    denominator,
    denominator_reach,
    is_labels,
    is_sparse,
    kept,
    label_coefficients,
    mixed_weights,
    of_positions,
    once,
    reduction_of,
    target_rows,
    to_rows,
    wide_rows,
)
from .algebra import Allowed, Known, RowUnknowns, additions, powers, rdiv, rmul, spoiled, stored
from .arithmetic import Arithmetic
from .carried_back import carried_back, nonzeros, row_of, summed_known
from .exactly import adds_up, formats_of, units
from .linear import flat, linear_gradients, product
from .overflow import ANYTHING, EVALUATION, OPPOSITE, Left, anything, exceeds, left_by
from .second_order import given, inside, mean, scaled
from .softmax import centred_reach, direction
from .softmax_rows import SoftmaxRows


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


def _smoothing(problem: Problem) -> float:
    return float(problem.options.get("label_smoothing", 0.0))


def smoothing_error(problem: Problem, a: Arithmetic) -> float:
    """|ε̂ - ε| of a smoothing that is rounded to the format that is computed in (A6)."""
    epsilon = _smoothing(problem)
    return abs(float(a.compute.round(epsilon)) - epsilon)


def _moved(problem: Problem, f: SoftmaxRows, rows: Rows) -> Array | float:
    """|ε̂ - ε| w (q + 1/C), with magnitudes; 0 in rows that are ignored (r, C)."""
    error = smoothing_error(problem, f.arithmetic)
    if not error:
        return 0.0
    whole = replace(problem, options={**problem.options, "label_smoothing": 0.0})
    parts = coefficients(whole, f.classes, rows, magnitudes=True)
    shares = np.abs(class_weights(problem, f.classes)) / f.classes
    return np.asarray(error * (parts + np.where(kept(problem, rows)[:, None], shares, 0.0)))


def roundings_of(problem: Problem) -> int:
    """Of one term w((1 - ε)q + ε/C)·l, counted over all ways to form it.

    With smoothing 1 - ε, its product with q, ε/C, and the addition; the product with w; and that with l, unless t is
    0, 1 or w.
    """
    smoothed, weighted = 4 * bool(_smoothing(problem)), "weight" in problem.inputs
    return smoothed + weighted + (not is_labels(problem) or bool(smoothed))


@dataclass(frozen=True)
class Mean:
    """The denominator D, 1 when nothing is divided, its relative error, and the roundings of a division by it."""

    divisor: np.float64
    omega: Array
    roundings: int
    either_sign: bool = False  # where what is left of weights that cancel may have either sign, or be 0

    @property
    def least(self) -> np.float64:
        """How small |D| may come out, or 1."""
        return np.float64(min(1.0, abs(self.divisor) * (1 - min(1.0, float(self.omega)))))

    def anything(self, where: Array) -> Left:
        """What may be left where no digit of the denominator is certain."""
        return anything(where) | np.where(where & self.either_sign, np.int8(OPPOSITE), np.int8(0))

    @classmethod
    @once
    def of(cls, problem: Problem, a: Arithmetic) -> Mean:
        """What a loss is divided by in this arithmetic."""
        if reduction_of(problem) != "mean":
            return cls(np.float64(1.0), np.asarray(0.0), 0)
        roundings = 1 if a.divides else 2
        classes, total = count_classes(problem), a.total or a.compute
        divisor = np.float64(denominator(problem, classes))
        rows = problem.inputs["target"].size if is_labels(problem) else int(divisor)
        omega = order = np.asarray(0.0 if rows <= 1 / total.u else total.u)
        either_sign = False
        if "weight" in problem.inputs and is_labels(problem):
            among = int(np.count_nonzero(kept(problem))) if a.total_depth == "numpy" else max(rows, classes) + 1
            order = additions(rows + 1, total.u, a.total_depth, among)
            omega = np.zeros_like(order) if adds_exactly(problem, a) else order
            if mixed_weights(problem):
                size = denominator(problem, classes, magnitudes=True)
                omega = omega * (size / abs(divisor)) if omega else omega
                either_sign = bool(size > abs(divisor) and not omega < 1)
        overflows = exceeds(denominator_reach(problem, classes) * (1 + order), total.largest)
        return cls(divisor, np.where(overflows, np.inf, omega), roundings, either_sign)


def adds_exactly(problem: Problem, a: Arithmetic) -> bool:
    """Whether no order of summation rounds the class weights of the labels that count.

    All sums of some of them are multiples of a unit, and at most what is positive in them, or negative; none is more
    than 2^precision units then.
    """
    labels, total = problem.inputs["target"].reshape(-1)[kept(problem)], a.total or a.compute
    weights = class_weights(problem, count_classes(problem))[labels]
    unit = units(weights).min(initial=np.inf)
    most = max(np.maximum(each, 0).sum() for each in (weights, -weights))
    return bool(adds_up(most - unit / 2 if most else most, unit, a, total))


@dataclass(frozen=True)
class _Terms:
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
    def of(cls, problem: Problem, f: SoftmaxRows, rows: Rows) -> _Terms:
        mean, counts = Mean.of(problem, f.arithmetic), kept(problem, rows)[:, None]
        weight = np.abs(class_weights(problem, f.classes))
        first, last = np.maximum(1, weight), np.minimum(1, weight) / max(1.0, abs(mean.divisor))
        q: Array | float = 1.0
        if not is_labels(problem):
            q = np.abs(target_rows(problem, rows))
            first, last = first * np.maximum(1, q), last * np.minimum(1, q)
        if epsilon := _smoothing(problem):
            last = last * min(1 - epsilon, epsilon / f.classes)
        if not is_sparse(problem):
            t = coefficients(problem, f.classes, rows)
            signed = any(
                not (problem.inputs[name] >= 0).all() for name in ("weight", "target") if name in problem.inputs
            )
            m = coefficients(problem, f.classes, rows, magnitudes=True) if signed else t
            m = _not_lost(problem, m, rows)
            return cls(f, mean, t, m, counts, moved=_moved(problem, f, rows), first=first, q=q, last=last)
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
    if not is_labels(problem) and not _smoothing(problem):
        there = there & (target_rows(problem, rows) != 0)
    return np.where(there & (m == 0), FORMATS["float64"].subnormal, m)


def losses(problem: Problem, terms: _Terms) -> Losses:
    """Theorem 9: the terms of each row."""
    f = terms.f
    l, l_error, reach = (terms.of_these(each) for each in (f.l, f.kept_error, f.l_reach))  # noqa: E741
    if not f.arithmetic.subtracts_logsumexp or is_sparse(problem):
        lost = np.where(reach < np.inf, 0.0, np.inf)  # logits that may be infinite
        exact = _Exact.of(problem, terms)
        l_error = l_error if exact is None else np.where(exact.known, exact.reach, l_error)
        vanishes = terms.of_these(f.may_vanish)
        return _weighted(problem, terms, l, Known(np.abs(l), l_error), _Reach(lost, reach), exact, vanishes)
    x, size = l + f.lse, np.abs(l + f.lse) + np.abs(f.lse)  # Theorem 19: Σ t x and Σ t y apart
    x_error = 0.0 if f.x_error is None else f.x_error
    reach_ = _Reach.of(x, x_error) + _Reach.of(-f.lse, f.lse_reach_error)
    rows = _weighted(problem, terms, l, Known(size, l_error), reach_, vanishes=terms.of_these(f.may_vanish))
    return replace(rows, terms=2 * rows.terms)


def losses_along(problem: Problem, terms: _Terms, v: Floats) -> Losses:
    """Theorem 17 (c): the same with the derivatives v - Σ p v of the log-probabilities in their place."""
    f, a = terms.f, terms.f.arithmetic
    found = terms.of_these(v) - f.mean(v)
    known = given(terms.of_these(v), a) + mean(Known(f.p, f.p_error), given(v, a), a)
    reach = _Reach.of(terms.of_these(v), 0.0) + _Reach(*f.mean_reach(f.p_error, -v, a.compute.largest))
    rows = _weighted(problem, terms, found, known.rounded(a.rounding("derivatives"), a.flushed(1)), reach)
    return replace(rows, terms=2 * rows.terms)  # as Σ t times Σ p v, less Σ t v


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
    def of(cls, problem: Problem, terms: _Terms) -> _Exact | None:
        """None where there are none."""
        f, a = terms.f, terms.f.arithmetic
        if _smoothing(problem) or not f.exact.any():
            return None
        known, small, reach = f.known(terms.at)
        d = np.where(known, terms.of_these(f.d), 0.0)
        unit: Floats = units(d) * terms.of_these(units(class_weights(problem, f.classes)))
        if not is_labels(problem):
            unit = unit * units(np.asarray(terms.q))
        known &= adds_up(np.abs(terms.t * d), unit, a, *formats_of(a, "terms"))
        size = np.where(small, (np.abs(terms.t) + a.underflow("terms")) * reach * 2 + a.underflow("terms"), 0.0)
        nothing = small | (terms.m == 0)
        return cls(
            known, np.where(nothing, np.inf, np.where(known, unit, 0.0)), np.where(terms.m == 0, 0.0, size), reach
        )


def _weighted(
    problem: Problem,
    terms: _Terms,
    factor: Floats,
    known: Known,
    reach: _Reach,
    exact: _Exact | None = None,
    vanishes: Array | bool = False,
) -> Losses:
    """Rows -Σ t·factor, with factors of a magnitude, and up to an error, that are `known`, of this `reach`.

    A factor may be 0 where 0 is within its error, and where it `vanishes`.
    """
    a, t, m = terms.f.arithmetic, terms.t, terms.m
    roundings = roundings_of(problem)
    kappa = powers(roundings, a.rounding("terms"))
    kappa = kappa if exact is None else np.where(exact.known, 0.0, kappa)
    size = m * known.size
    error = m * known.error * (1 + kappa) + size * kappa + terms.moved * (known.size + known.error) * (1 + kappa)
    mixed = 0 < _smoothing(problem) < 1  # the label's part of a row may be added by itself
    if roundings or reduction_of(problem) == "mean":
        divisor = max(1.0, abs(terms.mean.divisor))
        eta = (
            terms.of_these(underflow_of_terms(problem, a, terms.f.classes))
            * np.maximum(1, known.size + known.error)
            * divisor
        )
        error = error + np.where(m != 0 if exact is None else (m != 0) & ~exact.known, eta, 0.0)
    vanishes = vanishes | (np.abs(factor) <= known.error)
    summands = (-t * factor, size, error, *_before_cancelling(terms, reach, vanishes, 1 + kappa))
    value, size, error, *reaches = (each.sum(-1, keepdims=True) for each in summands)
    counted = np.asarray(nonzeros(m) + mixed, np.float64)
    unit, small = np.where(counted == 0, np.inf, 0.0), np.zeros(counted.shape)
    if exact is not None:
        unit, small = exact.unit.min(-1, keepdims=True), exact.small.sum(-1, keepdims=True)
    above, below, meets_zero, undefined = reaches
    return Losses(value, size, error, counted, above, below, meets_zero, undefined, unit, small)


def _before_cancelling(
    terms: _Terms, reach: _Reach, vanishes: Array, by: Array
) -> tuple[Floats, Floats, Floats, Floats]:
    """How large the positive and the negative terms of -Σ t·factor may be on the way, and those of a factor of 0; and
    which may be NaN, since the coefficient, divided by D first, overflows, and the other factor or another `vanishes`.
    """
    t, m, first = terms.t, terms.m, terms.first * by
    largest = _largest_of_sums(terms.f.arithmetic)
    infinite = exceeds(first / terms.mean.least, largest)
    plus, minus = (np.where(infinite & (each > 0), np.inf, first * each) for each in (reach.plus, reach.minus))
    none = np.zeros(np.broadcast_shapes(plus.shape, minus.shape))
    positive, negative = m + t > 0, m - t > 0  # parts of t
    above = np.where(positive, minus, 0.0) + np.where(negative, plus, 0.0)
    below = np.where(positive, plus, 0.0) + np.where(negative, minus, 0.0)
    meets_zero = np.where(terms.vanishes & terms.counts, np.maximum(plus, minus), none)
    infinite_beside = exceeds(np.asarray(terms.others / terms.mean.least), largest)
    undefined = (infinite & (vanishes | terms.vanishes) | infinite_beside) & terms.counts
    return none + above, none + below, meets_zero, none + undefined


def underflow_of_terms(problem: Problem, a: Arithmetic, classes: int) -> Array:
    """Underflow in one term, enlarged by the weight that may follow it: (C,)."""
    one = (roundings_of(problem) + 2) * a.underflow("terms")
    weight = problem.inputs.get("weight")
    return (
        np.broadcast_to(one, (classes,)) if weight is None else one * np.maximum(1, np.abs(weight.astype(np.float64)))
    )


def reduced(problem: Problem, a: Arithmetic, rows: Losses) -> Allowed:
    """Theorem 9: the sum, or the mean, of the losses of all rows; or the losses themselves."""
    unit = a.compute.u
    pairwise = "numpy" if a.depth == "numpy" else "any order"
    row_sums = additions(rows.terms, unit, pairwise, count_classes(problem))
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
    left = _left_of_all(rows, a, 1 + np.minimum(relative, rows.terms.sum() * (a.total or a.compute).u), mean)
    if "total" in a.stored:
        error = stored(value, error, a)
    if reduction_of(problem) == "mean":
        rho = rdiv(powers(mean.roundings, (a.total or a.compute).u), mean.omega)
        value = value / mean.divisor
        error = error / abs(mean.divisor) * (1 + rho) + np.abs(value) * rho + a.underflow("terms")
    return Allowed(np.reshape(value, (1, 1)), np.reshape(error, (1, 1)), left=left)


def _adds_up(rows: Losses, mean: Mean, a: Arithmetic) -> Array:
    """Theorem 22: whether no order rounds the sum of all terms, which may be divided by D before it is taken."""
    if not (a.divides or abs(np.frexp(mean.divisor)[0]) == 0.5):
        return np.asarray(False)
    by, used = max(1.0, abs(float(mean.divisor))), (*formats_of(a, "terms"), a.total or a.compute)
    size, unit = (rows.size.sum() + rows.error.sum()) / by, rows.unit.min(initial=np.inf) / by
    return adds_up(size * (1 + EVALUATION), unit, a, *used, small=rows.small.sum() / by)


def _left(rows: Losses, a: Arithmetic, by: Array | float) -> Left:
    """Theorem 13, where sums may be larger `by` a factor than their terms (r, 1)."""
    above, below, none = (exceeds(each * by, _largest_of_sums(a)) for each in (rows.above, rows.below, rows.meets_zero))
    return left_by(above, below, undefined=none | (rows.undefined > 0))


def _largest_of_sums(a: Arithmetic) -> float:
    return (a.storage if a.stored & {"total", "terms"} else a.compute).largest


def _largest_term(a: Arithmetic) -> float:
    return (a.storage if "terms" in a.stored else a.compute).largest


def _left_of_all(rows: Losses, a: Arithmetic, by: Array, mean: Mean) -> Left:
    """The same of what is reduced (1, 1); anything, where no digit of the denominator is certain."""
    if not mean.omega < 1:
        return mean.anything(np.ones((1, 1), bool))
    sums = {name: getattr(rows, name).sum().reshape(1, 1) for name in ("above", "below", "meets_zero", "undefined")}
    if mean.divisor < 0:
        sums["above"], sums["below"] = sums["below"], sums["above"]
    return _left(replace(rows, **sums), a, by / mean.least)


def _upstream(problem: Problem, divided: Mean, rows: Rows) -> tuple[Floats, Floats]:
    """g, (r, 1) or (1, 1), and by how much the factors g and 1/D enlarge what has underflowed before them."""
    assert problem.grad_output is not None
    g = np.asarray(problem.grad_output, np.float64).reshape(-1, 1)
    g = g[rows] if reduction_of(problem) == "none" else g
    return g, np.maximum(1, np.abs(g)) * np.maximum(1, 1 / abs(divided.divisor))


def _slopes(problem: Problem, terms: _Terms, rows: Rows) -> tuple[Floats, Floats]:
    """h = -c t, ∂L/∂l, and its error (Theorem 10), both of the shape of t."""
    a, t, divided = terms.f.arithmetic, terms.t, terms.mean
    g, enlarged = _upstream(problem, divided, rows)
    kappa = rdiv(powers(roundings_of(problem) + divided.roundings, a.rounding("terms")), divided.omega)
    c, m = g / divided.divisor, terms.m
    eta = terms.of_these(underflow_of_terms(problem, a, terms.f.classes))
    error = m * kappa + terms.moved * (1 + kappa)
    return -c * t, np.abs(c) * error + np.where(m != 0, eta * enlarged, 0.0)


def _last(problem: Problem, terms: _Terms, rows: Rows) -> Floats:
    """By how much all factors enlarge what has underflowed before them."""
    _, enlarged = _upstream(problem, terms.mean, rows)
    return enlarged * max(1.0, float(np.abs(class_weights(problem, terms.f.classes)).max()))


def _where_counted(of_logits: Allowed, terms: _Terms) -> Allowed:
    """A row without a coefficient has derivatives of 0 exactly; one that is ignored, whatever overflows."""
    counts = nonzeros(terms.m) > 0
    if counts.all():
        return of_logits
    return Allowed(
        np.where(counts, of_logits.value, 0.0),
        np.where(counts, of_logits.error, 0.0),
        left=np.where(terms.counts, of_logits.left, np.int8(0)),
    )


def gradient_along(problem: Problem, terms: _Terms, v: Floats, rows: Rows) -> Allowed:
    """Theorem 18 (a): the derivative of ∂L/∂x in the direction v, -Σh times J v (r, C)."""
    f, a = terms.f, terms.f.arithmetic
    slope, total = summed_known(*_slopes(problem, terms, rows), a)
    error = scaled(slope, Known(f.p, f.p_error), given(v, a), a, _last(problem, terms, rows))
    most = np.maximum(1, centred_reach(f, f.p_error, v))
    first = _before_scaling(problem, terms, rows)
    reach = np.maximum(first.sum(-1, keepdims=True), _beside_labels(problem, terms, rows)) * most
    exceeding = exceeds(reach, (a.storage if "derivatives" in a.stored else a.compute).largest)
    left = anything(np.broadcast_to(exceeding, v.shape))
    return _where_counted(Allowed(-total * f.along(v), error, left=left), terms)


def _before_scaling(problem: Problem, terms: _Terms, rows: Rows) -> Floats:
    """How large |h| may be on the way, whatever is multiplied first, and divided by D first or last: as t."""
    g, _ = _upstream(problem, terms.mean, rows)
    return np.asarray(np.maximum(1, np.abs(g)) * terms.first / terms.mean.least)


def _beside_labels(problem: Problem, terms: _Terms, rows: Rows) -> Floats:
    """The same of the classes that are multiplied by 0 where t has the column of the label alone: (r, 1)."""
    g, _ = _upstream(problem, terms.mean, rows)
    found = np.maximum(1, np.abs(g)) * terms.others / terms.mean.least
    return np.where(terms.counts, found, 0.0)


def _left_of_logits(problem: Problem, terms: _Terms, rows: Rows) -> Left | int:
    """Theorem 13 for h - p Σh: (r, C)."""
    f, a = terms.f, terms.f.arithmetic
    if not terms.mean.omega < 1:
        return anything(np.ones(f.p.shape, bool))
    first, others = _before_scaling(problem, terms, rows), _beside_labels(problem, terms, rows)
    by, largest = 1 + rmul(powers(8, a.rounding("terms")), f.classes * a.compute.u), _largest_term(a)
    if not (exceeds(first.sum(-1, keepdims=True) * by, largest) | exceeds(others, largest)).any():
        return 0
    g, _ = _upstream(problem, terms.mean, rows)
    sign = -np.sign(g) * np.sign(terms.mean.divisor)
    positive, negative = terms.m + terms.t > 0, terms.m - terms.t > 0  # parts of t
    plus = np.where(((sign > 0) & positive) | ((sign < 0) & negative), first, 0.0) * by
    minus = np.where(((sign < 0) & positive) | ((sign > 0) & negative), first, 0.0) * by
    up, down = (exceeds(each.sum(-1, keepdims=True), largest) for each in (plus, minus))  # of Σh
    own = [exceeds(each, largest) for each in (plus, minus)]
    if terms.at is not None:
        there = terms.at == np.arange(f.classes)
        own = [there & each for each in own]
    none = terms.vanishes | (np.minimum(1, np.abs(g)) * terms.last <= a.underflow("terms"))
    meets_zero = (exceeds(first, largest) & none).any(-1, keepdims=True)
    undefined = meets_zero | exceeds(others, largest) | (up | down) & (f.p <= f.p_error)
    return left_by(own[0] | down, own[1] | up, undefined=undefined)


def gradients(problem: Problem, terms: _Terms, rows: Rows) -> tuple[Allowed, Allowed]:
    """Theorems 10 and 11: of ∂L/∂x and ∂L/∂q, both (r, C)."""
    f, divided = terms.f, terms.mean
    a = f.arithmetic
    g, enlarged = _upstream(problem, divided, rows)
    c, eta = g / divided.divisor, underflow_of_terms(problem, a, f.classes)
    h, h_error = _slopes(problem, terms, rows)
    grad_x = carried_back(f, h, h_error, nonzeros(terms.m), terms.at, _last(problem, terms, rows))
    grad_x = replace(grad_x, left=_left_of_logits(problem, terms, rows))
    grad_x = _where_counted(spoiled(grad_x, f.lost), terms)
    if is_labels(problem):
        return grad_x, grad_x
    weight = np.abs(class_weights(problem, f.classes))
    own = 1 + ("weight" in problem.inputs) + 2 * bool(_smoothing(problem))  # products with l, w and 1 - ε, and 1 - ε
    roundings = own + divided.roundings
    kappa = rdiv(powers(roundings, a.rounding("terms")), divided.omega)
    slope, size = np.abs(c) * weight * (1 - _smoothing(problem)), np.abs(f.l)
    error = slope * (f.kept_error * (1 + kappa) + kappa * size)
    error = error + eta * enlarged * np.maximum(1, size + f.kept_error)
    if moved := smoothing_error(problem, a):
        error += np.abs(c) * weight * moved * (size + f.kept_error) * (1 + kappa)
    grad_target = Allowed(slope * size, error, left=_left_of_target(problem, terms, g))
    return grad_x, spoiled(grad_target, f.lost)


def _row_of_logits(problem: Problem, terms: _Terms, rows: Rows, value: Floats) -> RowUnknowns | None:
    """Theorem 21 (a) for h - p Σh, of which `value` is the magnitude (r, C)."""
    h, h_error = _slopes(problem, terms, rows)
    return row_of(terms.f, h, h_error, nonzeros(terms.m), value, terms.at, _last(problem, terms, rows))


def _left_of_target(problem: Problem, terms: _Terms, g: Floats) -> Left:
    """Theorem 13 for -c w (1 - ε) l, where 1 - ε is multiplied last and g divided by D first or last: (r, C)."""
    f, mean, largest = terms.f, terms.mean, _largest_term(terms.f.arithmetic)
    weight = class_weights(problem, f.classes)
    first = np.maximum(1, np.abs(g)) * np.maximum(1, np.abs(weight)) / mean.least
    vanishes = f.may_vanish
    infinite = exceeds(first, largest)
    sign = np.sign(g) * np.sign(mean.divisor) * np.sign(weight) * (1 - _smoothing(problem))
    over = infinite | exceeds(first * f.l_reach, largest)
    found = left_by(over & (sign > 0), over & (sign < 0), undefined=over & (sign == 0) | infinite & vanishes)
    return found if mean.omega < 1 else mean.anything(np.ones(found.shape, bool))


def cross_entropy(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed | Losses]:
    """Theorems 9 to 11, 17 and 18; what is reduced comes as the losses of these rows, or their derivatives."""
    terms = _terms(problem, arithmetic, rows)
    bounds: dict[str, Allowed | Losses] = {"value": losses(problem, terms)}
    if problem.grad_output is not None:
        grad_logits, grad_target = gradients(problem, terms, rows)
        bounds["grad_logits"] = replace(grad_logits, row=_row_of_logits(problem, terms, rows, grad_logits.value))
        if not is_labels(problem):
            bounds["grad_target"] = grad_target
    if problem.tangent is not None:
        v, used = direction(problem, rows), inside(arithmetic)
        terms = terms if used is arithmetic else _terms(problem, used, rows)
        bounds["jvp"] = losses_along(problem, terms, v)
        if problem.grad_output is not None:
            bounds["hvp_logits"] = gradient_along(problem, terms, v, rows)
    if reduction_of(problem) != "none":
        return bounds
    return {name: reduced(problem, arithmetic, each) if isinstance(each, Losses) else each
            for name, each in bounds.items()}  # fmt: skip


def _terms(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> _Terms:
    x = wide_rows(problem.inputs["logits"], axis_of(problem), rows)
    return _Terms.of(problem, SoftmaxRows.of(x, arithmetic), rows)


def linear_cross_entropy(problem: Problem, arithmetic: Arithmetic, _rows: Rows) -> dict[str, Allowed]:
    """Theorem 12."""
    a = arithmetic
    inputs = {name: np.asarray(each, np.float64) for name, each in problem.inputs.items() if name != "target"}
    x, w = wide_rows(inputs["input"], -1), to_rows(inputs["linear_weight"], -1)  # (N, D), (C …, D)
    bias = inputs["linear_bias"].reshape(-1) if "linear_bias" in inputs else None
    logits = product(x, w.T, a, bias=bias)  # (N, C …)
    logits_error = stored(logits.value, logits.error, a) if "logits" in a.stored else logits.error
    lost = _overflowing(logits, np.abs(logits.value) + logits.error, a)  # (N, C …)
    logits_error = np.where(lost, np.inf, logits_error)
    values = np.where(np.isfinite(logits.value), logits.value, 0.0)  # float64 may have overflowed, which masks nothing
    f = SoftmaxRows.of(of_positions(problem, values), a, of_positions(problem, logits_error))  # (R, C)
    terms = _Terms.of(problem, f, ALL)
    bounds = {"value": reduced(problem, a, losses(problem, terms))}
    if problem.grad_output is not None:
        grad, _ = gradients(problem, terms, ALL)
        grad_error = stored(grad.value, grad.error, a) if "logits" in a.stored else grad.error
        reach = np.fmin(np.abs(grad.value) + grad_error, _reach_of_gradient(problem, terms))
        rows = f.lost & terms.counts  # (R, 1)
        slopes = (grad.value, grad_error, reach, _overflowing(grad, reach, a) | rows)
        g, g_error, g_reach, lost = (by_positions(problem, each) for each in slopes)  # (N, C …)
        grads = linear_gradients(g, x, w, a, g_error, g_reach)
        of_rows, of_columns = (np.asarray(lost.any(axis, keepdims=True)) for axis in (1, 0))
        bounds["grad_input"] = spoiled(grads["grad_input"], of_rows)
        bounds["grad_linear_weight"] = spoiled(grads["grad_weight"], of_columns.T)
        if "linear_bias" in inputs:
            bounds["grad_linear_bias"] = spoiled(grads["grad_bias"], of_columns.T)
    return flat(bounds)


def _overflowing(each: Allowed, reach: Floats, a: Arithmetic) -> Array:
    """Where logits, or slopes of them, of up to this magnitude may be infinite or NaN."""
    found = np.broadcast_to((np.asarray(each.left) & ANYTHING) != 0, each.value.shape)
    return found | exceeds(reach, a.storage.largest) if "logits" in a.stored else found


def _reach_of_gradient(problem: Problem, terms: _Terms) -> Floats:
    """How large |h - p Σh| may come out, where its bound says nothing too: (R, C)."""
    f, (h, h_error) = terms.f, _slopes(problem, terms, ALL)
    first = np.abs(h) + h_error
    own = first if terms.at is None else np.where(terms.at == np.arange(f.classes), first, 0.0)
    most = own + f.p_reach(f.p_error) * first.sum(-1, keepdims=True)
    return np.asarray(most * (1 + rmul(powers(8, f.arithmetic.rounding("terms")), f.classes * f.arithmetic.compute.u)))
