"""The cross-entropy loss of logits against labels or probabilities, and its gradient.

For a row a of C logits with log-probabilities l = log_softmax(a), class weights w and smoothing ε (the definitions of
torch.nn.CrossEntropyLoss; for ε = 0, w = 1 the article's equations 3 and 5):

    loss = -Σ_j t_j l_j,    t_j = w_j ((1 - ε) q_j + ε / C),

where q is the row of target probabilities, or the one-hot row of the label. A row whose label is `ignore_index` counts
nothing. The mean divides by the number of rows for probabilities, by the sum of the labels' weights for labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import LABELS, REDUCTIONS, Array, floats, quiet, row_blocks, shaped, with_axis, working
from .softmax import exponentials, shifted


@dataclass(frozen=True)
class _Loss:
    """The checked arguments of the loss. `target` is q, or labels with a last axis of length 1."""

    logits: Array
    axis: int
    target: Array
    kept: Array | None  # rows that are not ignored, with the class axis of length 1; None for probabilities
    weight: Array  # (C,) in the working precision
    reduction: str
    epsilon: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the unreduced loss."""
        return self.logits.shape[: self.axis] + self.logits.shape[self.axis + 1 :]

    @property
    def denominator(self) -> Any:
        """What the mean divides by."""
        if self.kept is None:
            return self.weight.dtype.type(np.prod(self.shape))
        return self.weight[self.target][self.kept].sum()

    @property
    def sparse(self) -> bool:
        """Whether one class alone counts in each row: labels without smoothing."""
        return self.kept is not None and not self.epsilon

    def coefficients(self, y: Array) -> Array:
        """t (…, C) for a block of targets (…, C), or of labels (…, 1)."""
        q = y if self.kept is None else y == np.arange(len(self.weight))
        return self.weight * ((1 - self.epsilon) * q.astype(self.weight.dtype) + self.epsilon / len(self.weight))

    def blocks(self, *outputs: Array) -> Any:
        """Blocks of logits (…, C), targets, kept (or targets again) and outputs, the class axis last."""
        kept = self.target if self.kept is None else self.kept
        return row_blocks(self.logits, self.target, kept, *outputs, axis=self.axis)


def _checked(
    logits: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> _Loss:
    if np.ndim(logits) == 0:
        raise ValueError("logits has shape (); expected (C,), (N, C) or (N, C, d1, …)")
    x, axis = with_axis("logits", logits, 0 if np.ndim(logits) == 1 else 1)
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}; expected one of {', '.join(REDUCTIONS)}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is {label_smoothing}; expected a number from 0 to 1")
    classes, work = x.shape[axis], working(x.dtype)
    w = np.ones(classes, work)
    if weight is not None:
        w = shaped("weight", floats("weight", weight, x), (classes,), "one for each class").astype(work, copy=False)

    y, kept = np.asarray(target), None
    if y.dtype.kind == "f":
        y = shaped("target", floats("target", y, x), x.shape, "that of the logits, for probabilities")
        if ignore_index != -100:
            raise ValueError(f"ignore_index is {ignore_index}; it applies to labels, and target holds probabilities")
    else:
        if y.dtype.name not in LABELS:
            raise TypeError(f"target has dtype {y.dtype}; expected {' or '.join(LABELS)} labels, or {x.dtype}")
        expected = x.shape[:axis] + x.shape[axis + 1 :]
        y = np.expand_dims(shaped("target", y, expected, f"for labels of logits {x.shape}"), axis)
        kept = y != ignore_index
        bad = kept & ((y < 0) | (y >= classes))
        if bad.any():
            raise IndexError(f"target holds {y[bad][0]}; expected labels from 0 to {classes - 1}, or {ignore_index}")
        y = np.where(kept, y, 0)
    return _Loss(x, axis, y, kept, w, reduction, label_smoothing)


