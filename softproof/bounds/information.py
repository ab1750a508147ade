"""Entropy, cross-entropy and divergence of distributions (docs/theory/bounds.md, section 4)."""

from __future__ import annotations

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows
from .algebra import Allowed, additions, few_additions, powers, rmul
from .arithmetic import Arithmetic
from .overflow import Left, exceeds, left_by

CITED = dict.fromkeys(("entropy", "distribution_cross_entropy", "kl_divergence"), (7, 30))  # the theorems of all three


def _log(q: Floats) -> Floats:
    """log q, and 0 for q = 0, whose logarithm is exactly -inf or not taken."""
    return np.log(np.where(q != 0, q, 1.0))


def _sum_of_logs(problem: Problem, arithmetic: Arithmetic, rows: Rows, logs: tuple[str, ...]) -> Allowed:
    """Theorems 7 and 30: Σ ± p log q over the arrays named in `logs`."""
    u, axis = arithmetic.compute.u, axis_of(problem)
    p = wide_rows(problem.inputs["p"], axis, rows)
    size: Array = np.zeros_like(p)
    for name in logs:
        size = size + np.abs(p * _log(wide_rows(problem.inputs[name], axis, rows)))
    terms = p.shape[-1] * len(logs)
    product = powers(3, arithmetic.rounding("terms"))
    order = few_additions(additions(terms, u), size, u, len(logs))
    relative = rmul(arithmetic.c_log * u, product, order)
    quotient = p * 2 * u if len(logs) > 1 else np.zeros_like(p)  # log(p/q) of a rounded quotient
    error = (size * relative + quotient * (1 + relative)).sum(-1, keepdims=True)
    error = error + 2 * terms * arithmetic.underflow("terms") + _read_as_0(p, size, arithmetic).sum(-1, keepdims=True)
    if len(logs) == 1:
        return Allowed(size.sum(-1, keepdims=True), error)
    q = np.where(p > 0, wide_rows(problem.inputs["q"], axis, rows), 0.0)  # where p/q underflows
    error = error + arithmetic.underflow("terms") * (q * (1 + relative)).sum(-1, keepdims=True)
    up, down = (np.asarray(each.any(-1, keepdims=True)) for each in _infinite_logs(problem, arithmetic, rows))
    return Allowed(size.sum(-1, keepdims=True), error, left=left_by(up, down))


def _read_as_0(factor: Array, product: Array, a: Arithmetic) -> Array:
    """What is lost of a product where a factor that is subnormal counts as 0."""
    return np.where(np.abs(factor) < a.storage.tiny, product, 0.0) if a.flushes else np.zeros(1)


