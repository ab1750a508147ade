"""Entropy, cross-entropy and divergence of distributions (docs/bounds.md, section 4)."""

from __future__ import annotations

import numpy as np

from ..arithmetic import Arithmetic
from ..problem import Array, Problem
from ..rows import dim_of
from .algebra import Pairs, additions, powers, rmul


def _sum_of_logs(problem: Problem, arithmetic: Arithmetic, logs: tuple[str, ...]) -> Pairs:
    """Theorem 7: Σ ± p log q over the arrays named in `logs`."""
    u, dim, p = arithmetic.compute.u, dim_of(problem), problem.inputs["p"]
    size: Array = np.zeros_like(p)
    for name in logs:
        q = problem.inputs[name]
        size = size + np.where((p != 0) & (q != 0), p * np.abs(np.log(np.where(q != 0, q, 1.0))), 0.0)
    terms = p.shape[dim] * len(logs)
    relative = rmul(arithmetic.c_log * u, powers(3, u), additions(terms, u))
    quotient = p * 2 * u if len(logs) > 1 else np.zeros_like(p)  # log(p/q) of a rounded quotient
    error = (size * relative + quotient * (1 + relative)).sum(dim) + 2 * terms * arithmetic.compute.subnormal
    return {"value": (size.sum(dim), error)}


def entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 7 with the logarithms of p."""
    return _sum_of_logs(problem, arithmetic, ("p",))


def distribution_cross_entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 7 with the logarithms of q."""
    return _sum_of_logs(problem, arithmetic, ("q",))


def kl_divergence(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 7 with both."""
    return _sum_of_logs(problem, arithmetic, ("p", "q"))
