"""The cross-entropy loss of logits against labels or probabilities, its gradient, and its derivatives in a direction.

For a row a of C logits with log-probabilities l = log_softmax(a), class weights w and smoothing ε (the definitions of
torch.nn.CrossEntropyLoss; for ε = 0, w = 1 the article's equations 3 and 5):

    loss = -Σ_j t_j l_j,    t_j = w_j ((1 - ε) q_j + ε / C),

where q is the row of target probabilities, or the one-hot row of the label. A row whose label is `ignore_index` does
not count. The mean divides by the number of rows for probabilities, by the sum of the labels' weights for labels.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import Array, floats, quiet, row_blocks, shaped
from .loss import Loss, at_labels, checked
from .softmax import along, exponentials, inner, shifted


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
        ignore_index: rows with this label do not count; it may lie outside [0, C). For labels only.
        reduction: "mean" (over Σ w of the labels that count, or over rows for probabilities), "sum" or "none".
        label_smoothing: ε in [0, 1].
    Returns: a 0-d array, or for "none" the shape of the labels; the dtype of `logits`; in nats. The mean over no row
        is NaN, as in torch.
    Raises: TypeError, ValueError or IndexError that names the argument, its value, and what was expected.
    Error: docs/theory/bounds.md, Theorem 9.

    >>> float(cross_entropy([[1.4, 3.2, 5.0]], np.array([2])).round(4))
    0.1762
    """
    loss = checked(logits, target, weight, ignore_index, reduction, label_smoothing)
    rows = np.empty(loss.column, loss.work)  # (…, 1, …)
    for x, y, out in row_blocks(loss.logits, loss.target, rows, axis=loss.axis):
        d = shifted(x)
        log_s = np.log(np.exp(d).sum(-1, keepdims=True))  # (…, 1)
        if loss.sparse:
            out[...] = loss.weighted(log_s - at_labels(d, y), y)
        else:
            d -= log_s  # log-probabilities (…, C)
            out[...] = -(loss.coefficients(y) * d).sum(-1, keepdims=True)
    return loss.reduced(rows, reduction)


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
    Error: docs/theory/bounds.md, Theorems 10 and 11.

    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], np.array([0]))
    array([[-0.5,  0.5]])
    """
    loss = checked(logits, target, weight, ignore_index, reduction, label_smoothing)
    c = loss.upstream(grad_output, reduction)
    grad = np.empty_like(loss.logits)
    other = np.empty_like(loss.target) if loss.ignored is None else loss.ignored  # ∂L/∂q, or which rows are to be 0
    for x, y, upstream, out, rest in row_blocks(loss.logits, loss.target, c, grad, other, axis=loss.axis):
        d = shifted(x)
        e = np.exp(d)  # (…, C)
        s = e.sum(-1, keepdims=True)  # (…, 1)
        if loss.sparse:
            cw = loss.weighted(upstream, y)  # c_i w_y (…, 1)
            np.multiply(e, cw / s, out=out, casting="same_kind")  # c_i w_y p_ij
            np.put_along_axis(out, y, at_labels(e, y) * (cw / s) - cw, -1)
        else:
            t = loss.coefficients(y)
            out[...] = upstream * (t.sum(-1, keepdims=True) * (e / s) - t)
        if loss.ignored is None:
            cw = upstream if loss.weight is None else upstream * loss.weight  # c_i w_j (…, 1) or (…, C)
            rest[...] = -cw * (1 - loss.epsilon) * (d - np.log(s))
        else:
            np.copyto(out, 0, where=rest)
    return (grad, other) if loss.ignored is None else grad


def _tangent(values: ArrayLike, loss: Loss) -> Array:
    return shaped("tangent", floats("tangent", values, loss.logits), loss.logits.shape, "that of the logits")


@quiet
def cross_entropy_jvp(
    tangent: ArrayLike,
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Derivative of the loss in the direction v of the logits.

    Equation: dloss_i = Σ_j t_ij (Σ_k p_ik v_ik - v_ij), then the mean or the sum over rows, or the rows themselves.

    Args:
        tangent: v, the shape and dtype of `logits`.
        logits, target and the options: as given to `cross_entropy`.
    Returns: the shape and dtype of the loss.
    Raises: as `cross_entropy`, and ValueError or TypeError when `tangent` does not fit.
    Error: docs/theory/bounds.md, Theorem 17.

    >>> float(cross_entropy_jvp([[1.0, 0.0]], [[0.0, 0.0]], np.array([0])))
    -0.5
    """
    loss = checked(logits, target, weight, ignore_index, reduction, label_smoothing)
    v, rows = _tangent(tangent, loss), np.empty(loss.column, loss.work)  # (…, 1, …)
    for x, direction, y, out in row_blocks(loss.logits, v, loss.target, rows, axis=loss.axis):
        e, s = exponentials(x, np.empty_like(x))
        mean = inner(e, direction) / s  # Σ_k p_k v_k (…, 1)
        if loss.sparse:
            out[...] = loss.weighted(mean - at_labels(direction, y), y)
        else:
            out[...] = (loss.coefficients(y) * (mean - direction)).sum(-1, keepdims=True)
    return loss.reduced(rows, reduction)


@quiet
def cross_entropy_hvp(
    tangent: ArrayLike,
    grad_output: ArrayLike,
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Derivative of the gradient of the logits in the direction v of the logits: their Hessian times v.

    Equation: h_i = c_i T_i J_i v_i, with J_i = diag(p_i) - p_i p_iᵀ and c_i, T_i as in `cross_entropy_backward`: the
    target matters only through T_i = Σ_j t_ij.

    Args:
        tangent: v, the shape and dtype of `logits`.
        grad_output: g, the shape of the loss and the dtype of `logits`, or a Python number.
        logits, target and the options: as given to `cross_entropy`.
    Returns: h, the shape and dtype of `logits`. An ignored row has 0.
    Raises: as `cross_entropy`, and ValueError or TypeError when `tangent` or `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 18.

    >>> cross_entropy_hvp([[1.0, 0.0]], 1.0, [[0.0, 0.0]], np.array([0]))
    array([[ 0.25, -0.25]])
    """
    loss = checked(logits, target, weight, ignore_index, reduction, label_smoothing)
    c, hvp = loss.upstream(grad_output, reduction), np.empty_like(loss.logits)
    arrays = loss.logits, _tangent(tangent, loss), loss.target, c, hvp
    for x, direction, y, upstream, out in row_blocks(*arrays, axis=loss.axis):
        p, s = exponentials(x, out)
        p /= s
        t = None if loss.sparse else loss.coefficients(y).sum(-1, keepdims=True)  # T (…, 1)
        slope = loss.weighted(upstream, y) if t is None else upstream * t  # c_i T_i (…, 1)
        np.multiply(along(p, direction), slope, out=out, casting="same_kind")
    if loss.ignored is not None:
        np.copyto(hvp, 0, where=loss.ignored)
    return hvp
