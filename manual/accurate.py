"""The cross-entropy of labels with a relative error that stays small where the loss does.

For a row x of C logits whose maximum m is first attained at a, with d_j = x_j - m, a label y and its weight w_y:

    s' = Σ_{j≠a} e^(d_j),    loss = w_y ((m - x_y) + log(1 + s')).

The largest term, e^0 = 1, is left out of the sum and added by log1p (Blanchard, Higham & Higham, IMA J. Numer. Anal.
41(4), 2021). Both parts of the loss are then nonnegative, and nothing cancels; docs/theory/accuracy.md derives it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import LABELS, Array, plain, quiet, row_blocks
from .loss import at_labels, checked
from .softmax import shifted


def _labels(target: ArrayLike) -> Array:
    """The labels, of a dtype for labels."""
    y = plain("target", target)
    if y.dtype.type not in LABELS:
        raise TypeError(f"target has dtype {y.dtype}; expected int64 or uint8 labels")
    return y


@quiet
def accurate_cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """Cross-entropy loss of softmax(logits) against labels. Its relative error is small, however small the loss.

    Equation, with s' = Σ_{j≠a} e^(x_j - m) over all classes but the first of the largest logit m: loss_i =
    w_y ((m - x_y) + log1p(s')), then the mean or the sum over rows, or the rows themselves.

    Args:
        logits: x (C,), (N, C) or (N, C, d1, …); float64, float32 or float16.
        target: int64 or uint8 labels y of that shape without C.
        weight, ignore_index, reduction: as in `manual.cross_entropy`.
    Returns: a 0-d array, or for "none" the shape of the labels; the dtype of `logits`; in nats. The mean over no row
        is NaN, as in torch.
    Raises: as `manual.cross_entropy`, and TypeError for a target of probabilities.
    Error: docs/theory/bounds.md, Theorem 16; docs/theory/accuracy.md.

    >>> print(f"{accurate_cross_entropy([0.0, -69.0], np.array(0)):.6e}")
    1.080639e-30
    """
    loss = checked(logits, _labels(target), weight, ignore_index, reduction, 0.0)
    rows = np.empty(loss.column, loss.work)  # (…, 1, …)
    for x, y, out in row_blocks(loss.logits, loss.target, rows, axis=loss.axis):
        d, top = shifted(x), x.argmax(-1, keepdims=True)  # (…, C), (…, 1)
        e = np.exp(d)
        np.put_along_axis(e, top, at_labels(e, top) - 1, -1)  # 1 - 1 = 0; NaN where the row has no softmax
        out[...] = loss.weighted(np.log1p(e.sum(-1, keepdims=True)) - at_labels(d, y), y)
    return loss.reduced(rows, reduction)


@quiet
def accurate_cross_entropy_backward(
    grad_output: ArrayLike,
    logits: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """Gradient of the logits, every element to a small relative error.

    Equations, with c_i = ∂L/∂loss_i, e_j = e^(x_j - m) and s = Σ_{j≠y} e_j + e_y:

        ∂L/∂x_ij = c_i w_y e_j / s for j ≠ y,        ∂L/∂x_iy = -c_i w_y (Σ_{j≠y} e_j) / s.

    The last is c_i w_y (p_y - 1), which is never formed: it has few correct digits where p_y is near 1. The sum stands
    in the denominator too, so that its rounding cancels where p_y is small. Both quotients come before the product with
    c_i. They are at most 1, so that nothing enlarges what the product loses to underflow.

    Args:
        grad_output: g, the shape of the loss and the dtype of `logits`, or a Python number.
        logits, target and the options: as given to `accurate_cross_entropy`.
    Returns: ∂L/∂x, the shape and dtype of `logits`. An ignored row has a gradient of 0.
    Raises: as `accurate_cross_entropy`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 16; docs/theory/accuracy.md.

    >>> accurate_cross_entropy_backward(1.0, [0.0, -69.0], np.array(0))
    array([-1.08063928e-30,  1.08063928e-30])
    """
    loss = checked(logits, _labels(target), weight, ignore_index, reduction, 0.0)
    c = loss.upstream(grad_output, reduction)
    grad = np.empty_like(loss.logits)
    assert loss.ignored is not None
    for x, y, upstream, out, skip in row_blocks(loss.logits, loss.target, c, grad, loss.ignored, axis=loss.axis):
        e = np.exp(shifted(x))  # (…, C)
        of_label = at_labels(e, y)  # (…, 1)
        np.put_along_axis(e, y, 0, -1)
        others = e.sum(-1, keepdims=True)  # Σ_{j≠y} e_j (…, 1)
        s, scale = others + of_label, loss.weighted(upstream, y)  # (…, 1), c_i w_y (…, 1)
        np.multiply(np.divide(e, s, out=e), scale, out=out, casting="same_kind")
        np.put_along_axis(out, y, 0 - others / s * scale, -1)
        np.copyto(out, 0, where=skip)
    return grad
