"""The loss: a way to take each row, a form of its terms, a way to reduce them, and a form of the gradient.

w (C,) class weights, q (R, C) target probabilities, t = w ((1 - ε) q + ε/C) their coefficients, D what a mean divides
by, c = g or g/D. Rows that are ignored are left out of every sum, and have the gradient 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from ...problem.losses import is_labels, kept
from ...problem.problem import Array, Problem
from ...problem.rows import reduction_of
from .linear import products
from .record import Answer, Asked, Formula
from .softmax import Row
from .sums import Sum

Role = Literal["row", "total", "product"]  # which sum a variant is about


@dataclass(frozen=True)
class Loss:
    """A question about a loss, in rows, in the format that is computed in."""

    problem: Problem
    row: Row  # of logits (R, C)
    sum: Sum  # of the terms of a row, and of its coefficients
    total: Sum  # of the losses
    scale: Array | None = None  # that the class weights are divided by first

    @property
    def dtype(self) -> np.dtype[np.floating]:
        return self.row.x.dtype

    @property
    def classes(self) -> int:
        return int(self.row.x.shape[-1])

    @cached_property
    def kept(self) -> Array:
        """Which rows count (R, 1)."""
        return kept(self.problem)[:, None]

    @cached_property
    def labels(self) -> Array:
        """Labels (R, 1), 0 in rows that are ignored."""
        return np.where(self.kept, self.problem.inputs["target"].reshape(-1, 1), 0)

    @cached_property
    def w(self) -> Array:
        w = self.problem.inputs.get("weight")
        w = np.ones(self.classes, self.dtype) if w is None else w.astype(self.dtype)
        return w if self.scale is None else np.asarray(w / self.scale[0])

    @cached_property
    def q(self) -> Array:
        """(R, C)."""
        target = self.problem.inputs["target"]
        if is_labels(self.problem):
            return np.asarray(self.labels == np.arange(self.classes), self.dtype)
        axis = min(target.ndim - 1, 1)
        return np.moveaxis(target, axis, -1).reshape(-1, self.classes).astype(self.dtype)

    @property
    def smoothing(self) -> float:
        return float(self.problem.options.get("label_smoothing", 0.0))

    @cached_property
    def t(self) -> Array:
        """In one term (R, C)."""
        if not self.smoothing:
            return np.asarray(self.w * self.q)
        share, rest = self.dtype.type(1 - self.smoothing), self.dtype.type(self.smoothing / self.classes)
        return np.asarray(self.w * (share * self.q + rest))

    @property
    def of_mean(self) -> bool:
        return reduction_of(self.problem) == "mean"

    @cached_property
    def divisor(self) -> Array:
        """D, of one row's weights after the other (1, 1)."""
        if not is_labels(self.problem):
            return np.full((1, 1), len(self.q), self.dtype)
        return self.total.intact(self.w[self.labels].T * self.kept.T)

    @cached_property
    def counted(self) -> Array:
        """D from the number of each label: a bincount times the weights (1, 1)."""
        if not is_labels(self.problem):
            return self.divisor
        times = np.bincount(self.labels[self.kept], minlength=self.classes).astype(self.dtype)
        return np.reshape(times @ self.w, (1, 1))


def _times(t: Array, l: Array) -> Array:  # noqa: E741
    """-t l, where 0 times -inf is 0."""
    return np.asarray(-(t * np.where(t == 0, 0, l)))


# ---- the losses of rows (R, 1) --------------------------------------------------------------------------------------


def in_one_term(loss: Loss) -> Array:
    """-Σ t l."""
    return loss.sum(_times(loss.t, loss.row.l))


def in_two_terms(loss: Loss) -> Array:
    """(1 - ε) times -Σ w q l, and ε/C times -Σ w l."""
    of_target = loss.sum(_times(loss.w * loss.q, loss.row.l))
    if not loss.smoothing:
        return of_target
    uniform = loss.dtype.type(loss.smoothing / loss.classes) * loss.sum(_times(loss.w + 0 * loss.q, loss.row.l))
    if loss.smoothing == 1:
        return np.asarray(uniform)
    return np.asarray(loss.dtype.type(1 - loss.smoothing) * of_target + uniform)


def gathered(loss: Loss) -> Array:
    """-w_y l_y of a label; what there is besides in one term."""
    if not is_labels(loss.problem) or loss.smoothing:
        return in_one_term(loss)
    return _times(loss.w[loss.labels], np.take_along_axis(loss.row.l, loss.labels, -1))


def of_logsumexp(loss: Loss) -> Array:
    """A4': y - x_y, or Σ t times y less Σ t x."""
    if is_labels(loss.problem) and not loss.smoothing:
        return np.asarray(loss.w[loss.labels] * (loss.row.y - np.take_along_axis(loss.row.x, loss.labels, -1)))
    return np.asarray(loss.sum(loss.t) * loss.row.y - loss.sum(-_times(loss.t, loss.row.x)))


def normalised_first(loss: Loss) -> Array:
    """-Σ t l with weights that are divided by D before anything else, where there is a mean."""
    return in_one_term(replace(loss, scale=loss.divisor) if loss.of_mean else loss)


# ---- the value ------------------------------------------------------------------------------------------------------


def late(loss: Loss, losses: Array) -> Array:
    """Their sum, divided by D."""
    total = loss.total(losses.T)
    return np.asarray(total / loss.divisor) if loss.of_mean else total


def before(loss: Loss, losses: Array) -> Array:
    """Their sum, where they have been divided by D; of nothing there is no mean."""
    return np.where(loss.of_mean & (loss.divisor == 0), np.nan, loss.total(losses.T))