def _infinite_logs(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> tuple[Array, Array]:
    """Where log(p/q) may be +inf, since p/q overflows, or -inf, since it underflows to 0."""
    quotient = _quotient(problem, rows)
    vanishes = (quotient != 0) & (quotient <= arithmetic.underflow("terms"))
    return exceeds(quotient, arithmetic.compute.largest), np.asarray(vanishes)


def _quotient(problem: Problem, rows: Rows) -> Floats:
    """p/q, and 0 where p or q is."""
    p, q = (wide_rows(problem.inputs[name], axis_of(problem), rows) for name in ("p", "q"))
    return np.divide(p, q, out=np.zeros_like(p), where=q != 0)


def _upstream(problem: Problem, rows: Rows) -> Floats:
    return np.asarray(problem.grad_output, np.float64).reshape(-1, 1)[rows]  # (r, 1)


def _of_logs(problem: Problem, a: Arithmetic, rows: Rows, logs: tuple[str, ...], one: float) -> Allowed:
    """Theorem 7 (b): ± g (Σ ± log q + one), with at most two roundings more than twice the logarithms."""
    g, axis = np.abs(_upstream(problem, rows)), axis_of(problem)
    size = sum(np.abs(_log(wide_rows(problem.inputs[name], axis, rows))) for name in logs)
    moved = 2 * a.compute.u * (len(logs) > 1)  # log(p/q) of a rounded quotient
    relative = rmul(a.c_log * a.compute.u, powers(2 + 2 * len(logs), a.rounding("terms")))
    value = g * (size + one)
    error = value * relative + g * moved * (1 + relative)
    lost = a.underflow("terms") * np.maximum(1, g)
    if "p" in logs:  # g p/p, as autograd takes the derivative of a logarithm
        p = wide_rows(problem.inputs["p"], axis, rows)
        inverse = np.divide(1.0, p, out=np.zeros_like(p), where=p != 0)
        q = wide_rows(problem.inputs["q"], axis, rows) if "q" in logs else 0.0  # log(p/q), where p/q underflows
        lost = lost * np.maximum(1, inverse) + g * a.underflow("terms") * q * inverse
    error = error + _read_as_0(g, value, a)
    return Allowed(value, error + 3 * lost, left=_left_of_logs(problem, a, rows, logs))


def _left_of_logs(problem: Problem, a: Arithmetic, rows: Rows, logs: tuple[str, ...]) -> Left:
    """Theorem 13 for ∓g log p and, of the divergence, g log q, or g log(p/q)."""
    g, largest = _upstream(problem, rows), (a.storage if "terms" in a.stored else a.compute).largest
    sizes = [np.abs(g) * (np.abs(_log(wide_rows(problem.inputs[name], axis_of(problem), rows))) + 1) for name in logs]
    first, last = (exceeds(each, largest) for each in (sizes[0], sizes[-1]))
    if len(logs) == 1:
        return left_by(first & (g > 0), first & (g < 0))
    up, down = _infinite_logs(problem, a, rows)
    first, last = first | down, last | up  # of g log p - g log q
    return left_by((first & (g < 0)) | (last & (g > 0)), (first & (g > 0)) | (last & (g < 0)), (up | down) & (g == 0))


def _of_quotient(problem: Problem, a: Arithmetic, rows: Rows) -> Allowed:
    """Theorem 7 (c): -g p/q, a quotient and a product in any order."""
    g, axis = np.abs(_upstream(problem, rows)), axis_of(problem)
    p, q = (wide_rows(problem.inputs[name], axis, rows) for name in ("p", "q"))
    inverse = np.divide(1.0, q, out=np.zeros_like(q), where=q != 0)
    value = g * p * inverse
    enlarged = np.maximum(1, np.maximum(g, inverse) * np.maximum(1, p))
    error = value * powers(3, a.rounding("terms")) + 3 * a.underflow("terms") * enlarged
    largest = (a.storage if "terms" in a.stored else a.compute).largest
    exceeding = exceeds(np.maximum(1, g) * np.maximum(1, inverse) * np.maximum(1, p), largest)
    vanishes, sign = g * p < 2 * a.storage.tiny, _upstream(problem, rows)
    left = left_by(exceeding & (sign < 0), exceeding & (sign > 0), undefined=exceeding & vanishes)
    return Allowed(value, error, left=left)


def entropy(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 7 with the logarithms of p."""
    bounds = {"value": _sum_of_logs(problem, arithmetic, rows, ("p",))}
    if problem.grad_output is not None:
        bounds["grad_p"] = _of_logs(problem, arithmetic, rows, ("p",), 1.0)
    return bounds


def distribution_cross_entropy(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 7 with the logarithms of q."""
    bounds = {"value": _sum_of_logs(problem, arithmetic, rows, ("q",))}
    if problem.grad_output is not None:
        bounds["grad_p"] = _of_logs(problem, arithmetic, rows, ("q",), 0.0)
        bounds["grad_q"] = _of_quotient(problem, arithmetic, rows)
    return bounds


def kl_divergence(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 7 with both."""
    bounds = {"value": _sum_of_logs(problem, arithmetic, rows, ("p", "q"))}
    if problem.grad_output is not None:
        bounds["grad_p"] = _of_logs(problem, arithmetic, rows, ("p", "q"), 1.0)
        bounds["grad_q"] = _of_quotient(problem, arithmetic, rows)
    return bounds
