"""The truth of a linear layer."""

from __future__ import annotations

import numpy as np

from ..problem.problem import Array, Problem
from ..problem.rows import Rows, wide_rows
from .balls import Number, Truth, balls, matmul, summed, upstream


def linear(problem: Problem, rows: Rows, number: Number) -> Truth:
    """a = x wᵀ + b, and the gradients, in row form."""
    inputs = problem.inputs
    x, w = number(wide_rows(inputs["input"], -1, rows)), number(inputs["weight"])  # (R, D), (C, D)
    a = matmul(x, w.T)  # (R, C)
    truth = {"value": a + number(inputs["bias"]) if "bias" in inputs else a}
    if problem.grad_output is not None:
        grads = linear_gradients(upstream(problem, rows, number), x, w)
        truth |= {name: grad for name, grad in grads.items() if name != "grad_bias" or "bias" in inputs}
    return flat(truth)


def linear_gradients(g: Array, x: Array, w: Array) -> Truth:
    """g = ∂L/∂a (R, C) carried back through a = x wᵀ + b."""
    by_bias = summed(g, 0) if g.dtype != object else matmul(g.T, balls(np.ones((len(g), 1)))).T
    return {"grad_input": matmul(g, w), "grad_weight": matmul(g.T, x), "grad_bias": by_bias}


def flat(truth: Truth) -> Truth:
    """In row form: one row of everything."""
    return {name: array.reshape(1, -1) for name, array in truth.items()}