def early(loss: Loss, losses: Array) -> Array:
    """Each loss times 1/D, and the sum; of nothing, as of weights that are all 0, there is no mean."""
    if not loss.of_mean:
        return loss.total(losses.T)
    return np.where(loss.divisor == 0, np.nan, loss.total((losses * (1 / loss.divisor)).T))


def by_count(loss: Loss, losses: Array) -> Array:
    """Their sum by D from the number of each label."""
    total = loss.total(losses.T)
    return np.asarray(total / loss.counted) if loss.of_mean else total


def flat(loss: Loss, _losses: Array) -> Array:
    """-Σ t l over rows and classes in one order, divided by D."""
    return late(loss, np.where(loss.kept, _times(loss.t, loss.row.l), 0).astype(loss.dtype).reshape(-1, 1))


def by_powers(loss: Loss, losses: Array) -> Array:
    """Losses and D scaled by a power of two, as weights that were scaled would have them."""
    eighth = loss.dtype.type(0.125)
    total = loss.total(losses.T * eighth)
    return np.asarray(total / (loss.divisor * eighth) if loss.of_mean else total * 8)


# ---- the gradient of the logits (R, C) ------------------------------------------------------------------------------


def _c(loss: Loss, g: Array) -> Array:
    return np.asarray(g / loss.divisor) if loss.of_mean else g


def scaled_last(loss: Loss, g: Array) -> Array:
    """(p Σ t - t) c."""
    return np.asarray((loss.row.p * loss.sum.intact(loss.t) - loss.t) * _c(loss, g))


def by_exponential(loss: Loss, g: Array) -> Array:
    """c exp(l) Σ t - c t."""
    c = _c(loss, g)
    return np.asarray(c * np.exp(loss.row.l) * loss.sum.intact(loss.t) - c * loss.t)


def of_slopes(loss: Loss, g: Array) -> Array:
    """h - p Σ h with h = -c t, as the backward pass of log-softmax has it."""
    h = -_c(loss, g) * loss.t
    return np.asarray(h - loss.row.p * loss.sum.intact(h))


def scattered(loss: Loss, g: Array) -> Array:
    """c w_y p, from which c w_y is taken at the label; what there is besides as (p Σ t - t) c."""
    if not is_labels(loss.problem) or loss.smoothing:
        return scaled_last(loss, g)
    c = _c(loss, g) * loss.w[loss.labels]
    found = np.asarray(loss.row.p * c)
    np.add.at(found, (np.arange(len(found)), loss.labels[:, 0]), -np.broadcast_to(c, loss.labels.shape)[:, 0])
    return found


def in_forward(loss: Loss, g: Array) -> Array:
    """(p Σ t - t)/D in the forward pass, times g later."""
    found = loss.row.p * loss.sum.intact(loss.t) - loss.t
    found = found / loss.divisor if loss.of_mean else found
    return np.asarray(found * g)


Terms = Callable[[Loss], Array]
Reduce = Callable[[Loss, Array], Array]
Gradient = Callable[[Loss, Array], Array]


@dataclass(frozen=True)
class Form:
    """How a loss is formed; `role` says which of its sums is spoiled in the twin."""

    way: type[Row] = Row
    terms: Terms = in_one_term
    reduce: Reduce = late
    gradient: Gradient = scaled_last
    role: Role = "row"

    def sum(self, asked: Asked, role: Role) -> Sum:
        return asked.sum if role == self.role else asked.sum.intact

    def loss(self, asked: Asked, x: Array) -> Loss:
        """Of logits x (R, C)."""
        row = self.way(x, self.sum(asked, "row"))
        return Loss(asked.problem, row, asked.sum.intact, self.sum(asked, "total"))

    def value(self, loss: Loss) -> Array:
        """The losses of rows, or what is made of them."""
        losses = np.where(loss.kept, self.terms(loss), 0).astype(loss.dtype)
        return losses if reduction_of(loss.problem) == "none" else self.reduce(loss, losses)

    def of_logits(self, loss: Loss, g: Array) -> Array:
        """0 in rows that are ignored."""
        return np.where(loss.kept, self.gradient(loss, g), 0).astype(loss.dtype)


def cross_entropy(form: Form) -> Formula:
    """Value, and gradients of logits and target probabilities."""

    def formula(asked: Asked) -> Answer:
        loss = form.loss(asked, asked.x)
        found = {"value": form.value(loss)}
        if asked.differentiates:
            found["grad_logits"] = form.of_logits(loss, asked.g)
            if not is_labels(asked.problem):
                slope = _c(loss, asked.g) * loss.w * loss.dtype.type(1 - loss.smoothing)
                found["grad_target"] = _times(slope, loss.row.l)
        return found

    return formula


def linear_cross_entropy(form: Form) -> Formula:
    """The same of logits x Wᵀ + b, and what their gradient makes of the others."""

    def formula(asked: Asked) -> Answer:
        x, w = np.atleast_2d(asked.array("input")), asked.array("linear_weight")
        b = asked.array("linear_bias") if "linear_bias" in asked.problem.inputs else None
        logits = products(x, w, form.sum(asked, "product"))
        loss = form.loss(asked, logits if b is None else logits + b)
        found = {"value": form.value(loss)}
        if asked.differentiates:
            grad, sum = form.of_logits(loss, asked.g), asked.sum.intact  # noqa: A001
            found["grad_input"] = grad @ w
            found["grad_linear_weight"] = products(grad.T, x.T, sum)
            found["grad_linear_bias"] = sum(grad.T)
        return {name: array.reshape(1, -1) for name, array in found.items()}

    return formula
