"""The normaliser of softmax, with its gradient and its derivatives in a direction.

For a row a of C logits, with m = max(a):

    log Σ_k e^(a_k) = m + log Σ_k e^(a_k - m).

Subtracting m changes nothing in mathematics, and nothing overflows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    Array,
    floats,
    merged,
    quiet,
    row_blocks,
    shaped,
    shown,
    unmerged,
    with_axes,
    working,
)
from .softmax import along, column_of, exponentials, inner, tangent_of

Axes = tuple[int, ...]


def _reduced_shape(logits: Array, axes: Axes, keepdim: bool) -> tuple[int, ...]:
    """The shape of the logits without `axes`, or with 1 in their place."""
    if not isinstance(keepdim, bool):
        raise TypeError(f"keepdim is {shown(keepdim)}; expected True or False")
    sizes = enumerate(logits.shape)
    return tuple(1 if axis in axes else size for axis, size in sizes if keepdim or axis not in axes)


def _upstream_of_rows(values: ArrayLike, logits: Array, axes: Axes, keepdim: bool) -> Array:
    """g, one number for each row, in the shape of the value."""
    expected = _reduced_shape(logits, axes, keepdim)
    return shaped("grad_output", floats("grad_output", values, logits), expected, "that of the value")


@quiet
def logsumexp(logits: ArrayLike, dim: int | Sequence[int] = -1, keepdim: bool = False) -> Array:
    """Logarithm of the sum of e^logits along `dim`. The result lacks that axis, or keeps it with the length 1.

    Equation: y = m + log Σ_k e^(a_k - m). A row of -inf alone, or of no elements, gives -inf, one with +inf gives +inf.

    Args:
        logits: as in `softmax`.
        dim: the axis, or several axes, over which the sum goes.
        keepdim: whether they stay, with a length of 1.
    Returns: y, the shape of `logits` without `dim`, its dtype.
    Raises: as `softmax`, and ValueError for an axis that is named twice.
    Error: docs/theory/bounds.md, Theorem 3.

    >>> float(logsumexp([0.0, 0.0]).round(4))
    0.6931
    >>> logsumexp([[0.0, 0.0], [0.0, 0.0]], dim=(0, 1), keepdim=True).round(4)
    array([[1.3863]])
    """
    logits, axes = with_axes("logits", logits, dim)
    y = np.full(_reduced_shape(logits, axes, keepdim), -np.inf, logits.dtype)
    x_all, axis = merged(logits, axes)
    for x, out in row_blocks(x_all, column_of(y, x_all, axis), axis=axis):
        top = x.max(-1, keepdims=True)
        top = np.where(np.isinf(top), 0, top)
        s = np.exp(np.subtract(x, top, dtype=working(x.dtype))).sum(-1, keepdims=True)
        np.add(top, np.log(s), out=out, casting="same_kind")
    return y


@quiet
def logsumexp_backward(
    grad_output: ArrayLike, logits: ArrayLike, dim: int | Sequence[int] = -1, keepdim: bool = False
) -> Array:
    """Gradient of the logits, given that of y = logsumexp(logits).

    Equation: ∂y/∂a_j = p_j, so ∂L/∂a_j = g p_j.

    Args:
        grad_output: g = ∂L/∂y, the shape of y, its dtype.
        logits, dim, keepdim: as given to `logsumexp`.
    Returns, Raises: as `softmax_backward`.
    Error: docs/theory/bounds.md, Theorem 6.

    >>> logsumexp_backward(2.0, [0.0, 0.0])
    array([1., 1.])
    """
    logits, axes = with_axes("logits", logits, dim)
    g = _upstream_of_rows(grad_output, logits, axes, keepdim)
    x_all, axis = merged(logits, axes)
    grad = np.empty_like(x_all)
    for x, upstream, out in row_blocks(x_all, column_of(g, x_all, axis), grad, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        np.multiply(p, upstream, out=out, casting="same_kind")
    return unmerged(grad, axes, logits.shape)


@quiet
def logsumexp_jvp(tangent: ArrayLike, logits: ArrayLike, dim: int | Sequence[int] = -1, keepdim: bool = False) -> Array:
    """Derivative of y = logsumexp(logits) in the direction v.

    Equation: dy = Σ_k ∂y/∂a_k v_k = Σ_k p_k v_k.

    Args, Raises: as `softmax_jvp` and `logsumexp`.
    Returns: dy, the shape of y, its dtype.
    Error: docs/theory/bounds.md, Theorem 17.

    >>> float(logsumexp_jvp([1.0, 0.0], [0.0, 0.0]))
    0.5
    """
    logits, axes = with_axes("logits", logits, dim)
    dy = np.full(_reduced_shape(logits, axes, keepdim), np.nan, logits.dtype)  # 0/0 where there is nothing
    x_all, axis = merged(logits, axes)
    v, _ = merged(tangent_of(tangent, logits), axes)
    for x, direction, out in row_blocks(x_all, v, column_of(dy, x_all, axis), axis=axis):
        e, s = exponentials(x, np.empty_like(x))
        np.divide(inner(e, direction), s, out=out, casting="same_kind")
    return dy


@quiet
def logsumexp_hvp(
    tangent: ArrayLike,
    grad_output: ArrayLike,
    logits: ArrayLike,
    dim: int | Sequence[int] = -1,
    keepdim: bool = False,
) -> Array:
    """Derivative of the gradient g p in the direction v: the Hessian of g y times v.

    Equation: h = g J v, with J = diag(p) - p pᵀ.

    Args:
        tangent: v, the shape and dtype of `logits`.
        grad_output: g, the shape of y, its dtype.
        logits, dim, keepdim: as given to `logsumexp`.
    Returns, Raises: as `softmax_hvp`.
    Error: docs/theory/bounds.md, Theorem 18.

    >>> logsumexp_hvp([1.0, 0.0], 2.0, [0.0, 0.0])
    array([ 0.5, -0.5])
    """
    logits, axes = with_axes("logits", logits, dim)
    v, g = tangent_of(tangent, logits), _upstream_of_rows(grad_output, logits, axes, keepdim)
    x_all, axis = merged(logits, axes)
    v, hvp = merged(v, axes)[0], np.empty_like(x_all)
    for x, direction, upstream, out in row_blocks(x_all, v, column_of(g, x_all, axis), hvp, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        np.multiply(along(p, direction), upstream, out=out, casting="same_kind")
    return unmerged(hvp, axes, logits.shape)
