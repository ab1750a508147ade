"""Steps of a loss: its terms, what is made of them, and the gradient of the logits.

w (C,) class weights, q (R, C) target probabilities, t = w ((1 - ε) q + ε/C) their coefficients, D what a mean divides
by, c = g or g/D. Rows that are ignored are left out of every sum, and have the gradient 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...problem.losses import is_labels, kept
from ...problem.problem import Array, Problem
from ...problem.rows import reduction_of
from .rows import LogitRow
from .sums import Sum


@dataclass(frozen=True)
class Loss:
    """A question about a loss, in rows, in the format that is computed in."""

    problem: Problem
    row: LogitRow  # of logits (R, C)
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


def times(t: Array, l: Array) -> Array:  # noqa: E741
    """-t l, where 0 times -inf is 0."""
    return np.asarray(-(t * np.where(t == 0, 0, l)))


def in_one_term(loss: Loss) -> Array:
    """-Σ t l."""
    return loss.sum(times(loss.t, loss.row.l))


def in_two_terms(loss: Loss) -> Array:
    """(1 - ε) times -Σ w q l, and ε/C times -Σ w l."""
    of_target = loss.sum(times(loss.w * loss.q, loss.row.l))
    if not loss.smoothing:
        return of_target
    uniform = loss.dtype.type(loss.smoothing / loss.classes) * loss.sum(times(loss.w + 0 * loss.q, loss.row.l))
    if loss.smoothing == 1:
        return np.asarray(uniform)
    return np.asarray(loss.dtype.type(1 - loss.smoothing) * of_target + uniform)


def gathered(loss: Loss) -> Array:
    """-w_y l_y of a label; what there is besides in one term."""
    if not is_labels(loss.problem) or loss.smoothing:
        return in_one_term(loss)
    return times(loss.w[loss.labels], np.take_along_axis(loss.row.l, loss.labels, -1))


def of_logsumexp(loss: Loss) -> Array:
    """A4': y - x_y, or Σ t times y less Σ t x."""
    if is_labels(loss.problem) and not loss.smoothing:
        return np.asarray(loss.w[loss.labels] * (loss.row.y - np.take_along_axis(loss.row.x, loss.labels, -1)))
    return np.asarray(loss.sum(loss.t) * loss.row.y - loss.sum(-times(loss.t, loss.row.x)))


def normalised_first(loss: Loss) -> Array:
    """-Σ t l with weights that are divided by D before anything else, where there is a mean."""
    return in_one_term(replace(loss, scale=loss.divisor) if loss.of_mean else loss)


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
    return late(loss, np.where(loss.kept, times(loss.t, loss.row.l), 0).astype(loss.dtype).reshape(-1, 1))


def by_powers(loss: Loss, losses: Array) -> Array:
    """Losses and D scaled by a power of two, as weights that were scaled would have them."""
    eighth = loss.dtype.type(0.125)
    total = loss.total(losses.T * eighth)
    return np.asarray(total / (loss.divisor * eighth) if loss.of_mean else total * 8)


def share(loss: Loss, g: Array) -> Array:
    """g, or g/D."""
    return np.asarray(g / loss.divisor) if loss.of_mean else g


def scaled_last(loss: Loss, g: Array) -> Array:
    """(p Σ t - t) c."""
    return np.asarray((loss.row.p * loss.sum.intact(loss.t) - loss.t) * share(loss, g))


def by_exponential(loss: Loss, g: Array) -> Array:
    """c exp(l) Σ t - c t."""
    c = share(loss, g)
    return np.asarray(c * np.exp(loss.row.l) * loss.sum.intact(loss.t) - c * loss.t)


def of_slopes(loss: Loss, g: Array) -> Array:
    """h - p Σ h with h = -c t, as the backward pass of log-softmax has it."""
    h = -share(loss, g) * loss.t
    return np.asarray(h - loss.row.p * loss.sum.intact(h))


def scattered(loss: Loss, g: Array) -> Array:
    """c w_y p, from which c w_y is taken at the label; what there is besides as (p Σ t - t) c."""
    if not is_labels(loss.problem) or loss.smoothing:
        return scaled_last(loss, g)
    c = share(loss, g) * loss.w[loss.labels]
    found = np.asarray(loss.row.p * c)
    np.add.at(found, (np.arange(len(found)), loss.labels[:, 0]), -np.broadcast_to(c, loss.labels.shape)[:, 0])
    return found


def in_forward(loss: Loss, g: Array) -> Array:
    """(p Σ t - t)/D in the forward pass, times g later."""
    found = loss.row.p * loss.sum.intact(loss.t) - loss.t
    found = found / loss.divisor if loss.of_mean else found
    return np.asarray(found * g)
