"""The truth of entropy, cross-entropy and divergence of distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows
from .balls import Number, Truth, balls, summed, upstream_of_rows, upstream_signs, with_limit


@dataclass(frozen=True)
class _Distribution:
    """Some rows of a distribution as numbers."""

    p: Array  # (r, C)
    zero: Array  # (r, C), where p = 0

    @classmethod
    def of(cls, problem: Problem, name: str, rows: Rows, number: Number) -> _Distribution:
        p = wide_rows(problem.inputs[name], axis_of(problem), rows)
        return cls(number(p), p == 0)

    @cached_property
    def positive(self) -> Array:
        """1 in place of 0."""
        return np.where(self.zero, self.p + 1, self.p) if self.zero.any() else self.p

    @cached_property
    def log(self) -> Array:
        """0 in place of -inf."""
        found: Array = np.log(self.positive)
        return found


def entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    """-Σ p log p (r, 1), and its gradient (r, C)."""
    p = _Distribution.of(problem, "p", rows, number)
    truth = {"value": -summed(p.p * p.log, -1)}
    if problem.grad_output is not None:
        g, sign = upstream_of_rows(problem, rows, number), upstream_signs(problem, rows)
        truth["grad_p"] = with_limit(-g * (p.log + 1), sign, p.zero)
    return truth


def distribution_cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    """-Σ p log q (r, 1), and its gradients (r, C)."""
    p, q = (_Distribution.of(problem, name, rows, number) for name in ("p", "q"))
    truth = {"value": _unless_impossible(-summed(p.p * q.log, -1), p, q)}
    if problem.grad_output is not None:
        g, sign = upstream_of_rows(problem, rows, number), upstream_signs(problem, rows)
        truth["grad_p"] = with_limit(-g * q.log, sign, q.zero)
        truth["grad_q"] = _grad_q(g, sign, p, q)
    return truth


def kl_divergence(problem: Problem, rows: Rows, number: Number) -> Truth:
    """Σ p (log p - log q) (r, 1), and its gradients (r, C)."""
    p, q = (_Distribution.of(problem, name, rows, number) for name in ("p", "q"))
    truth = {"value": _unless_impossible(summed(p.p * p.log, -1) - summed(p.p * q.log, -1), p, q)}
    if problem.grad_output is not None:
        g, sign = upstream_of_rows(problem, rows, number), upstream_signs(problem, rows)
        grad = with_limit(g * (p.log - q.log + 1), sign, q.zero)
        truth["grad_p"] = with_limit(grad, -sign, p.zero)
        truth["grad_q"] = _grad_q(g, sign, p, q)
    return truth


def _unless_impossible(total: Array, p: _Distribution, q: _Distribution) -> Array:
    """`total` (r, 1), or inf where a class has q = 0 < p."""
    infinite = (q.zero & ~p.zero).any(-1, keepdims=True)
    return np.where(infinite, np.inf, total) if infinite.any() else total


def _grad_q(g: Array, sign: Array, p: _Distribution, q: _Distribution) -> Array:
    """-g p/q: infinite where q alone is 0, and 0 where p is, since 0 log q is 0 for every q."""
    return with_limit(-g * p.p / q.positive, -sign, q.zero & ~p.zero)


def without_impossible(problem: Problem, rows: Rows) -> Array:
    """A cross-entropy, or a divergence, summed over the classes where q is not 0: (r, 1)."""
    p, q = (_Distribution.of(problem, name, rows, balls) for name in ("p", "q"))
    own = p.log if problem.operation == "kl_divergence" else balls(np.zeros(1))
    possible = np.where(q.zero, balls(np.zeros(1)), p.p)
    return summed(possible * own - possible * q.log, -1)
