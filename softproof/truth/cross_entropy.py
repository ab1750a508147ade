"""The truth of cross-entropy of logits, and of that of a linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..problem.losses import (
    by_positions,
    class_weights,
    coefficients,
    exact_denominator,
    is_labels,
    is_sparse,
    kept,
    label_coefficients,
    of_positions,
)
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, class_count, reduction_of, to_rows, wide_rows
from .balls import Number, Truth, balls, direction, matmul, number_of, specials, summed, upstream_signs, with_limit
from .linear import flat, linear_gradients
from .signs import own_signs, smoothing_of
from .softmax import Softmax, of_logits, where_defined


@dataclass(frozen=True)
class _Coefficients:
    """The coefficients t of some rows (r, C); or (r, 1), in the places `at`, where one class alone counts."""

    problem: Problem
    f: Softmax
    rows: Rows
    number: Number
    t: Array
    at: tuple[Array, Array] | None

    @classmethod
    def of(cls, problem: Problem, f: Softmax, rows: Rows, number: Number) -> _Coefficients:
        classes = f.p.shape[1]
        if not is_sparse(problem):
            return cls(problem, f, rows, number, coefficients(problem, classes, rows, number), None)
        columns, weights = label_coefficients(problem, classes, rows)
        return cls(problem, f, rows, number, number(weights), (np.arange(len(f.p))[:, None], columns))

    def of_these(self, array: Array) -> Array:
        """The places of (r, C) that t has."""
        return array if self.at is None else array[self.at]

    @property
    def finite_losses(self) -> Array:
        """-Σ_j t_j l_j over the classes that are not masked: (r, 1)."""
        return -summed(self.t * self.of_these(self.f.l), -1)

    @property
    def losses(self) -> Array:
        """-Σ_j t_j l_j, and inf with the sign of t_j where a class with t_j ≠ 0 is masked: (r, 1)."""
        losses = self.finite_losses
        if not self.f.masked.any():
            return losses
        sign = own_signs(self.problem, self.f.p.shape[1], self.rows) * self.of_these(self.f.masked)
        above, below = (sign > 0).any(-1, keepdims=True), (sign < 0).any(-1, keepdims=True)
        infinite = np.where(below, np.where(above, np.nan, -np.inf), np.inf)
        return np.where(above | below, infinite, losses)

    def along(self, v: Array) -> Array:
        """The derivatives of the losses in the direction v (r, C), Σ_j t_j (Σ_k p_k v_k - v_j): (r, 1)."""
        return summed(self.t * (self.f.mean(v) - self.of_these(v)), -1)

    def gradients(self) -> Truth:
        """∂L/∂x, ∂L/∂q, and the derivative of ∂L/∂x in the direction of the tangent, all (r, C)."""
        problem, classes, zero = self.problem, self.f.p.shape[1], self.number(np.zeros(1))
        assert problem.grad_output is not None
        counts = kept(problem, self.rows)[:, None]
        g = problem.grad_output.reshape(-1, 1)
        c = self.number(g[self.rows] if reduction_of(problem) == "none" else g)  # ∂(whole)/∂loss_i
        c = np.broadcast_to(c, (len(self.t), 1))
        if reduction_of(problem) == "mean":
            divisor = exact_denominator(problem, classes)
            if divisor == 0:  # 0/0 in every row that counts, and no gradient in a row that does not
                undefined = np.where(counts, np.nan, zero) * np.ones((1, classes))
                return dict.fromkeys(self._gradient_names, undefined)
            c = np.where(counts, c / number_of(divisor, self.number), zero)
        slopes = c * summed(self.t, -1)
        truth = {"hvp_logits": slopes * self.f.along(self._tangent)} if "hvp_logits" in self._gradient_names else {}
        truth["grad_logits"] = self._of_logits(c, slopes)
        if not is_labels(problem):
            truth["grad_target"] = self._of_target(c)
        return truth

    @property
    def _gradient_names(self) -> list[str]:
        asked = {"grad_target": not is_labels(self.problem), "hvp_logits": self.problem.tangent is not None}
        return ["grad_logits", *(name for name, is_asked in asked.items() if is_asked)]

    @property
    def _tangent(self) -> Array:
        return direction(self.problem, self.rows, self.number)

    def _of_logits(self, c: Array, slopes: Array) -> Array:
        f = self.f
        grad: Array = slopes * f.p if self.at is not None else slopes * f.p - c * self.t
        if self.at is None:
            return grad
        own, others = f.e[self.at], f.e.copy()
        others[self.at] = self.number(np.zeros(1))
        beside = summed(others, -1)
        grad[self.at] = -c * self.t * (beside / (beside + own))  # p - 1 without a cancellation
        return grad

    def _of_target(self, c: Array) -> Array:
        problem, classes = self.problem, self.f.p.shape[1]
        weight, smoothing = class_weights(problem, classes), smoothing_of(problem)
        slope = self.number(weight) * (1 - self.number(np.array(smoothing)))  # (C,)
        sign = upstream_signs(problem, self.rows) * np.sign(weight) * (smoothing < 1)  # of c times it
        # a slope of 0 is 0 at every log-probability, and so in the limit
        return with_limit(-c * slope * self.f.l, sign, self.f.masked)


def reduced(problem: Problem, losses: Array, number: Number) -> Array:
    """The sum, or the mean, of losses (R, 1); a mean over nothing is 0/0, nan: (1, 1)."""
    mean = reduction_of(problem) == "mean"
    divisor = exact_denominator(problem, class_count(problem)) if mean else Fraction(1)
    if divisor == 0:
        return np.full((1, 1), np.nan, losses.dtype)
    if special := specials(losses):
        return np.full((1, 1), -sum(special) if divisor < 0 else sum(special), losses.dtype)  # an infinity, or nan
    found: Array = summed(losses) / number_of(divisor, number)
    return found


def cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    """The losses of rows, their derivatives in a direction (r, 1), and their gradients (r, C)."""
    f, defined = of_logits(problem, rows, number)
    coeffs = _Coefficients.of(problem, f, rows, number)
    truth = {"value": coeffs.losses}
    if problem.tangent is not None:
        truth["jvp"] = coeffs.along(direction(problem, rows, number))
    if problem.grad_output is not None:
        truth |= coeffs.gradients()
    unknown = _has_nan_target(problem, rows)
    truth |= {name: np.where(unknown, np.nan, truth[name]) for name in truth if name != "grad_target" and unknown.any()}
    return where_defined(truth, defined | ~kept(problem, rows)[:, None])  # an ignored row counts nothing


def finite_losses(problem: Problem, rows: Rows) -> Array:
    """The losses of rows without the classes that are masked: (r, 1)."""
    f, _ = of_logits(problem, rows, balls)
    return _Coefficients.of(problem, f, rows, balls).finite_losses


def _has_nan_target(problem: Problem, rows: Rows) -> Array:
    """Whether a target probability of the row is NaN: (r, 1), or (1, 1)."""
    if is_labels(problem):
        return np.zeros((1, 1), bool)
    return np.asarray(np.isnan(wide_rows(problem.inputs["target"], axis_of(problem), rows)).any(-1, keepdims=True))


def linear_cross_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    """The losses of rows, or what they are reduced to, and the gradients, in row form."""
    inputs = problem.inputs
    x = number(wide_rows(inputs["input"], -1, rows))  # (N, D)
    w = number(to_rows(inputs["linear_weight"], -1))  # (C …, D)
    a = matmul(x, w.T)  # (N, C …)
    if "linear_bias" in inputs:
        a = a + number(inputs["linear_bias"].reshape(-1))
    a = of_positions(problem, a)  # (R, C)
    coeffs = _Coefficients.of(problem, Softmax.of(a, np.zeros(a.shape, bool), number), rows, number)
    truth = {"value": coeffs.losses if reduction_of(problem) == "none" else reduced(problem, coeffs.losses, number)}
    if problem.grad_output is not None:
        grads = linear_gradients(by_positions(problem, coeffs.gradients()["grad_logits"]), x, w)
        truth["grad_input"] = grads["grad_input"]
        truth["grad_linear_weight"] = grads["grad_weight"]
        if "linear_bias" in inputs:
            truth["grad_linear_bias"] = grads["grad_bias"]
    return flat(truth)
