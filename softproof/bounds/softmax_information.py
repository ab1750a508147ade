"""Entropy of a softmax, divergence of two, and their gradients (docs/theory/bounds.md, section 16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows
from .algebra import Allowed, Known, additions, few_additions, powers, rdiv, rmul, stored, times
from .arithmetic import Arithmetic
from .exponentials import larger, rescaled_error, unscaled
from .overflow import Left, anything, exceeds
from .softmax import has_other_forms
from .softmax_rows import SoftmaxRows
from .through_maximum import of_slopes, through_maximum

CITED = dict.fromkeys(("softmax_entropy", "softmax_kl_divergence"), (2, 3, 4, 5, 27, 30))  # the theorems of both


@dataclass(frozen=True)
class _Sum:
    """Σ p l of rows, l a logarithm or the difference of two, and what is known of its factors."""

    f: SoftmaxRows  # of p
    p: Known  # (r, C)
    l: Known  # magnitudes of all logarithms together (r, C)  # noqa: E741  # the letter of the literature
    exact: Floats  # l itself (r, C)
    value: Floats  # (r, 1)
    size: Floats  # Σ p |l|, of these magnitudes (r, 1)
    error: Floats  # (r, 1)
    most: Floats  # of the magnitudes for classes whose exponential need not be 0 (r, 1)
    logarithms: int  # of each class

    @classmethod
    def of(cls, f: SoftmaxRows, other: SoftmaxRows | None = None) -> _Sum:
        """Theorem 27 (a), with log p, or with log p - log q of the other rows."""
        a, gone = f.arithmetic, f.d + f.h < 2 * np.log(f.arithmetic.compute.subnormal)
        p_error = np.maximum(f.p_error, f.saved_error)
        size, l_error = _logarithms(f, f, p_error > -1)
        if a.subtracts_logsumexp:
            p_error = np.maximum(p_error, f.p_error_of(_normalised(f, f)))
        exact = f.l
        if other is not None:
            of_q, q_error = _logarithms(other, f, other.l > np.log(2 * a.compute.tiny))
            size, l_error, exact = size + of_q, l_error + q_error, exact - other.l
        p = Known(f.p, np.where(gone, f.p, p_error + a.flushed(1)))
        l = Known(size, np.where(gone, 0.0, l_error + a.flushed(2)))  # noqa: E741
        logarithms = 1 + (other is not None)
        size, error = _summed(f, _online(f, p, gone) * l, logarithms)
        value = (f.p * exact).sum(-1, keepdims=True)
        return cls(f, p, l, exact, value, size, error, np.where(gone, 0.0, l.size).max(-1, keepdims=True), logarithms)

    @property
    def slopes_error(self) -> Floats:
        """That of Σ p (l + 1), the one sum of what autograd makes of p l: E_h (r, 1)."""
        return _summed(self.f, self.p * Known(self.l.size + 1, self.l.error), self.logarithms)[1]

    @property
    def kept_error(self) -> Floats:
        """That of the sum that a backward pass starts from."""
        a = self.f.arithmetic
        return stored(self.value, self.error, a) if a.stored & {"output", "terms", "total"} else self.error


def _logarithms(h: SoftmaxRows, f: SoftmaxRows, from_p: Array) -> tuple[Floats, Floats]:
    """How large the logarithms of h are, or their parts, and their error; also of a probability, where that may be."""
    a, size, error = h.arithmetic, np.abs(h.l), h.kept_error
    if a.subtracts_logsumexp:
        error = _normalised(h, f)
        size = np.where(np.isfinite(h.x), np.abs(h.x), 0.0) + np.abs(h.lse)
    return size, np.where(from_p, np.maximum(error, _of_probabilities(h, error)), error)


def _normalised(h: SoftmaxRows, f: SoftmaxRows) -> Floats:
    """The error of logarithms that may be normalised twice (r, C)."""
    size, error = np.abs(h.l), h.kept_error
    entropy = (h.p * size).sum(-1, keepdims=True)
    return np.asarray(error + 3 * f.arithmetic.compute.u * (size + entropy + error))


def _of_probabilities(f: SoftmaxRows, l_error: Floats) -> Floats:
    """|log p̂ - l| of a logarithm that is taken of p̂, where this has not underflowed: inf where p̂ may be 0 (r, C)."""
    a, u = f.arithmetic, f.arithmetic.compute.u
    roundings = rmul(a.c_exp * u, a.rounding("exp"), u)
    relative = np.expm1(l_error) * (1 + roundings) + roundings
    moved = np.where(relative < 1, -np.log1p(-np.minimum(relative, 1)), np.inf)
    return np.asarray(moved + a.c_log * u * (np.abs(f.l) + moved))


def _online(f: SoftmaxRows, p: Known, gone: Array) -> Known:
    """The probabilities in a sum that is rescaled (Theorem 19)."""
    a = f.arithmetic
    if not a.online:
        return p
    rho = rdiv(powers(2, a.compute.u), f.sigma)
    rescaled = rescaled_error(np.exp(f.d), f.d, f.x, f.x_error, a)
    return Known(p.size, np.where(gone, p.error, np.maximum(p.error, rescaled * ((1 + rho) / f.s) + f.p * rho)))


def _summed(f: SoftmaxRows, terms: Known, logarithms: int) -> tuple[Floats, Floats]:
    """The sum of the magnitudes of terms, and its error (r, 1)."""
    a = f.arithmetic
    lost = 2 * logarithms * a.underflow("terms") + a.flushed(2 * logarithms)
    total = terms.rounded(_roundings(f, terms, logarithms), lost).summed()
    error = np.asarray(total.error)
    return total.size, error + unscaled(total.size, error, a) if a.scales_logits else error


def _roundings(f: SoftmaxRows, terms: Known, logarithms: int) -> Array:
    """Of the terms on their way into the sum, relative to them: (r, C), or what broadcasts to it."""
    a, u, count = f.arithmetic, f.arithmetic.compute.u, f.classes * logarithms + logarithms
    order = additions(count, u, "numpy" if a.depth == "numpy" else "any order", count)
    roundings = powers(3 + logarithms, a.rounding("terms"))
    if a.online:
        return rmul(order, roundings, powers(count + 3 * (larger(f.x, f.x_error) + 1), u))
    return rmul(few_additions(order, terms.size + terms.error, u, logarithms, logarithms), roundings)


def softmax_entropy(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 27 for value and gradient."""
    f = SoftmaxRows.of(wide_rows(problem.inputs["logits"], axis_of(problem), rows), arithmetic)
    total = _Sum.of(f)
    bounds = {"value": Allowed(-total.value, total.error, left=_left(total, np.ones((1, 1))))}
    if problem.grad_output is not None:
        bounds["grad_logits"] = _gradient(total, -_upstream(problem, rows))
    return f.spoiled(bounds)


