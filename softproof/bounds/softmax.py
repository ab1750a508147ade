"""Softmax, log-softmax and logsumexp with their gradients (docs/theory/bounds.md, sections 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..problem.formats import FORMATS, Floats, Format
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows, with_softmax
from .algebra import (
    Allowed,
    Known,
    RowFactor,
    RowUnknowns,
    additions,
    grown,
    powers,
    rdiv,
    rmul,
    spoiled,
    stored,
    times,
)
from .arithmetic import Arithmetic
from .exactly import adds_up, formats_of, unit_of, units
from .overflow import Left, anything, exceeds, left_by
from .row_unknowns import Shared, of_centred, of_difference, of_product
from .second_order import along, curvature, given, inside, mean, scaled

LARGEST, LOG2E = np.finfo(np.float64).max, np.log2(np.e)


def promising(p: Floats, error: Floats) -> Floats:
    """An error of p̂, but inf where every number from 0 to 1 is within it: what is promised of p̂ is then nothing."""
    nothing = error >= np.maximum(p, 1 - p)
    return np.where(nothing, np.inf, error) if nothing.any() else error


def _others(array: Floats, at: Array) -> Floats:
    """`array` (r, C) with 0 in the columns `at` (r, 1)."""
    array = array.copy("K")
    np.put_along_axis(array, at, 0.0, -1)
    return array


def _subtraction_error(d: Floats, x: Floats, top: Floats, compute: Format) -> Floats:
    """|fl(x - m) - (x - m)| (r, C), known because A3 says what is computed; d is x - m in float64."""
    u = 2.0**-53
    if compute.u == u:
        back = x - d
        error = np.abs((x - (d + back)) + (back - top))  # exact: Knuth's two-sum
    else:
        error = compute.round(d)
        error -= d
        error = np.abs(error, out=error)
        error += 2 * u * np.abs(d)
    if np.isfinite(error.max(initial=0.0)):
        return error
    return np.where(np.isfinite(error), error, compute.u * np.abs(d))


def _shift_error(d: Floats, x: Floats, top: Floats, x_error: Floats | None, a: Arithmetic) -> Floats:
    """h: the error of the shifted logit, but for what all of a row share because their maximum moved (Theorem 12); and
    in class B what another form may add.
    """
    moved, h = np.zeros(1), _subtraction_error(d, x, top, a.compute)
    if x_error is not None:
        moved = x_error + x_error.max(-1, keepdims=True)
        inherited = moved if a.forward else x_error
        h = np.where(moved.any(-1, keepdims=True), inherited + a.compute.u * (np.abs(d) + moved), h)
    if a.flushes:
        h = h + _flushed_shift(d, x, top, moved, a)
    if "shift" in a.stored:
        h = stored(np.abs(d) + moved, h, a)
    if a.forward:
        h = _others(h + 3 * a.compute.u * (np.abs(d) + np.log(d.shape[-1])), x.argmax(-1)[:, None])
    return h


def _flushed_shift(d: Floats, x: Floats, top: Floats, moved: Floats, a: Arithmetic) -> Floats:
    """What x - m loses where it, x or m may be subnormal and counts as 0; equal numbers differ by exactly 0."""
    least = np.minimum(np.minimum(np.abs(x), np.abs(top)), np.abs(d)) - moved
    equal = (d == 0) & (moved == 0)
    return np.where((least < 2 * a.compute.tiny) & ~equal, a.flushed(1), 0.0)


def _common(x_error: Floats | None) -> Floats:
    """By how much all exponents of a row may be off together, since their maximum moved (r, 1)."""
    return np.zeros((1, 1)) if x_error is None else np.asarray(x_error.max(-1, keepdims=True))


def _exponent(size: Floats, error: Floats, a: Arithmetic) -> Floats:
    """What is off in an exponent known up to `error`; the product with log₂e and log₂e itself are rounded (A2')."""
    if not a.base2:
        return error
    rounding = powers(2, a.compute.u)
    return error + rounding * size + rounding * error  # the sum of both may overflow


def _exp_error(e: Floats, d: Floats, h: Floats, common: Floats, a: Arithmetic) -> Floats:
    """|ê - e| (r, C), in units of the factor that all of a row have in `common`."""
    kept = "exp" in a.stored
    kappa = float(rmul(a.c_exp * a.compute.u, a.storage.u if kept else 0.0))
    error = grown(e, d, _exponent(np.abs(d) + common, h, a), kappa)
    tiny, factor = (a.storage if kept else a.compute).tiny, np.exp(common)
    if (e - error).min(initial=1.0) < 2 * tiny * factor.max(initial=1.0):
        lost = factor * (a.exp_underflow + (a.underflow("exp") if kept else 0.0))
        error += np.where(e - error < 2 * tiny * factor, lost, 0.0)
    largest = np.nonzero(d == 0)
    error[largest] = np.where(h[largest] == 0, 0.0, error[largest])  # exp(0) = 1 exactly
    return error


def _scaled(x: Floats, x_error: Floats | float, a: Arithmetic) -> Floats:
    """How far logits (r, C) are known that have been multiplied by log₂e (A2'')."""
    size = np.where(np.isfinite(x), np.abs(x), 0.0)
    overflows = exceeds((size + x_error) * LOG2E * (1 + powers(2, a.compute.u)), a.compute.largest)
    return np.where(overflows, np.inf, x_error + _unscaled(size, x_error, a))


def _unscaled(size: Floats, error: Floats | float, a: Arithmetic) -> Floats:
    """What a product with log₂e, or with log 2, adds to an error: both factors are rounded, and the result."""
    return np.asarray(powers(2, a.compute.u) * (size + error) + 2 * a.underflow())


def _larger(x: Floats, moved: Floats | None) -> Floats:
    """How many values of its row are larger than each, or may be, where logits are only known (r, C)."""
    found = np.empty(x.shape)
    for row, values in enumerate(x):
        if moved is None:
            distinct = np.unique(values)
            found[row] = len(distinct) - np.searchsorted(distinct, values, "right")
        else:  # every other one that is not certainly below
            found[row] = len(values) - 1 - np.searchsorted(np.sort(values), values - moved[row].max(), "left")
    return found


def _rescaled_error(e: Floats, d: Floats, x: Floats, x_error: Floats | None, a: Arithmetic) -> Floats:
    """|ê - e| (r, C) of what reaches a sum that is rescaled whenever a larger maximum is met (Theorem 19)."""
    rescaled = _larger(x, None if x_error is None else x_error + _common(x_error))
    common = _common(x_error)
    u, inherited = a.compute.u, np.zeros(1) if x_error is None else x_error
    kept = a.storage.u if "exp" in a.stored else 0.0
    h = inherited + u * (np.abs(d) + inherited + common) + a.flushed(rescaled + 1)
    kappa = np.expm1((rescaled + 1) * np.log1p(rmul(a.c_exp * u, kept)) + rescaled * np.log1p(u))
    underflow = (rescaled + 1) * (a.exp_underflow + a.underflow("exp") + a.flushed(1)) * np.exp(common)
    error = grown(e, d, _exponent(np.abs(d) + common, h, a), kappa) + underflow
    return np.where((d == 0) & (inherited == 0) & (common == 0), 0.0, error)  # exp(0) = 1, and nothing rescales it


def _log_error(log_s: Floats, sigma: Floats, common: Floats, a: Arithmetic) -> Floats:
    """λ: the error of the logarithm of a sum with the relative error sigma, and a factor that cancels afterwards."""
    grown_sum = np.where(sigma < 1, -np.log1p(-np.minimum(sigma, 1)), np.inf)
    return np.asarray(grown_sum + a.c_log * a.compute.u * (log_s + grown_sum + common))


def _left_of_sum(a: Arithmetic, e: Floats, e_error: Floats, d: Floats, h: Floats, s: Floats) -> tuple[Floats, Array]:
    """Theorem 22 for exponentials of which some are exactly 1: what their sum may be off by, relative to it, and where
    it is no more: both (r, 1).
    """
    found = np.abs(s - np.rint(s)) <= 4 * a.compute.u
    if a.forward or not found.any():
        return np.zeros_like(s), np.zeros(s.shape, bool)
    ones = (d == 0) & (h == 0)
    count = np.count_nonzero(ones, -1, keepdims=True).astype(np.float64)
    error = np.where(ones, 0.0, e_error).sum(-1, keepdims=True)
    small = np.where(ones, 0.0, e).sum(-1, keepdims=True) + error
    small = times(small, 1 + additions(e.shape[-1], a.compute.u))
    found &= adds_up(count - 0.5, 1.0, a, *formats_of(a, "sum"), small=small)
    return np.where(found, (error + small) / s, 0.0), found


def _log1p_error(log_s: Floats, others: Floats, others_error: Floats, a: Arithmetic) -> Floats:
    """Theorem 16: the error of log(1 + s'), s' the sum of the exponentials without the largest."""
    total = others.sum(-1, keepdims=True)
    lost = np.where(total > 0, others_error.sum(-1, keepdims=True) / np.where(total > 0, total, 1.0), 0.0)
    classes = others.shape[-1]
    return log_s * rmul(lost, additions(classes - 1, a.compute.u, a.depth, classes), a.c_log * a.compute.u)


@dataclass(frozen=True)
class SoftmaxRows:
    """Magnitudes of the exact quantities of rows, and how far a max-shift evaluation may be from them."""

    arithmetic: Arithmetic
    classes: int
    masked: Array | None  # (r, C), None where no logit is -inf
    p: Floats  # (r, C)
    l: Floats  # (r, C), 0 where masked  # noqa: E741  # the letter of the literature: log-probability
    lse: Floats  # (r, 1)
    h: Floats  # error of the shifted logit (r, C)
    e_error: Floats  # |ê - e| (r, C)
    s: Floats  # (r, 1)
    sigma: Floats  # relative error of the sum (r, 1)
    lam: Floats  # absolute error of its logarithm (r, 1)
    x: Floats  # the logits, where they are finite (r, C)
    d: Floats  # less the largest (r, C)
    x_error: Floats | None  # of the logits (r, C)
    exact: Array  # where nothing but ones counts in the sum (r, 1)
    first: Array  # the column of the largest logit (r, 1)
    first_error: Floats | None  # class B: of its log-probability (r, 1)

    @classmethod
    def of(cls, x: Floats, a: Arithmetic, x_error: Floats | None = None) -> SoftmaxRows:
        """x (r, C), known up to x_error (r, C)."""
        x, _ = with_softmax(x)
        classes, first = x.shape[-1], x.argmax(-1)[:, None]
        masked = x == -np.inf if x.min(initial=0.0) == -np.inf else None
        top = x.max(-1, keepdims=True)
        d = x - top
        if d.min(initial=0.0) < -LARGEST:
            d = np.maximum(d, -LARGEST)
        e = np.exp(d)
        s = e.sum(-1, keepdims=True)
        others = _others(e, first) if a.forward else None
        log_s = np.log(s) if others is None else np.log1p(others.sum(-1, keepdims=True))
        l = d - log_s  # noqa: E741

        x_error = _scaled(x, 0.0 if x_error is None else x_error, a) if a.scales_logits else x_error
        common = _common(x_error)
        h = _shift_error(d, x, top, x_error, a)
        if masked is not None:
            l[masked] = h[masked] = 0.0
        e_error = _exp_error(e, d, h, common, a)
        if masked is not None:
            e_error[masked] = 0.0
        summed_error = e_error
        if a.online:
            summed_error = np.maximum(e_error, np.where(e > 0, _rescaled_error(e, d, x, x_error, a), 0.0))
        sigma = rmul(summed_error.sum(-1, keepdims=True) / s, additions(classes, a.compute.u, a.depth, classes))
        if "sum" in a.stored:
            sigma = rmul(sigma, a.storage.u)
        left, exact = _left_of_sum(a, e, summed_error, d, h, s)
        sigma = np.where(exact, left, sigma) if exact.any() else sigma
        lam = _log_error(log_s, sigma, common, a)
        first_error = None if others is None else _log1p_error(log_s, others, _others(e_error, first), a)
        if "log" in a.stored:
            lam = stored(log_s + common, lam, a)
        beside = (x, d, x_error, exact, first, first_error)
        return cls(a, classes, masked, e / s, l, top + log_s, h, e_error, s, sigma, lam, *beside)

    @property
    def lost(self) -> Array:
        """Rows with a logit that may be no number when it is used (r, 1)."""
        none = np.zeros((len(self.p), 1), bool)
        return none if self.x_error is None else none | np.isinf(self.x_error).any(-1, keepdims=True)

    def spoiled(self, bounds: dict[str, Allowed]) -> dict[str, Allowed]:
        """The same outputs, of which nothing is known in rows that are lost."""
        return {name: spoiled(each, self.lost) for name, each in bounds.items()}

    def mean(self, v: Floats) -> Floats:
        """Σ p v (r, 1)."""
        return np.asarray((self.p * v).sum(-1, keepdims=True))

    def along(self, v: Floats) -> Floats:
        """J v (r, C)."""
        return self.p * (v - self.mean(v))

    @cached_property
    def lse_error(self) -> Floats:
        """|ŷ - y| (r, 1) of the logsumexp (Theorem 3)."""
        u = self.arithmetic.compute.u
        error = self.lam * (1 + u) + u * np.abs(self.lse) + self.arithmetic.flushed(1)
        scales = self.arithmetic.scales_logits
        return np.asarray(error + _unscaled(np.abs(self.lse), error, self.arithmetic) if scales else error)

    @cached_property
    def _row_error(self) -> Floats:
        """Of what a row has in common: λ, or |ŷ - y| where ŷ may be subtracted."""
        return np.maximum(self.lam, self.lse_error) if self.arithmetic.subtracts_logsumexp else self.lam

    @cached_property
    def l_error(self) -> Floats:
        """|l̂ - l| (Theorem 4); in class B less at the largest logit (Theorem 16)."""
        if self.first_error is None:
            return self._shared_error
        error = self._shared_error.copy("K")
        np.put_along_axis(error, self.first, self.first_error * (1 + 2 * self.arithmetic.compute.u), -1)
        return error

    @cached_property
    def _shared_error(self) -> Floats:
        """|l̂ - l| with the error of the sum."""
        u = self.arithmetic.compute.u
        error = self.h + self.lam
        if self.arithmetic.subtracts_logsumexp:  # Theorem 19: x - ŷ as well
            error = np.maximum(error, self.lse_error + (0.0 if self.x_error is None else self.x_error))
        error *= 1 + u
        error += u * np.abs(self.l) + self.arithmetic.flushed(1)
        if self.arithmetic.scales_logits:
            error += _unscaled(np.abs(self.l), error, self.arithmetic)
        if self.first_error is not None:
            error += self.arithmetic.c_log * u * np.abs(self.l)  # of log(1 + e^z), about z where z is large
        return error

    @cached_property
    def kept_error(self) -> Floats:
        """The same for the l̂ that is kept for what follows: stored, where the arithmetic says so."""
        return self._kept(self.l_error)

    @property
    def may_vanish(self) -> Array:
        """Where l̂ may be 0, whatever float64 made of l = -log s, whose sum of `classes` numbers rounds (r, C)."""
        evaluation = (self.classes + 4) * FORMATS["float64"].u
        return np.asarray(np.abs(self.l) <= self.kept_error + evaluation)

    def _kept(self, l_error: Floats) -> Floats:
        return stored(self.l, l_error, self.arithmetic) if "output" in self.arithmetic.stored else l_error

    @property
    def _above(self) -> Floats:
        """How far the exponent of the largest logit may come out above, or below, 0 (r, 1): not at all, but by A2''."""
        if not self.arithmetic.scales_logits or self.x_error is None:
            return np.zeros((1, 1))
        return np.asarray(2 * self.x_error.max(-1, keepdims=True))

    @property
    def _log_reach(self) -> Floats:
        """How large a computed |log ŝ| may be: 0 <= log ŝ, since exp(0) = 1, and no exponential is above 1 (A3)."""
        a = self.arithmetic
        u, kept = a.compute.u, a.storage.u
        of_exp = rmul(a.c_exp * u, u, kept) * (1 + self.classes * a.online)
        most = np.log(self.classes) + np.log1p(self.classes * u) + of_exp + kept + self._above
        return np.asarray(most * (1 + a.c_log * u + kept))

    @property
    def lse_reach_error(self) -> Floats:
        """|ŷ - y|, where its bound says nothing too: (r, 1)."""
        u = self.arithmetic.compute.u
        beside = self._log_reach + (0.0 if self.x_error is None else self.x_error.max(-1, keepdims=True))
        return np.fmin(self.lse_error, beside + u * (np.abs(self.lse) + beside))

    @cached_property
    def _lone(self) -> tuple[Array, Floats]:
        """Theorem 22: rows whose sum is 1 and what no addition to it changes, and how large its computed logarithm may
        be: both (r, 1).
        """
        if not self.exact.any():
            return self.exact, np.zeros(self.exact.shape)
        reach = self.lam - np.take_along_axis(self.l, self.first, -1)  # which is not masked
        return self.exact & (reach < 0.5), reach

    def known(self, at: Array | None = None) -> tuple[Array, Array, Floats]:
        """Theorem 22: which l̂ are x - m without an error, in the columns `at` (r, 1) or all; which are between 0 and
        minus the `reach`; and that reach (r, 1).
        """
        lone, reach = self._lone
        chosen = [each if at is None else np.take_along_axis(each, at, -1) for each in (self.x, self.d)]
        if not lone.any() or self.arithmetic.flushes:
            none = np.zeros(chosen[0].shape, bool)
            return none, none, reach
        a, (x, d), top = self.arithmetic, chosen, self.x.max(-1, keepdims=True)
        unit = np.minimum(units(x), units(top))
        known = lone & adds_up(np.abs(d), unit, a, *formats_of(a, "shift", "output"))
        known &= (reach <= a.compute.u / 4 * np.abs(d)) & np.isfinite(x)
        if a.subtracts_logsumexp:
            known &= (top == 0) | (reach <= a.compute.u / 4 * np.abs(top))
        return known, lone & (d == 0) & ((top == 0) | ~np.asarray(a.subtracts_logsumexp)), reach

    @cached_property
    def l_reach(self) -> Floats:
        """How large |l̂| may be, where its bound says nothing too: (r, C)."""
        a, near = self.arithmetic, np.abs(self.l) + self.kept_error
        if near.max(initial=0.0) < np.inf and self.lam.max(initial=0.0) < 1:
            return np.asarray(near)
        beside = self.h + _common(self.x_error) + self._log_reach
        if a.subtracts_logsumexp:
            beside = beside + self.lse_reach_error
        most = (np.abs(self.l) + beside) * (1 + 4 * (a.compute.u + a.storage.u))
        return np.asarray(np.fmin(near, most))

    def p_reach(self, p_error: Floats) -> Floats:
        """How large p̂ may be: no exponent of it is above 0, since x - ŷ rounds m + log ŝ >= m (r, C)."""
        a = self.arithmetic
        most = 1 + rmul(a.c_exp * a.compute.u, powers(2, a.compute.u), powers(2, a.storage.u))
        return np.asarray(np.fmin(self.p + p_error, most * np.exp(self._above)))

    def mean_reach(self, p_error: Floats, v: Floats, largest: float) -> tuple[Floats, Floats]:
        """How large the positive and the negative parts of Σ p v may be, and inf where (Σ e v)/s overflows: (r, 1)."""
        a, p = self.arithmetic, self.p_reach(p_error)
        by = 1 + rmul(self.classes * a.compute.u, powers(4, a.rounding("derivatives")))
        e = np.minimum(p * self.s, 2 * np.exp(self._above)) if self.s.max(initial=1.0) > 1 else p
        parts = [np.maximum(each, 0) for each in (v, -v)]
        sums = [((p * each).sum(-1, keepdims=True) * by, (e * each).sum(-1, keepdims=True) * by) for each in parts]
        plus, minus = (np.where(exceeds(of_e, largest), np.inf, of_p) for of_p, of_e in sums)
        return plus, minus

    @cached_property
    def p_error(self) -> Floats:
        """|p̂ - p| for p̂ = exp(l̂) as well as for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 5)."""
        return self._promising(self._p_error(self._kept(self._shared_error)) + self._p_underflow)

    def _promising(self, error: Floats) -> Floats:
        """The same, but inf where every number from 0 to 1 is within it (r, C)."""
        return promising(self.p, error)

    def _p_error(self, l_error: Floats) -> Floats:
        a = self.arithmetic
        roundings = rmul(a.c_exp * a.compute.u, a.rounding("exp"), a.compute.u)
        if a.forward:  # also as a product of two such probabilities
            l_error, roundings = 2 * l_error, rmul(roundings, roundings, powers(2, a.compute.u))
        error = grown(self.p, self.l, _exponent(np.abs(self.l), l_error, a), float(roundings))
        if self.masked is not None:
            error[self.masked] = 0.0
        return error

    @property
    def _p_underflow(self) -> Array:
        """(r, 1), or (r, C) where something is masked."""
        a = self.arithmetic
        underflow = 2 * (a.exp_underflow + a.underflow("exp")) * (1 + rdiv(0.0, self.sigma))
        return underflow if self.masked is None else np.where(self.masked, 0.0, underflow)

    @property
    def division_error(self) -> Floats:
        """|p̂ - p| for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 2)."""
        rho = rdiv(powers(2, self.arithmetic.compute.u), self.sigma)
        error: Floats = self.e_error * ((1 + rho) / self.s) + self.p * rho + self.arithmetic.underflow()
        if self.masked is not None:
            error[self.masked] = 0.0
        return error

    @property
    def value_error(self) -> Floats:
        """|p̂ - p| for softmax as a result: Theorem 2, or Theorem 5 where the formula is not known."""
        if self.arithmetic.quotient:
            return self._promising(self.division_error)
        by_logarithm = self._p_error(self._shared_error) + self._p_underflow
        return self._promising(np.maximum(self.division_error, by_logarithm))

    @property
    def saved_error(self) -> Floats:
        """|p̂ - p| for the p̂ that a backward pass starts from."""
        if "output" in self.arithmetic.stored:
            return stored(self.p, self.value_error, self.arithmetic)
        return self._promising(self._p_error(self._shared_error) + self._p_underflow)

    @property
    def common_factor(self) -> RowFactor:
        """Theorem 14 for softmax."""
        return self.factor_of(self._row_error, self._free_error)

    def factor_of(self, shared: Floats, free: Floats) -> RowFactor:
        """Theorem 14 for p̂ whose logarithm has an error that the row has in common (r, 1), and one by itself."""
        underflow = np.broadcast_to(self._p_underflow, self.p.shape)
        return RowFactor(True, shared, self._p_error(free), underflow)

    @property
    def common_term(self) -> RowFactor:
        """Theorem 14 for log-softmax."""
        free = self._free_error
        return RowFactor(False, self._row_error, np.zeros_like(free), free)

    @property
    def shared_of_value(self) -> Shared:
        """The probabilities that the backward pass of softmax starts from."""
        factor = self.common_factor
        return Shared.of(self.p, factor.stored(self.p, self.arithmetic) if self._stores_output else factor)

    @property
    def shared_of_logarithm(self) -> Shared:
        """Those of exp(l̂), l̂ stored or not, and of a quotient."""
        term = self.common_term
        own = term.stored(self.l, self.arithmetic).fixed if self._stores_output else term.fixed
        return Shared.of(self.p, self.factor_of(term.limit, own))

    @property
    def _stores_output(self) -> bool:
        return "output" in self.arithmetic.stored

    @property
    def _free_error(self) -> Floats:
        """What of |l̂ - l| an element has by itself."""
        u = self.arithmetic.compute.u
        free: Floats = np.abs(self.l)
        free += self._row_error
        free *= u
        free += self.h * (1 + u)
        if not self.arithmetic.scales_logits:
            return free
        return free + _unscaled(np.abs(self.l) + self._row_error, free, self.arithmetic)


def _rows(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> SoftmaxRows:
    return SoftmaxRows.of(wide_rows(problem.inputs["logits"], axis_of(problem), rows), arithmetic)


def _inside(f: SoftmaxRows, problem: Problem, rows: Rows) -> SoftmaxRows:
    """The same rows as derivatives in a direction see them."""
    arithmetic = inside(f.arithmetic)
    return f if arithmetic is f.arithmetic else _rows(problem, arithmetic, rows)


def softmax(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorems 2 and 5 for the value, Theorem 6 (b) for the gradient."""
    f = _rows(problem, arithmetic, rows)
    bounds = {"value": Allowed(f.p, f.value_error, f.common_factor)}
    if problem.grad_output is not None:
        u, eta = arithmetic.compute.u, arithmetic.underflow()
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        size, p, b = np.abs(g), f.p, f.saved_error
        inner = (g * p).sum(-1, keepdims=True)  # S
        product = arithmetic.rounding("terms") if "terms" in arithmetic.stored else 0.0
        deep = rmul(u, additions(f.classes + 1, u, arithmetic.backward_depth, f.classes))  # a product, and additions
        gamma = rmul(np.minimum(f.classes * u, deep), product)
        inner_error = times(b, size).sum(-1, keepdims=True) * (1 + gamma)
        inner_error = inner_error + gamma * (size * p).sum(-1, keepdims=True)
        inner_error = inner_error + f.classes * arithmetic.underflow("terms")
        value = p * (g - inner)
        roundings = rmul(powers(3, u), product)
        beside = np.abs(inner) + inner_error  # (r, 1)
        reach, apart, lost = np.abs(g - inner), np.zeros(1), 3 * eta + arithmetic.underflow("terms")
        if not arithmetic.quotient and _has_other_forms(arithmetic):
            reach = size + np.abs(inner)
        elif not arithmetic.quotient:  # p̂ g and p̂ S of two exponentials of one logarithm
            apart = rmul(arithmetic.c_exp * u, arithmetic.rounding("exp"))
            lost = lost + 2 * (arithmetic.exp_underflow + arithmetic.underflow("exp")) * beside
        rounded = (inner_error + (roundings + rdiv(apart, apart)) * beside) + roundings * size
        error = times(b, reach) + times(p + b, rounded)
        error = error + u * np.abs(value) + lost
        row = None
        if not arithmetic.forward:
            row = of_centred(f.shared_of_value, value, g, inner, inner_error, roundings, arithmetic)
        left = _left_of_centred(f, b, g, arithmetic, times_p=True)
        bounds["grad_logits"] = Allowed(value, error, row, left)
    if problem.tangent is not None:
        bounds |= _softmax_along(problem, _inside(f, problem, rows), rows)
    return f.spoiled(bounds)


def _has_other_forms(a: Arithmetic) -> bool:
    """Whether two evaluations of one probability may differ by more than one exponential."""
    return a.base2 or a.scales_logits or a.subtracts_logsumexp or a.forward or "output" in a.stored


def _softmax_along(problem: Problem, f: SoftmaxRows, rows: Rows) -> dict[str, Allowed]:
    """Theorems 17 and 18 for softmax."""
    a, v = f.arithmetic, direction(problem, rows)
    p, dp = Known(f.p, f.saved_error), f.along(v)
    left = _left_of_centred(f, f.saved_error, v, a, times_p=True)
    bounds = {"jvp": Allowed(dp, along(p, given(v, a), a), left=left)}
    if problem.grad_output is not None:
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        value = dp * (g - f.mean(g)) - f.p * (g * dp).sum(-1, keepdims=True)
        left = _left_of_scaled(f, f.saved_error, centred_reach(f, f.saved_error, g), v, a)
        bounds["hvp_logits"] = Allowed(value, curvature(p, given(g, a), given(v, a), a), left=left)
    return bounds


def centred_reach(f: SoftmaxRows, p_error: Floats, g: Floats) -> Floats:
    """How large |g - Σ p g|, or its parts, may be on the way in a row: (r, 1)."""
    plus, minus = f.mean_reach(p_error, g, _largest(f.arithmetic))
    return np.asarray(np.abs(g).max(-1, keepdims=True) + plus + minus)


def _largest(a: Arithmetic) -> float:
    """Of what a derivative is computed in."""
    return (a.storage if a.stored & {"terms", "derivatives"} else a.compute).largest


def _left_of_centred(f: SoftmaxRows, p_error: Floats, g: Floats, a: Arithmetic, times_p: bool) -> Left | int:
    """Theorem 13 for g - Σ p g, or for p times that: (r, C)."""
    by, largest = 1 + powers(4, a.rounding("derivatives")), _largest(a)
    if np.abs(g).max(initial=0.0) * 4 * (1 + f.classes) * (1 + f.classes * a.compute.u) < largest:
        return 0
    plus, minus = f.mean_reach(p_error, g, largest)
    up, down = (exceeds((np.maximum(g, 0) + minus) * by, largest), exceeds((np.maximum(-g, 0) + plus) * by, largest))
    return left_by(up, down, undefined=(up | down) & times_p & (f.p <= p_error))


def _left_of_scaled(f: SoftmaxRows, p_error: Floats, slope: Floats, v: Floats, a: Arithmetic) -> Left:
    """Theorem 13 for numbers of this size (r, 1) times J v, which may be multiplied in any order: (r, C)."""
    reach = np.maximum(1, slope) * np.maximum(1, centred_reach(f, p_error, v))
    exceeding = exceeds(reach * (1 + powers(8, a.rounding("derivatives"))), _largest(a))
    return anything(np.broadcast_to(exceeding, v.shape))


def direction(problem: Problem, rows: Rows) -> Floats:
    """The tangent of some rows (r, C)."""
    assert problem.tangent is not None
    return wide_rows(problem.tangent, axis_of(problem), rows)


def log_softmax(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 4 for the value, Theorem 6 (a) for the gradient."""
    f = _rows(problem, arithmetic, rows)
    bounds = {"value": Allowed(f.l, f.l_error, f.common_term)}
    if problem.grad_output is not None:
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        terms = nonzeros(g)
        found = carried_back(f, g, 0.0, terms, scalings=0)
        bounds["grad_logits"] = replace(found, row=row_of(f, g, 0.0, terms, found.value), left=_left_of_total(f, g))
    if problem.tangent is not None:
        bounds |= _log_softmax_along(problem, _inside(f, problem, rows), rows)
    return f.spoiled(bounds)


def _log_softmax_along(problem: Problem, f: SoftmaxRows, rows: Rows) -> dict[str, Allowed]:
    """Theorems 17 and 18 for log-softmax: v - Σ p v, and -Σg times J v."""
    a, v = f.arithmetic, direction(problem, rows)
    p = Known(f.p, f.p_error)
    jvp = mean(p, given(v, a), a) + given(v, a)
    jvp = jvp.rounded(a.rounding("derivatives"), a.flushed(1))
    left = _left_of_centred(f, f.p_error, v, a, times_p=False)
    bounds = {"jvp": Allowed(v - f.mean(v), np.broadcast_to(jvp.error, v.shape), left=left)}
    if problem.grad_output is not None:
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        slope, total = summed_known(g, 0.0, a)
        left = _left_of_scaled(f, f.p_error, np.abs(g).sum(-1, keepdims=True), v, a)
        bounds["hvp_logits"] = Allowed(-total * f.along(v), scaled(slope, p, given(v, a), a), left=left)
    return bounds


def _left_of_total(f: SoftmaxRows, g: Floats) -> Left | int:
    """Theorem 13 for g - p Σg: (r, C)."""
    a = f.arithmetic
    plus, minus = (np.maximum(each, 0).sum(-1, keepdims=True) * (1 + f.classes * a.compute.u) for each in (g, -g))
    up, down = exceeds(plus, _largest(a)), exceeds(minus, _largest(a))
    if not (up | down).any():
        return 0
    shape = np.zeros(g.shape, bool)
    return left_by(shape | down, shape | up, undefined=(up | down) & (f.p <= f.p_error))


def nonzeros(array: Array) -> Array:
    """How many entries of each row are not 0: (r, 1)."""
    return np.count_nonzero(array, axis=-1, keepdims=True)


def summed(h: Array, h_error: Array | float, terms: Array, a: Arithmetic) -> tuple[Array, Array]:
    """Σh of each row (r, 1), of which `terms` are not zero and each is known up to h_error, and its error."""
    rounding = additions(terms, a.compute.u, a.backward_depth, h.shape[-1])
    size = np.abs(h).sum(-1, keepdims=True)
    if not np.any(h_error):
        rounding = np.where(adds_up(size, unit_of(h, size, a), a), 0.0, rounding)
    error = np.sum(np.broadcast_to(h_error, h.shape), -1, keepdims=True) * (1 + rounding)
    return h.sum(-1, keepdims=True), error + size * rounding


def summed_known(h: Array, h_error: Array | float, a: Arithmetic) -> tuple[Known, Array]:
    """The same as a factor, and the sum itself; where subnormal numbers count as 0, those of the row do."""
    terms = nonzeros(h)
    total, error = summed(h, h_error, terms, a)
    return Known(np.abs(total), error + 2 * a.flushed(terms)), total


def carried_back(
    f: SoftmaxRows,
    h: Array,
    h_error: Array | float,
    terms: Array,
    at: Array | None = None,
    enlarged: Array | float = 1.0,
    scalings: int = 2,
) -> Allowed:
    """Theorem 6 (a): v = h - p Σh, where h is known up to h_error and `terms` of a row are not zero.

    h (r, C), or (r, 1) where each row has one entry, in the columns `at` (r, 1). The result may be scaled so often, or
    not at all, and then p̂ meets the sum alone. What underflows may be `enlarged` by factors that are applied last.
    """
    u = f.arithmetic.compute.u
    total, total_error = summed(h, h_error, terms, f.arithmetic)
    reach = (np.abs(h).sum(-1, keepdims=True) if scalings else np.abs(total)) + total_error  # (r, 1)
    error = times(f.p_error, reach * (1 + u))
    error += f.p * (total_error + u * reach)
    value = f.p * -total
    rows = np.arange(len(value))
    if at is None:
        value, error = value + h, error + h_error
    elif f.arithmetic.forward:
        beside = _others(f.p, at).sum(-1)  # 1 - p_y
        order = additions(f.classes - 1, u)
        lost = (_others(f.p_error, at).sum(-1) * (1 + order) + order * beside) * reach[:, 0]
        value[rows, at[:, 0]] = h[:, 0] * beside
        error[rows, at[:, 0]] = lost * (1 + u) + (total_error + u * reach)[:, 0] * beside
    else:
        value[rows, at[:, 0]] += h[:, 0]
        error[rows, at[:, 0]] += np.broadcast_to(h_error, h.shape)[:, 0]
    last = float(powers(1 + scalings, u))
    error *= 1 + last
    error += last * np.abs(value)
    error += (2 * (scalings + 2) * f.arithmetic.underflow() + f.arithmetic.flushed(terms)) * enlarged
    return Allowed(value, error)


def row_of(
    f: SoftmaxRows,
    h: Array,
    h_error: Array | float,
    terms: Array,
    value: Floats,
    at: Array | None = None,
    enlarged: Array | float = 1.0,
) -> RowUnknowns | None:
    """Theorem 21 (a) for v = h - p Σh, of which `value` is the magnitude; the arguments of `carried_back`."""
    a = f.arithmetic
    if a.forward:
        return None
    total, total_error = summed(h, h_error, terms, a)
    total_error = total_error + a.flushed(terms) * enlarged
    h_error, lost = h_error * (1 + powers(3, a.compute.u)), (8 * a.underflow() + a.flushed(terms)) * enlarged
    if at is None:
        return of_difference(f.shared_of_logarithm, value, total, total_error, lost + h_error, a)
    found = of_difference(f.shared_of_logarithm, value, total, total_error, lost, a)
    found.own[np.arange(len(value)), at[:, 0]] += h_error[:, 0]
    return found


def logsumexp(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 3 for the value, Theorem 6 (c) for the gradient."""
    f, a = _rows(problem, arithmetic, rows), arithmetic
    u = a.compute.u
    bounds = {"value": Allowed(f.lse, f.lse_error)}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows)
        value = g * f.p
        error = times(_p_error_by_difference(f), np.abs(g)) * (1 + u) + u * np.abs(value) + a.underflow()
        row = None if a.forward else of_product(_shared_by_difference(f), value, g, a)
        bounds["grad_logits"] = Allowed(value, error, row)
    if problem.tangent is not None:
        bounds |= _logsumexp_along(problem, _inside(f, problem, rows), rows)
    return f.spoiled(bounds)


def _upstream_of_rows(problem: Problem, rows: Rows) -> Floats:
    """g (r, 1)."""
    return np.asarray(problem.grad_output, np.float64).reshape(-1, 1)[rows]


def kept_lse_error(f: SoftmaxRows) -> Floats:
    """|ŷ - y| (r, 1) of the logsumexp that a backward pass starts from."""
    return stored(f.lse, f.lse_error, f.arithmetic) if "output" in f.arithmetic.stored else f.lse_error


def _p_error_by_difference(f: SoftmaxRows) -> Floats:
    """|p̂ - p| (r, C) for p̂ = exp(x - ŷ) as well (Theorem 6 (c))."""
    a, u, kept = f.arithmetic, f.arithmetic.compute.u, kept_lse_error(f)
    if f.x_error is not None:
        kept = kept + f.x_error
    delta = kept + a.rounding("shift") * (np.abs(f.l) + kept)  # of x - ŷ
    roundings = rmul(a.c_exp * u, a.rounding("exp"))
    p_error = grown(f.p, f.l, _exponent(np.abs(f.l), delta, a), float(roundings)) + a.exp_underflow + a.underflow("exp")
    p_error = np.maximum(p_error, f.p_error * (1 + u))
    if f.masked is not None:
        p_error[f.masked] = 0.0
    return promising(f.p, p_error)


def _shared_by_difference(f: SoftmaxRows) -> Shared:
    """Theorem 14 for p̂ = exp(x - ŷ) as well."""
    kept, term = kept_lse_error(f), f.common_term
    moved = 0.0 if f.x_error is None else f.x_error
    own = moved + f.arithmetic.rounding("shift") * (np.abs(f.l) + kept + moved)  # of x - ŷ
    return Shared.of(f.p, f.factor_of(np.maximum(term.limit, kept), np.maximum(term.fixed, own)))


def _logsumexp_along(problem: Problem, f: SoftmaxRows, rows: Rows) -> dict[str, Allowed]:
    """Theorems 17 and 18 for logsumexp: Σ p v, and g times J v."""
    a, v = f.arithmetic, direction(problem, rows)
    p = Known(f.p, p_error := _p_error_by_difference(f))
    left = left_by(*(exceeds(each, _largest(a)) for each in f.mean_reach(p_error, v, _largest(a))))
    bounds = {"jvp": Allowed(f.mean(v), np.asarray(mean(p, given(v, a), a).error), left=left)}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows)
        left = _left_of_scaled(f, p_error, np.abs(g), v, a)
        bounds["hvp_logits"] = Allowed(g * f.along(v), scaled(given(g, a), p, given(v, a), a), left=left)
    return bounds
