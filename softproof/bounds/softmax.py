"""Softmax, log-softmax and logsumexp with their gradients (docs/bounds.md, sections 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arithmetic import Arithmetic
from ..formats import Floats
from ..operations import value_shape
from ..problem import Array, Problem
from ..rows import both_from_rows, dim_of, from_rows, to_rows
from .algebra import Pairs, additions, grown, powers, rdiv, rmul


@dataclass(frozen=True)
class SoftmaxRows:
    """Exact quantities of rows in float64, and how far a max-shift evaluation may be from them."""

    arithmetic: Arithmetic
    p: Floats  # (R, C)
    l: Floats  # (R, C)  # noqa: E741  # the letter of the literature: log-probability
    lse: Floats  # (R, 1)
    e_error: Floats  # |ê - e| (R, C)
    s: Floats  # (R, 1)
    sigma: Floats  # relative error of the sum (R, 1)
    lam: Floats  # absolute error of its logarithm (R, 1)
    l_error: Floats  # |l̂ - l| (R, C)
    masked: Array  # (R, C)

    @classmethod
    def of(cls, x: Floats, arithmetic: Arithmetic, x_error: Floats | None = None) -> SoftmaxRows:
        """x (R, C), known up to x_error (R, C)."""
        u, c_exp, c_log = arithmetic.compute.u, arithmetic.c_exp, arithmetic.c_log
        tiny, subnormal = arithmetic.compute.tiny, arithmetic.compute.subnormal
        masked = np.isneginf(x)
        classes = x.shape[-1]

        top = x.max(-1, keepdims=True)
        d = np.where(masked, 0.0, np.maximum(x - top, -np.finfo(np.float64).max))  # e is 0 long before that
        e = np.where(masked, 0.0, np.exp(d))
        others = np.where(np.arange(classes) == x.argmax(-1)[:, None], 0.0, e).sum(-1, keepdims=True)
        s, log_s = 1 + others, np.log1p(others)
        l = d - log_s  # noqa: E741

        moved = np.zeros_like(x) if x_error is None else x_error + x_error.max(-1, keepdims=True)
        shift = moved + u * (np.abs(d) + moved)  # of the shifted logit: what it inherits, and its rounding
        e_error = grown(d, shift) * (1 + c_exp * u) + e * c_exp * u
        e_error = e_error + np.where(e + e_error < 2 * tiny, arithmetic.exp_subnormals * subnormal, 0.0)
        e_error = np.where(masked | ((d == 0) & (shift == 0)), 0.0, e_error)  # exp(0) = 1 exactly
        sigma = rmul(e_error.sum(-1, keepdims=True) / s, additions(classes, u))
        log_sigma = np.where(sigma < 1, -np.log1p(-np.minimum(sigma, 1)), np.inf)
        lam = log_sigma + c_log * u * (log_s + log_sigma)
        l_error = np.where(masked, 0.0, (shift + lam) * (1 + u) + u * np.abs(l))
        return cls(arithmetic, e / s, l, top + log_s, e_error, s, sigma, lam, l_error, masked)

    @property
    def p_error(self) -> Floats:
        """|p̂ - p| for p̂ = exp(l̂) as well as for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 5)."""
        a = self.arithmetic
        roundings = rmul(a.c_exp * a.compute.u, powers(2, a.compute.u))
        error = grown(np.where(self.masked, 0.0, self.l), self.l_error) * (1 + roundings) + self.p * roundings
        underflow = 2 * (a.exp_subnormals + 1) * a.compute.subnormal * (1 + rdiv(0.0, self.sigma))
        return np.where(self.masked, 0.0, error + underflow)

    @property
    def division_error(self) -> Floats:
        """|p̂ - p| for p̂ = ê/ŝ or ê·(1/ŝ) (Theorem 2)."""
        rho = rdiv(powers(2, self.arithmetic.compute.u), self.sigma)
        error = (self.e_error * (1 + rho) + np.where(self.p > 0, self.p * self.s * rho, 0.0)) / self.s
        return np.where(self.masked, 0.0, error + self.arithmetic.compute.subnormal)


def softmax(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorems 2 and 5 for the value, Theorem 6 (b) for the gradient."""
    logits, dim = problem.inputs["logits"], dim_of(problem)
    f = SoftmaxRows.of(to_rows(logits, dim), arithmetic)
    pairs = {"value": (f.p, np.maximum(f.division_error, f.p_error))}
    if problem.grad_output is not None:
        u, subnormal = arithmetic.compute.u, arithmetic.compute.subnormal
        g = to_rows(problem.grad_output, dim)
        size, p, b = np.abs(g), f.p, f.p_error
        classes = p.shape[1]
        inner = (g * p).sum(-1, keepdims=True)  # S
        inner_error = (size * b).sum(-1, keepdims=True) * (1 + classes * u)
        inner_error += (classes * u * size * p).sum(-1, keepdims=True) + classes * subnormal
        value = p * (g - inner)
        error = b * np.abs(g - inner) + (p + b) * (inner_error + 3 * u * (size + np.abs(inner) + inner_error))
        pairs["grad_logits"] = (value, error + u * np.abs(value) + 3 * subnormal)
    return {name: both_from_rows(pair, logits.shape, dim) for name, pair in pairs.items()}