def softmax_kl_divergence(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 27 for value and gradients of Σ p (log p - log q)."""
    given = (wide_rows(problem.inputs[name], axis_of(problem), rows) for name in ("p_logits", "q_logits"))
    f, h = (SoftmaxRows.of(x, arithmetic) for x in given)
    total = _Sum.of(f, h)
    bounds = {"value": Allowed(total.value, total.error, left=_left(total, np.ones((1, 1))))}
    if problem.grad_output is not None:
        g = _upstream(problem, rows)
        bounds["grad_p_logits"] = _gradient(total, g)
        bounds["grad_q_logits"] = _gradient_of_q(total, h, g)
    return h.spoiled(f.spoiled(bounds))


def _upstream(problem: Problem, rows: Rows) -> Floats:
    """g (r, 1)."""
    return np.asarray(problem.grad_output, np.float64).reshape(-1, 1)[rows]


def _of_ones(p: Known, a: Arithmetic) -> Floats:
    """The error of Σ p̂, which is 1: (r, 1)."""
    u, size = a.compute.u, p.size + p.error
    order = few_additions(np.asarray(size.shape[-1] * u), size, u, beside=1)
    return np.asarray((p.error + times(order, size)).sum(-1, keepdims=True))


def _gradient(total: _Sum, g: Floats) -> Allowed:
    """Theorem 27 (b): g p (l - Σ p l)."""
    f, a, p, size = total.f, total.f.arithmetic, total.p, total.l.size + total.size + 3
    centred = total.exact - total.value
    reach = size if has_other_forms(a) else np.abs(centred) + 2
    inner = total.l.error + np.maximum(total.kept_error + _of_ones(p, a), total.slopes_error)
    apart = rmul(a.c_exp * a.compute.u, a.rounding("exp"))
    roundings = powers(8, a.rounding("terms")) + rdiv(apart, apart)
    error = times(p.error, reach) + times(p.size + p.error, inner + roundings * (size + inner))
    if a.scales_logits:
        error = error + unscaled(p.size * size, error, a)
    lost = (4 * f.classes + 10) * (a.underflow("terms") + a.flushed(1)) * np.maximum(1, np.abs(g))
    error = times(error, np.abs(g)) + lost * (total.most + total.size + 3)
    left = np.broadcast_to(_left(total, np.maximum(1, np.abs(g))), f.p.shape)
    parts = times(times(p.size + p.error, size + inner).sum(-1, keepdims=True), np.abs(g))
    return through_maximum(Allowed(g * f.p * centred, error, left=left), f, of_slopes(2 * parts, np.abs(g), p.error))


def _gradient_of_q(total: _Sum, h: SoftmaxRows, g: Floats) -> Allowed:
    """Theorem 27 (e): g (q - p), or g q Σ p - g p."""
    a, p, q = h.arithmetic, total.p, Known(h.p, np.maximum(h.p_error, h.saved_error) + h.arithmetic.flushed(1))
    whole = Known(np.ones_like(g), _of_ones(p, a))
    apart = q * whole + p
    error = apart.rounded(powers(6, a.rounding("terms")), 0.0).error
    if a.scales_logits:
        error = error + unscaled(p.size + q.size, error, a)
    lost = (2 * h.classes + 10) * (a.underflow("terms") + a.flushed(1)) * np.maximum(1, np.abs(g))
    largest = (a.storage if a.stored & {"output", "terms"} else a.compute).largest
    left = anything(exceeds(4 * (1 + h.classes * a.compute.u) * np.maximum(1, np.abs(g)), largest))
    found = Allowed(g * (h.p - p.size), times(error, np.abs(g)) + lost, left=np.broadcast_to(left, h.p.shape))
    most = times(whole.size + whole.error, np.abs(g))
    return through_maximum(found, h, of_slopes(most, most, q.error))


def _left(total: _Sum, factor: Floats) -> Left:
    """Theorem 13: where a logarithm, or its product with what is above 1, may be infinite, and meet a p of 0 (r, 1)."""
    f, a = total.f, total.f.arithmetic
    reach = np.maximum(f.l_reach, total.l.size).max(-1, keepdims=True) + total.size + 3
    largest = (a.storage if a.stored & {"output", "terms"} else a.compute).largest
    return anything(exceeds(factor * reach * (1 + powers(8, a.rounding("terms"))), largest))