@quiet
def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Cross-entropy loss of softmax(logits) against labels or probabilities.

    Equation (torch.nn.CrossEntropyLoss; article, 3 to 5): loss_i = -Σ_j t_ij log_softmax(a_i)_j with
    t_ij = w_j ((1 - ε) q_ij + ε / C), then the mean or the sum over rows, or the rows themselves.

    Args:
        logits: a (C,), (N, C) or (N, C, d1, …); float64, float32 or float16.
        target: int64 or uint8 labels of that shape without C, or probabilities (a one-hot row is one) of that shape
            and dtype.
        weight: w (C,) of the dtype of `logits`; None means ones.
        ignore_index: rows with this label count nothing; it may lie outside [0, C). For labels only.
        reduction: "mean" (over Σ w of the labels that count, or over rows for probabilities), "sum" or "none".
        label_smoothing: ε in [0, 1].
    Returns: a 0-d array, or for "none" the shape of the labels; the dtype of `logits`; in nats. The mean over no row
        is NaN, as in torch.
    Raises: TypeError, ValueError or IndexError naming the argument, what it is and what was expected.
    Error: docs/bounds.md, Theorem 9.

    >>> float(cross_entropy([[1.4, 3.2, 5.0]], np.array([2])).round(4))
    0.1762
    """
    loss = _checked(logits, target, weight, ignore_index, reduction, label_smoothing)
    rows = np.empty(loss.shape, loss.weight.dtype)
    for x, y, kept, out in loss.blocks(np.expand_dims(rows, loss.axis)):
        d = shifted(x)
        s = np.exp(d).sum(-1, keepdims=True)
        if loss.sparse:
            out[...] = loss.weight[y] * (np.log(s) - np.take_along_axis(d, y, -1))
        else:
            d -= np.log(s)  # log-probabilities (…, C)
            out[...] = -(loss.coefficients(y) * d).sum(-1, keepdims=True)
        if loss.kept is not None:
            out[~kept] = 0
    if reduction == "none":
        return rows.astype(loss.logits.dtype, copy=False)
    total = rows.sum() if reduction == "sum" else rows.sum() / loss.denominator
    return np.asarray(total).astype(loss.logits.dtype)


@overload
def cross_entropy_backward(
    grad_output: ArrayLike,
    logits: ArrayLike,
    target: NDArray[np.integer[Any]],
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array: ...
@overload
def cross_entropy_backward(
    grad_output: ArrayLike,
    logits: ArrayLike,
    target: NDArray[np.floating[Any]],
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]: ...
@quiet
def cross_entropy_backward(
    grad_output: ArrayLike,
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array | tuple[Array, Array]:
    """Gradient of the logits and, for probability targets, of the target.

    Equations, with c_i = ∂L/∂loss_i (g_i for "none", g for "sum", g / D for "mean") and T_i = Σ_j t_ij:

        ∂L/∂a_ij = c_i (T_i p_ij - t_ij),        ∂L/∂q_ij = -c_i w_j (1 - ε) log p_ij.

    With T = 1 and one-hot t the first is the familiar p - y.

    Args:
        grad_output: g, the shape of the loss and the dtype of `logits`, or a Python number.
        logits, target and the options: as given to `cross_entropy`.
    Returns: ∂L/∂a for labels, (∂L/∂a, ∂L/∂q) for probabilities. An ignored row has a gradient of 0.
    Raises: as `cross_entropy`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/bounds.md, Theorems 10 and 11.

    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], np.array([0]))
    array([[-0.5,  0.5]])
    """
    loss = _checked(logits, target, weight, ignore_index, reduction, label_smoothing)
    g = floats("grad_output", grad_output, loss.logits)
    expected = loss.shape if reduction == "none" else ()
    c = shaped("grad_output", g, expected, "that of the loss").astype(loss.weight.dtype, copy=False)
    if reduction == "mean":
        c = np.asarray(c / loss.denominator)
    c = np.expand_dims(np.broadcast_to(c, loss.shape), loss.axis)
    grad = np.empty_like(loss.logits)
    grad_target = np.empty_like(loss.target) if loss.kept is None else None
    for x, y, kept, upstream, out, out_target in loss.blocks(c, grad, grad if grad_target is None else grad_target):
        p, s = exponentials(x)
        p /= s
        if loss.sparse:
            scale = upstream * loss.weight[y]  # (…, 1)
            p *= scale
            np.put_along_axis(p, y, np.take_along_axis(p, y, -1) - scale, -1)
            out[...] = p
        else:
            t = loss.coefficients(y)
            out[...] = upstream * (t.sum(-1, keepdims=True) * p - t)
        if grad_target is None:
            np.copyto(out, 0, where=~kept)
        else:
            out_target[...] = -upstream * loss.weight * (1 - loss.epsilon) * (d - np.log(s))
    return grad if grad_target is None else (grad, grad_target)
