"""The linear layer and its gradients (docs/theory/bounds.md, section 5)."""

from __future__ import annotations

import numpy as np

from ..problem.formats import Format
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, wide_rows
from .algebra import Allowed, stored
from .arithmetic import Arithmetic
from .exactly import adds_up, formats_of, units
from .overflow import exceeds, infinities, left_by

CITED = {"linear": (8,)}  # the theorem that these bounds rest on


def product(
    p: Array,
    q: Array,
    a: Arithmetic,
    p_error: Array | None = None,
    bias: Array | None = None,
    p_reach: Array | None = None,
    ones: bool = False,
) -> Allowed:
    """Theorem 8: P Q + bias with inner dimension n, where P is known up to p_error, and computed as p_reach at most.

    Where Q is of `ones`, no product rounds.
    """
    kept = bias is not None and "product" in a.stored  # before the bias is added
    n = p.shape[1] + (bias is not None)  # products, or the bias, each of which may underflow
    inherited = np.zeros((p.shape[0], q.shape[1])) if p_error is None else p_error @ np.abs(q)
    size = np.abs(p) @ np.abs(q) + inherited
    value = p @ q
    if bias is not None:
        size, value = size + np.abs(bias), value + bias
    roundings = max(n - ones, 0)
    rounding = roundings * a.rounding("partial products") * size + n * a.underflow("partial products") + a.flushed(n)
    if p_error is None:
        rounding = np.where(_adds_up(p, q, bias, size, a), 0.0, rounding)
    error = inherited + rounding
    if a.factors is not None:
        error = error + _rounded_factors(p, q, a.factors, p_error)
    error = stored(value - bias, error, a) if kept and bias is not None else error
    error = error + _flushed(p, q, a) if a.flushes else error
    largest = (a.storage if kept or "partial products" in a.stored else a.compute).largest
    by = (1 + n * a.rounding("partial products")) * _larger_factors(a)
    if p_reach is not None:
        size = p_reach @ np.abs(q)
    if not exceeds(size * by, np.where(np.isfinite(error), largest, a.storage.largest)).any():
        return Allowed(value, error)
    beside = np.zeros(p.shape) if p_error is None else p_error if p_reach is None else p_reach - np.abs(p)
    up, down = (by * each for each in _parts(p, q, beside, 0.0 if bias is None else bias))
    left = left_by(exceeds(up, largest), exceeds(down, largest))
    of_result = infinities(exceeds(up, a.storage.largest), exceeds(down, a.storage.largest))
    return Allowed(value, error, left=np.where(np.isfinite(error), left, left | of_result))


def _parts(p: Array, q: Array, p_error: Array, bias: Array | float) -> tuple[Array, Array]:
    """The sums of the positive and of the negative products apart."""
    up, down = (
        np.maximum(p, 0) @ np.maximum(sign * q, 0)
        + np.maximum(-p, 0) @ np.maximum(-sign * q, 0)
        + np.maximum(sign * bias, 0)
        + p_error @ np.abs(q)
        for sign in (1, -1)
    )
    return up, down


def _adds_up(p: Array, q: Array, bias: Array | None, size: Array, a: Arithmetic) -> Array:
    """Theorem 22: where all products, and the bias, have the same sum in every order."""
    few, least = (units(each[:, :16]).min(-1, initial=np.inf) for each in (p, q.T))
    if not (size.min(initial=np.inf) < 2.0**a.compute.precision * few.max(initial=0.0) * least.max(initial=0.0)):
        return np.zeros(size.shape, bool)
    unit = units(p).min(-1, keepdims=True, initial=np.inf) * units(q).min(0, keepdims=True, initial=np.inf)
    if bias is not None:
        unit = np.minimum(unit, units(np.broadcast_to(bias, size.shape[1:])))
    once = (1 + a.storage.u) if "product" in a.stored else 1.0
    return adds_up(size * (_larger_factors(a) * once), unit, a, *formats_of(a, "partial products"))


def _larger_factors(a: Arithmetic) -> float:
    """How much larger a product may be because its factors are rounded first."""
    return (1 + (a.factors.u if a.factors else 0.0)) ** 2


def _rounded_factors(p: Array, q: Array, factors: Format, p_error: Array | None) -> Array:
    """What is lost where factors that another format does not hold are rounded to it first: at most u and a unit."""
    p_moved, q_moved = (
        np.where(factors.holds(each), 0.0, factors.u * np.abs(each) + factors.subnormal) for each in (p, q)
    )
    reach = np.abs(p)
    if p_error is not None:
        reach = reach + p_error
        p_moved = factors.u * reach + factors.subnormal
    return np.asarray(p_moved @ np.abs(q) + (reach + p_moved) @ q_moved)


def _flushed(p: Array, q: Array, a: Arithmetic) -> Array:
    """What is lost where subnormal factors count as 0."""
    p, q, tiny = np.abs(p), np.abs(q), a.storage.tiny
    return np.asarray(np.where(p < tiny, p, 0.0) @ q + p @ np.where(q < tiny, q, 0.0))


def linear_gradients(
    g: Array, x: Array, w: Array, a: Arithmetic, g_error: Array | None = None, g_reach: Array | None = None
) -> dict[str, Allowed]:
    """g = ∂L/∂a (R, C), known up to g_error, and at most g_reach, carried back through a = x wᵀ + b."""
    of_columns, reaching = (None if each is None else each.T for each in (g_error, g_reach))
    ones = np.ones((len(g), 1))  # Σ over the rows, as a product with ones
    return {
        "grad_input": product(g, w, a, g_error, p_reach=g_reach),
        "grad_weight": product(g.T, x, a, of_columns, p_reach=reaching),
        "grad_bias": product(g.T, ones, a, of_columns, p_reach=reaching, ones=True),
    }


def linear(problem: Problem, arithmetic: Arithmetic, _rows: Rows) -> dict[str, Allowed]:
    """Theorem 8 for the value and for each gradient."""
    inputs = {name: np.asarray(array, np.float64) for name, array in problem.inputs.items()}
    x, w = wide_rows(inputs["input"], -1), inputs["weight"]  # (R, D), (C, D)
    bounds = {"value": product(x, w.T, arithmetic, bias=inputs.get("bias"))}
    if problem.grad_output is not None:
        grads = linear_gradients(wide_rows(problem.grad_output, -1), x, w, arithmetic)
        bounds |= {name: each for name, each in grads.items() if name != "grad_bias" or "bias" in inputs}
    return flat(bounds)


def flat(bounds: dict[str, Allowed]) -> dict[str, Allowed]:
    """In row form: one row of everything."""

    def row(bound: Allowed, array: Array | int) -> Array:
        return np.broadcast_to(np.asarray(array), bound.error.shape).reshape(1, -1)

    return {
        name: Allowed(
            row(bound, bound.value),
            row(bound, bound.error),
            bound.row,
            row(bound, bound.left),
        )
        for name, bound in bounds.items()
    }
