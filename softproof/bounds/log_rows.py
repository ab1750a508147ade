"""What is known of the logarithms in rows of a softmax (docs/theory/bounds.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..problem.formats import FORMATS, Floats
from ..problem.problem import Array
from ..problem.rows import with_softmax
from .algebra import (
    Allowed,
    additions,
    few_additions,
    rmul,
    spoiled,
    stored,
    times,
)
from .arithmetic import Arithmetic
from .exactly import adds_up, formats_of, units
from .exponentials import (
    LARGEST,
    common_error,
    exp_error,
    folded_error,
    left_of_sum,
    log1p_error,
    log_error,
    rescaled_error,
    scaled_logits,
    shift_error,
    unscaled,
    zero_at,
)


@dataclass(frozen=True)
class LogRows:
    """Magnitudes of the exact quantities of rows, and how far a max-shift evaluation may be from their logarithms."""

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
    def of(cls, x: Floats, a: Arithmetic, x_error: Floats | None = None) -> Self:
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
        others = zero_at(e, first) if a.forward else None
        log_s = np.log(s) if others is None else np.log1p(others.sum(-1, keepdims=True))
        l = d - log_s  # noqa: E741

        x_error = scaled_logits(x, 0.0 if x_error is None else x_error, a) if a.scales_logits else x_error
        common = common_error(x_error)
        h = shift_error(d, x, top, x_error, a)
        if masked is not None:
            l[masked] = h[masked] = 0.0
        e_error = exp_error(e, d, h, common, a)
        if masked is not None:
            e_error[masked] = 0.0
        summed_error = e_error
        if a.online or a.blocks(classes) > 1:
            summed_error = np.maximum(e_error, np.where(e > 0, rescaled_error(e, d, x, x_error, a), 0.0))
        order = additions(classes, a.compute.u, a.depth, classes)
        if summed_error is e_error:  # which nothing rescales
            order = few_additions(order, e, a.compute.u, beside=1)  # one more: what is allowed is a rounding
        sigma = (summed_error + times(order, e + summed_error)).sum(-1, keepdims=True) / s
        if "sum" in a.stored:
            sigma = rmul(sigma, a.storage.u)
        left, exact = left_of_sum(a, e, summed_error, d, h, s)
        sigma = np.where(exact, left, sigma) if exact.any() else sigma
        lam = log_error(log_s, sigma, common, a)
        first_error = None if others is None else log1p_error(log_s, others, zero_at(e_error, first), a)
        if "log" in a.stored:
            lam = stored(log_s + common, lam, a)
        beside = (x, d, x_error, exact, first, first_error)
        return cls(a, classes, masked, e / s, l, top + log_s, h, e_error, s, sigma, lam, *beside)

    @property
    def lost(self) -> Array:
        """Rows with a logit that may be infinite or NaN when it is used (r, 1)."""
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
        a, u, blocks = self.arithmetic, self.arithmetic.compute.u, self.arithmetic.blocks(self.classes)
        error = self.lam * (1 + u) + u * np.abs(self.lse) + a.flushed(1)
        if blocks > 1:
            common = common_error(self.x_error)
            folded = folded_error(self.lse, self.lam + common, self._log_reach + common, blocks, a)
            error = np.maximum(error, folded)
        if a.scales_logits:
            error = error + unscaled(np.abs(self.lse), error, a)
        return np.asarray(stored(self.lse, error, a) if "logsumexp" in a.stored else error)

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
            error += unscaled(np.abs(self.l), error, self.arithmetic)
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
        beside = self.h + common_error(self.x_error) + self._log_reach
        if a.subtracts_logsumexp:
            beside = beside + self.lse_reach_error
        most = (np.abs(self.l) + beside) * (1 + 4 * (a.compute.u + a.storage.u))
        return np.asarray(np.fmin(near, most))