def log_softmax(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 4 for the value, Theorem 6 (a) for the gradient."""
    logits, dim = problem.inputs["logits"], dim_of(problem)
    f = SoftmaxRows.of(to_rows(logits, dim), arithmetic)
    pairs = {"value": (np.where(f.masked, -np.inf, f.l), f.l_error)}
    if problem.grad_output is not None:
        g = to_rows(problem.grad_output, dim)
        pairs["grad_logits"] = carried_back(f, g, np.abs(g), np.zeros(1), nonzeros(g), np.zeros(1))
    return {name: both_from_rows(pair, logits.shape, dim) for name, pair in pairs.items()}


def nonzeros(array: Array) -> Array:
    """How many entries of each row are not 0: (R, 1)."""
    return np.count_nonzero(array, axis=-1, keepdims=True)


def carried_back(f: SoftmaxRows, h: Array, size: Array, kappa: Array, terms: Array, eta: Array) -> tuple[Array, Array]:
    """Theorem 6 (a): v = h - p Σh, where h is known up to kappa·size + eta and `terms` of a row are not zero."""
    u, subnormal = f.arithmetic.compute.u, f.arithmetic.compute.subnormal
    total, magnitude = h.sum(-1, keepdims=True), size.sum(-1, keepdims=True)
    rounding = additions(terms, u)
    total_error = magnitude * rmul(kappa, rounding) + eta.sum(-1, keepdims=True) * (1 + rounding)
    b = f.p_error
    product = b * (magnitude + total_error) + f.p * total_error + u * (f.p + b) * (magnitude + total_error)
    value = h - f.p * total
    error = (size * kappa + eta + product) * (1 + powers(3, u)) + powers(3, u) * np.abs(value)
    return value, error + 8 * subnormal


def logsumexp(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 3 for the value, Theorem 6 (c) for the gradient."""
    logits, dim = problem.inputs["logits"], dim_of(problem)
    f = SoftmaxRows.of(to_rows(logits, dim), arithmetic)
    u, subnormal = arithmetic.compute.u, arithmetic.compute.subnormal
    error = f.lam * (1 + u) + u * np.abs(f.lse)  # (R, 1)
    shape = value_shape(problem)
    pairs = {"value": (f.lse.reshape(shape), error.reshape(shape))}
    if problem.grad_output is not None:
        g = problem.grad_output.reshape(-1, 1)
        x = np.where(f.masked, 0.0, f.l)
        delta = error + u * (np.abs(x) + error)  # of x - ŷ, for p̂ = exp(x - ŷ)
        roundings = rmul(arithmetic.c_exp * u, u)
        p_error = grown(x, delta) * (1 + roundings) + f.p * roundings + (arithmetic.exp_subnormals + 1) * subnormal
        p_error = np.where(f.masked, 0.0, np.maximum(p_error, f.p_error * (1 + u)))
        value = g * f.p
        grad_error = np.abs(g) * p_error + u * np.abs(value) + subnormal
        pairs["grad_logits"] = (from_rows(value, logits.shape, dim), from_rows(grad_error, logits.shape, dim))
    return pairs
