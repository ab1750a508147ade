"""The entropy of a softmax and its gradient (docs/theory/bounds.md, section 16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows
from .algebra import Allowed, Known, additions, powers, rdiv, rmul, stored, times
from .arithmetic import Arithmetic
from .exponentials import larger, rescaled_error, unscaled
from .overflow import Left, anything, exceeds
from .softmax import has_other_forms
from .softmax_rows import SoftmaxRows

CITED = {"softmax_entropy": (2, 3, 4, 5, 27)}  # the theorems that these bounds rest on


@dataclass(frozen=True)
class _Entropy:
    """H of rows, and what is known of its factors: probabilities p, and logarithms of the magnitude `size`."""

    f: SoftmaxRows
    p: Known  # (r, C)
    l: Known  # (r, C)  # noqa: E741  # the letter of the literature: log-probability
    value: Floats  # (r, 1)
    size: Floats  # Σ p·size (r, 1)
    error: Floats  # (r, 1)
    most: Floats  # of the sizes of classes whose exponential need not be 0 (r, 1)

    @classmethod
    def of(cls, f: SoftmaxRows) -> _Entropy:
        """Theorem 27 (a)."""
        a, size = f.arithmetic, np.abs(f.l)
        value = (f.p * size).sum(-1, keepdims=True)
        l_error, p_error = f.kept_error, np.maximum(f.p_error, f.saved_error)
        if a.subtracts_logsumexp:
            l_error = l_error + 3 * a.compute.u * (size + value + l_error)
            size = np.where(np.isfinite(f.x), np.abs(f.x), 0.0) + np.abs(f.lse)
            p_error = np.maximum(p_error, f.p_error_of(l_error))
        l_error = np.maximum(l_error, _of_probabilities(f, l_error))
        gone = f.d + f.h < 2 * np.log(a.compute.subnormal)
        p = Known(f.p, np.where(gone, f.p, p_error + a.flushed(1)))
        l = Known(size, np.where(gone, 0.0, l_error + a.flushed(1)))  # noqa: E741
        total = (_online(f, p, gone) * l).rounded(_roundings(f), 2 * a.underflow("terms") + a.flushed(2)).summed()
        error = np.asarray(total.error)
        if a.scales_logits:
            error = error + unscaled(total.size, error, a)
        return cls(f, p, l, value, total.size, error, np.where(gone, 0.0, size).max(-1, keepdims=True))

    @property
    def kept_error(self) -> Floats:
        """That of the entropy that a backward pass starts from."""
        a = self.f.arithmetic
        return stored(self.value, self.error, a) if a.stored & {"output", "terms", "total"} else self.error


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


def _roundings(f: SoftmaxRows) -> Array:
    """Of the terms on their way into the entropy, relative to them: (r, C), or what broadcasts to it."""
    a, u = f.arithmetic, f.arithmetic.compute.u
    order = additions(f.classes + 1, u, "numpy" if a.depth == "numpy" else "any order", f.classes + 1)
    relative = rmul(order, powers(4, a.rounding("terms")))
    if not a.online:
        return relative
    return rmul(relative, powers(f.classes + 3 * (larger(f.x, f.x_error) + 1), u))


def softmax_entropy(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 27 for value and gradient."""
    f = SoftmaxRows.of(wide_rows(problem.inputs["logits"], axis_of(problem), rows), arithmetic)
    entropy = _Entropy.of(f)
    bounds = {"value": Allowed(entropy.value, entropy.error, left=_left(entropy, np.ones((1, 1))))}
    if problem.grad_output is not None:
        g = np.asarray(problem.grad_output, np.float64).reshape(-1, 1)[rows]
        bounds["grad_logits"] = _gradient(entropy, g)
    return f.spoiled(bounds)


def _gradient(entropy: _Entropy, g: Floats) -> Allowed:
    """Theorem 27 (b): -g p (log p + H)."""
    f, a, p, size = entropy.f, entropy.f.arithmetic, entropy.p, entropy.l.size + entropy.size + 3
    centred = f.l + entropy.value
    reach = size if has_other_forms(a) else np.abs(centred) + 2
    ones = np.sum(p.error, -1, keepdims=True)
    ones = ones + f.classes * a.compute.u * (1 + ones)
    inner = entropy.l.error + entropy.kept_error + ones
    apart = rmul(a.c_exp * a.compute.u, a.rounding("exp"))
    roundings = powers(8, a.rounding("terms")) + rdiv(apart, apart)
    error = times(p.error, reach) + times(p.size + p.error, inner + roundings * (size + inner))
    if a.scales_logits:
        error = error + unscaled(p.size * size, error, a)
    lost = (2 * f.classes + 10) * (a.underflow("terms") + a.flushed(1)) * np.maximum(1, np.abs(g))
    error = times(error, np.abs(g)) + lost * (entropy.most + entropy.size + 3)
    left = np.broadcast_to(_left(entropy, np.maximum(1, np.abs(g))), f.p.shape)
    return Allowed(-g * f.p * centred, error, left=left)


def _left(entropy: _Entropy, factor: Floats) -> Left:
    """Theorem 13: where a logarithm, or its product with what is above 1, may be infinite, and meet a p of 0 (r, 1)."""
    f, a = entropy.f, entropy.f.arithmetic
    reach = np.maximum(f.l_reach, entropy.l.size).max(-1, keepdims=True) + entropy.size + 3
    largest = (a.storage if a.stored & {"output", "terms"} else a.compute).largest
    return anything(exceeds(factor * reach * (1 + powers(8, a.rounding("terms"))), largest))
