"""The linear layer and its gradients (docs/bounds.md, section 5)."""

from __future__ import annotations

import numpy as np

from ..arithmetic import Arithmetic
from ..operations import value_shape
from ..problem import Array, Problem
from ..rows import to_rows
from .algebra import Pairs


def product(
    p: Array, q: Array, arithmetic: Arithmetic, p_error: Array | None = None, bias: Array | None = None
) -> tuple[Array, Array]:
    """Theorem 8: P Q + bias with inner dimension n, where P is known up to p_error."""
    u, n = arithmetic.compute.u, p.shape[1] + (bias is not None)
    inherited = np.zeros((p.shape[0], q.shape[1])) if p_error is None else p_error @ np.abs(q)
    size = np.abs(p) @ np.abs(q) + inherited
    value = p @ q
    if bias is not None:
        size, value = size + np.abs(bias), value + bias
    return value, inherited + n * u * size + n * arithmetic.compute.subnormal


def linear_gradients(
    g: Array, x: Array, w: Array, arithmetic: Arithmetic, g_error: Array | None = None
) -> dict[str, tuple[Array, Array]]:
    """g = ∂L/∂a (R, C), known up to g_error, carried back through a = x wᵀ + b."""
    transposed = None if g_error is None else g_error.T
    ones = np.ones((len(g), 1))
    columns = product(g.T, ones, arithmetic, transposed)  # Σ over the rows, as a product with ones
    return {
        "grad_input": product(g, w, arithmetic, g_error),
        "grad_weight": product(g.T, x, arithmetic, transposed),
        "grad_bias": (columns[0][:, 0], columns[1][:, 0]),
    }


def linear(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 8 for the value and for each gradient."""
    inputs = problem.inputs
    x, w = to_rows(inputs["input"], -1), inputs["weight"]  # (R, D), (C, D)
    value, error = product(x, w.T, arithmetic, bias=inputs.get("bias"))
    shape = value_shape(problem)
    pairs = {"value": (value.reshape(shape), error.reshape(shape))}
    if problem.grad_output is not None:
        grads = linear_gradients(to_rows(problem.grad_output, -1), x, w, arithmetic)
        value, error = grads["grad_input"]
        grads["grad_input"] = (value.reshape(inputs["input"].shape), error.reshape(inputs["input"].shape))
        pairs |= {name: pair for name, pair in grads.items() if name != "grad_bias" or "bias" in inputs}
    return pairs
