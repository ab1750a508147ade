"""What a loss is given: logits with the classes last, labels or probabilities, weights; and how losses are reduced."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arrays import LABELS, Array, floats, loss_options, plain, shaped, with_axis, working


class Loss(NamedTuple):
    """The checked arguments of the loss. `target` is q, or labels with a class axis of length 1."""

    logits: Array
    axis: int
    target: Array
    ignored: Array | None  # rows that do not count, with a class axis of length 1; None for probabilities
    weight: Array | None  # (C,) in the working precision; None for ones
    epsilon: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the unreduced loss."""
        return self.logits.shape[: self.axis] + self.logits.shape[self.axis + 1 :]

    @property
    def column(self) -> tuple[int, ...]:
        """The same with a class axis of length 1."""
        return (*self.logits.shape[: self.axis], 1, *self.logits.shape[self.axis + 1 :])

    @property
    def work(self) -> np.dtype[Any]:
        """The working precision."""
        return working(self.logits.dtype)

    @property
    def denominator(self) -> Any:
        """What the mean divides by."""
        if self.ignored is None:
            return self.work.type(np.prod(self.shape))
        if self.weight is None:
            return self.ignored.size - np.count_nonzero(self.ignored)
        return self.weight[self.target][~self.ignored].sum()

    @property
    def sparse(self) -> bool:
        """Whether one class alone counts in each row: labels without smoothing."""
        return self.ignored is not None and not self.epsilon

    def weighted(self, values: Array, y: Array) -> Array:
        """`values` (…, 1), each times the weight w_y of its label y (…, 1)."""
        return values if self.weight is None else values * self.weight[y]

    def reduced(self, rows: Array, reduction: str) -> Array:
        """The loss, from that of `rows` with a class axis of length 1; ignored rows become 0."""
        if self.ignored is not None:
            rows[self.ignored] = 0
        if reduction == "none":
            return rows.reshape(self.shape).astype(self.logits.dtype, copy=False)
        total = rows.sum() if reduction == "sum" else rows.sum() / self.denominator
        return np.asarray(total, self.logits.dtype)

    def upstream(self, grad_output: ArrayLike, reduction: str) -> Array:
        """c = ∂L/∂loss_i of every row, with a class axis of length 1."""
        g = floats("grad_output", grad_output, self.logits)
        expected = self.shape if reduction == "none" else ()
        c = shaped("grad_output", g, expected, "that of the loss").astype(self.work, copy=False)
        if reduction == "mean":
            c = np.asarray(c / self.denominator)
        return np.expand_dims(np.broadcast_to(c, self.shape), self.axis)

    def coefficients(self, y: Array) -> Array:
        """t (…, C) for a block of targets (…, C), or of labels (…, 1)."""
        classes = self.logits.shape[self.axis]
        q = y if self.ignored is None else y == np.arange(classes)
        t: Array = (1 - self.epsilon) * q.astype(self.work) + self.epsilon / classes  # (…, C)
        if self.weight is not None:
            t *= self.weight
        return t


def _labels(y: Array, logits: Array, axis: int, ignore_index: int) -> tuple[Array, Array]:
    """Labels y, and which are ignored, with a class axis of length 1. An ignored label outside [0, C) becomes 0."""
    if y.dtype.type not in LABELS:
        raise TypeError(f"target has dtype {y.dtype}; expected int64 or uint8 labels, or {logits.dtype}")
    before, classes, after = logits.shape[:axis], logits.shape[axis], logits.shape[axis + 1 :]
    if y.shape != before + after:
        raise ValueError(f"target has shape {y.shape}; expected {before + after}, for labels of logits {logits.shape}")
    y = y.reshape(*before, 1, *after)
    ignored, outside = y == ignore_index, (y < 0) | (y >= classes)
    if not np.count_nonzero(outside):
        return y, ignored
    bad = y[outside & ~ignored]
    if bad.size:
        raise IndexError(f"target holds {bad[0]}; expected labels from 0 to {classes - 1}, or {ignore_index}")
    return np.where(outside, 0, y), ignored


def checked(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Loss:
    """The arguments of the loss, checked against each other."""
    a = floats("logits", logits)
    if a.ndim == 0:
        raise ValueError("logits has shape (); expected (C,), (N, C) or (N, C, d1, …)")
    x, axis = with_axis("logits", a, 0 if a.ndim == 1 else 1)
    ignore_index, _, epsilon = loss_options(ignore_index, reduction, label_smoothing)
    w = None
    if weight is not None:
        w = shaped("weight", floats("weight", weight, x), x.shape[axis : axis + 1], "one for each class")
        w = w.astype(working(x.dtype), copy=False)

    y = plain("target", target)
    if y.dtype.kind != "f":
        y, ignored = _labels(y, x, axis, ignore_index)
        return Loss(x, axis, y, ignored, w, epsilon)
    y = shaped("target", floats("target", y, x), x.shape, "that of the logits, for probabilities")
    if ignore_index != -100:
        raise ValueError(f"ignore_index is {ignore_index}; it applies to labels, and target holds probabilities")
    return Loss(x, axis, y, None, w, epsilon)


def at_labels(d: Array, y: Array) -> Array:
    """The element of each row of d (…, C) that its label in y (…, 1) names: (…, 1)."""
    rows = d.reshape(-1, d.shape[-1])  # (n, C)
    return rows[np.arange(len(rows)), y.reshape(-1)].reshape(y.shape)
