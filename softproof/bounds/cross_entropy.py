"""The cross-entropy loss and the linear classifier with their gradients (docs/bounds.md, section 6)."""

from __future__ import annotations

import numpy as np

from ..arithmetic import Arithmetic
from ..operations import value_shape
from ..problem import Array, Problem
from ..rows import both_from_rows, class_axis, coefficients, to_rows
from .algebra import Pairs, additions, powers, rdiv
from .linear import linear_gradients, product
from .softmax import SoftmaxRows, carried_back, nonzeros

# Roundings of one term c·w((1 - ε)q + ε/C)·l, counted over all ways of forming it: 1 - ε, its product with q, ε/C, the
# addition, the products with w, l and c, and c = g/D as g·(1/D), two more.
TERM_ROUNDINGS = 9


def _loss(problem: Problem, f: SoftmaxRows) -> tuple[tuple[Array, Array], tuple[Array, Array], tuple[Array, Array]]:
    """Theorems 9 to 11: (value, error) of the loss, of ∂L/∂x and of ∂L/∂q."""
    u, subnormal = f.arithmetic.compute.u, f.arithmetic.compute.subnormal
    classes = f.p.shape[1]
    t, denominator = coefficients(problem, classes)
    m, denominator_size = coefficients(problem, classes, np.abs)
    reduction = problem.options.get("reduction", "mean")
    kappa = powers(TERM_ROUNDINGS, u)
    counted, l_size = m != 0, np.where(m != 0, np.abs(f.l), 0.0)

    weight = np.abs(problem.inputs.get("weight", np.ones(classes)))  # (C,)
    divisor = np.abs(denominator) if reduction == "mean" else np.asarray(1.0)
    eta = TERM_ROUNDINGS * subnormal * np.maximum(1, weight)  # an underflow, enlarged by the factors that follow it

    size = m * l_size
    eta_l = np.where(counted, eta * np.maximum(1, l_size + f.l_error) * np.maximum(1, divisor), 0.0)
    error = m * f.l_error * (1 + kappa) + size * kappa + eta_l
    over = -1 if reduction == "none" else None  # the classes of a row, or everything
    value, size, error = (t * l_size).sum(over), size.sum(over), error.sum(over)
    mixed = 0 < _smoothing(problem) < 1  # the label's part of a row may be added by itself
    terms = np.count_nonzero(m, axis=-1) + mixed  # (R,)
    relative = additions(terms if reduction == "none" else terms.sum(), u)
    error = error * (1 + relative) + relative * size

    omega: Array = np.asarray(0.0)  # relative error of the mean's denominator
    if reduction == "mean":
        omega = _denominator_error(problem, len(t), denominator, denominator_size, u)
        value, rho = value / denominator, rdiv(u, omega)
        error = error / divisor * (1 + rho) + np.abs(value) * rho + subnormal
    if problem.grad_output is None:
        return (value, error), (value, error), (value, error)

    g = problem.grad_output.reshape(-1, 1)  # (R, 1) or (1, 1)
    c = g / (denominator if reduction == "mean" else 1.0)
    kappa = rdiv(kappa, omega)
    eta = eta * np.maximum(1, np.abs(g)) * np.maximum(1, 1 / divisor) * np.ones_like(t)  # (R, C)
    grad_x, grad_x_error = carried_back(f, -c * t, np.abs(c) * m, kappa, nonzeros(m), eta)
    counts = counted.any(-1, keepdims=True)  # a row that does not count has a gradient of 0 exactly
    grad_x, grad_x_error = np.where(counts, grad_x, 0.0), np.where(counts, grad_x_error, 0.0)
    slope = np.abs(c) * weight * (1 - _smoothing(problem))
    grad_q_error = slope * (f.l_error * (1 + kappa) + kappa * np.abs(f.l))
    grad_q_error = grad_q_error + eta * np.maximum(1, np.abs(f.l) + f.l_error)
    return (value, error), (grad_x, grad_x_error), (slope * np.abs(f.l), grad_q_error)


def _smoothing(problem: Problem) -> float:
    return float(problem.options.get("label_smoothing", 0.0))


def _denominator_error(problem: Problem, rows: int, denominator: Array, size: Array, u: float) -> Array:
    """Relative error of D: a sum of label weights in any order, or a count, exact below 1/u."""
    if "weight" in problem.inputs and problem.inputs["target"].dtype == np.int64:
        return additions(rows, u) * size / np.abs(denominator)
    return np.asarray(0.0 if rows <= 1 / u else u)


def cross_entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorems 9 to 11."""
    logits, target = problem.inputs["logits"], problem.inputs["target"]
    axis = class_axis(logits)
    (value, error), grad_x, grad_q = _loss(problem, SoftmaxRows.of(to_rows(logits, axis), arithmetic))
    pairs = {"value": (value.reshape(value_shape(problem)), error.reshape(value_shape(problem)))}
    if problem.grad_output is not None:
        pairs["grad_logits"] = both_from_rows(grad_x, logits.shape, axis)
        if target.dtype != np.int64:
            pairs["grad_target"] = both_from_rows(grad_q, logits.shape, axis)
    return pairs


def linear_cross_entropy(problem: Problem, arithmetic: Arithmetic) -> Pairs:
    """Theorem 12."""
    inputs = problem.inputs
    x, w = to_rows(inputs["input"], -1), inputs["linear_weight"]  # (R, D), (C, D)
    a, a_error = product(x, w.T, arithmetic, bias=inputs.get("linear_bias"))
    (value, error), (grad_a, grad_a_error), _ = _loss(problem, SoftmaxRows.of(a, arithmetic, a_error))
    pairs = {"value": (value.reshape(value_shape(problem)), error.reshape(value_shape(problem)))}
    if problem.grad_output is not None:
        grads = linear_gradients(grad_a, x, w, arithmetic, grad_a_error)
        shape = inputs["input"].shape
        pairs["grad_input"] = (grads["grad_input"][0].reshape(shape), grads["grad_input"][1].reshape(shape))
        pairs["grad_linear_weight"] = grads["grad_weight"]
        if "linear_bias" in inputs:
            pairs["grad_linear_bias"] = grads["grad_bias"]
    return pairs
