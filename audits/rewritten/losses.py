"""The loss of labels, by indexing: a row has the terms of its label, and of all classes where labels are smoothed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import Rewriting

Array = NDArray[Any]
CAP, PENALTY = 30.0, 1e-4  # as in the projects where the bugs were seen


@dataclass
class Rows:
    """A batch (N, C) in float64, and what it is asked with."""

    x: Array
    labels: Array  # (N,), 0 in rows that are ignored
    counts: Array  # (N,) bool
    w: Array  # (C,)
    weighted: bool
    eps: float
    reduction: str

    @property
    def log_p(self) -> Array:
        """(N, C)."""
        top = self.x.max(1, keepdims=True)
        shifted = self.x - top
        return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))

    def at_labels(self, array: Array) -> Array:
        """One number of each row."""
        return np.asarray(array[np.arange(len(array)), self.labels])


def read(how: str, x: Array, target: Array, weight: Array | None, ignore: int, reduction: str, eps: float) -> Rows:
    """The question, and what some bugs make of it at once."""
    labels, counts = target.copy(), target != ignore
    if how == "default-ignore-index-is-off" and ignore == -100:
        counts, labels = np.ones(len(target), bool), np.where(target == -100, 0, target)
    if how == "negative-ignore-index-is-off" and ignore < 0:
        counts, labels = np.ones(len(target), bool), np.where(target == ignore, 0, target)
    labels = np.where(counts, labels, 0)
    if ((labels < 0) | (labels >= x.shape[1])).any():
        raise IndexError(f"a label of {labels.min()}")
    if how == "labels-in-8-bits":
        labels = labels & 255
    wide = x.astype(np.float64)
    if how == "softmax-twice":
        wide = np.exp(Rows(wide, labels, counts, np.ones(1), False, 0.0, "").log_p)
    if how == "capped-logits":
        wide = wide * np.tanh(wide / CAP)
    w = np.ones(x.shape[1]) if weight is None else weight.astype(np.float64)
    return Rows(wide, labels, counts, w, weight is not None, eps, reduction)


def divisor(how: str, rows: Rows) -> float:
    """What the mean divides by."""
    own = rows.w[rows.labels]
    total = float(own[rows.counts].sum())
    divisors = {
        "mean-over-ignored": total if rows.weighted else float(len(own)),
        "mean-ignores-weights": float(rows.counts.sum()),
        "sum-for-mean": 1.0,
        "mean-over-entries": total * rows.x.shape[1],
        "mean-counts-padding": float((~rows.counts).sum()),
    }
    return float(divisors.get(how, total))


def forward(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    how: str,
) -> Array:
    """The loss with a bug."""
    rows = read(how, logits, target, weight, ignore_index, reduction, label_smoothing)
    log_p, own, eps, classes = rows.log_p, rows.w[rows.labels], rows.eps, rows.x.shape[1]
    if how == "logarithm-missing":
        log_p = rows.x
    if how == "smoothing-over-the-other-classes" and classes > 1:
        spread = eps / (classes - 1)
        losses = -(1 - eps - spread) * own * rows.at_labels(log_p) - spread * _weighted(log_p, rows.w)
    elif how == "smoothing-without-weights":
        losses = -(1 - eps) * own * rows.at_labels(log_p) - eps * log_p.mean(1)
    else:
        losses = -(1 - eps) * own * rows.at_labels(log_p) - (eps and eps / classes * _weighted(log_p, rows.w))
    if how == "z-term-folded-in":
        top = rows.x.max(1)
        losses = losses + PENALTY * (top + np.log(np.exp(rows.x - top[:, None]).sum(1))) ** 2
    if how == "one-hot-for-the-whole-batch":
        present = np.unique(rows.labels[rows.counts])
        losses = -(1 - eps) * (log_p[:, present] * rows.w[present]).sum(1) - (
            eps and eps / classes * _weighted(log_p, rows.w)
        )
    if how == "loss-of-the-other-sign":
        losses = -losses
    if how == "smoothing-counts-ignored" and eps:
        uniform = -eps / classes * _weighted(log_p, rows.w)
        losses = np.where(rows.counts, losses, uniform)
    else:
        losses = np.where(rows.counts, losses, 0.0)
    if reduction == "none" and how != "sum-in-place-of-none":
        return np.asarray(losses, logits.dtype)
    total = losses.sum()
    if reduction == "mean" or (how == "mean-for-sum" and reduction == "sum"):
        total = total / np.float64(divisor(how, rows))
    return np.asarray(total, logits.dtype)


def _weighted(log_p: Array, w: Array) -> Array:
    """Σ w log p, in which a weight of 0 counts for nothing (N,)."""
    return np.asarray(np.where(w == 0, 0.0, log_p * w).sum(1))


def backward(
    grad_output: Array,
    logits: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    how: str,
) -> Array:
    """Its gradient with the same bug: scattered at the labels."""
    rows = read(how, logits, target, weight, ignore_index, reduction, label_smoothing)
    own = np.zeros(rows.x.shape, bool)
    own[np.arange(len(own)), rows.labels] = True
    scale = _scale(how, rows, grad_output)
    if how == "scaled-at-the-label-alone" and reduction == "mean":
        scale = np.where(own, scale, np.broadcast_to(grad_output, scale[:, 0].shape)[:, None])
    with np.errstate(all="ignore"):
        slope = FACTORS.get(how, 1.0) * _slope(how, rows) * scale
    if how == "off-target-forgotten":
        slope = np.where(own, slope, 0.0)
    if how == "no-gradient-without-reduction" and reduction == "none":
        slope = 0 * slope
    return np.asarray(np.where(rows.counts[:, None], slope, 0.0), logits.dtype)


FACTORS = {"loss-of-the-other-sign": -1, "gradient-of-the-other-sign": -1, "twice-the-gradient": 2, "no-gradient": 0}


def _scale(how: str, rows: Rows, grad_output: Array) -> Array:
    """The upstream gradient of each row over what a mean divides by (N, 1)."""
    count = len(rows.x)
    g = np.broadcast_to(grad_output.astype(np.float64).reshape(-1), (count,))
    if how == "upstream-gradient-dropped":
        g = np.ones(count)
    if how == "first-upstream-gradient" and count:
        g = np.full(count, g[0])
    divides = rows.reduction == "mean" or (how == "mean-for-sum" and rows.reduction == "sum")
    by = divisor(how, rows) if divides else 1.0
    if how == "gradient-of-a-sum-over-its-rows" and rows.reduction == "sum" and not rows.counts.all():
        by = float(rows.counts.sum())
    with np.errstate(all="ignore"):
        return np.asarray(g / np.float64(by))[:, None]


def _slope(how: str, rows: Rows) -> Array:
    """The gradient of the loss of each row (N, C)."""
    count, classes = rows.x.shape
    eps = 0.0 if how == "smoothing-in-the-value-alone" else rows.eps
    w = np.ones(classes) if how == "weights-in-the-value-alone" else rows.w
    others = how == "smoothing-over-the-other-classes" and classes > 1
    spread = eps / (classes - 1) if others else eps / classes
    label = (1 - eps - (spread if others else 0.0)) * w[rows.labels]
    uniform = spread * (np.ones(classes) if how == "smoothing-without-weights" else w)
    slope = np.exp(rows.log_p) * (label + uniform.sum())[:, None] - uniform
    if how != "one-hot-forgotten":
        np.subtract.at(slope, (np.arange(count), rows.labels), label)
    return np.asarray(slope)


VALUE_ALONE = ("softmax-twice", "capped-logits", "z-term-folded-in", "one-hot-for-the-whole-batch", "logarithm-missing",
               "sum-in-place-of-none", "smoothing-counts-ignored")  # fmt: skip
BOTH = ("mean-over-ignored", "mean-ignores-weights", "sum-for-mean", "mean-over-entries", "mean-counts-padding",
        "mean-for-sum", "loss-of-the-other-sign", "smoothing-over-the-other-classes", "smoothing-without-weights",
        "labels-in-8-bits", "default-ignore-index-is-off", "negative-ignore-index-is-off")  # fmt: skip
GRADIENT = ("upstream-gradient-dropped", "first-upstream-gradient", "no-gradient-without-reduction", "no-gradient",
            "gradient-of-the-other-sign", "twice-the-gradient", "off-target-forgotten", "one-hot-forgotten",
            "smoothing-in-the-value-alone", "weights-in-the-value-alone", "gradient-of-a-sum-over-its-rows",
            "scaled-at-the-label-alone")  # fmt: skip


def rewritings() -> Iterator[Rewriting]:
    """Those of the loss, and the loss without a bug, which is to be named nothing, named ""."""
    for how in ("", *BOTH, *GRADIENT):
        yield Rewriting(how, "cross_entropy", partial(forward, how=how), partial(backward, how=how), (2,))
    for how in VALUE_ALONE:
        yield Rewriting(how, "cross_entropy", partial(forward, how=how), None, (2,))
