"""Softmax, its logarithm and its normaliser, each with its gradient and its derivatives in a direction.

Equation (1) of the article, for a row a of C logits, with m = max(a):

    p_i = e^(a_i) / Σ_k e^(a_k) = e^(a_i - m) / Σ_k e^(a_k - m).

Subtracting m changes nothing in mathematics and keeps every exponent at or below 0, so that nothing overflows
(Blanchard, Higham & Higham, IMA J. Numer. Anal. 41(4), 2021, section 4). A row with +inf or NaN, or of -inf alone, has
no softmax: NaN, as in torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    Array,
    check_square,
    floats,
    merged,
    quiet,
    row_blocks,
    shaped,
    shown,
    unmerged,
    with_axes,
    with_axis,
    working,
)


def shifted(x: Array) -> Array:
    """d = x - max(x) of rows x (…, C), in the working precision."""
    if x.dtype == np.float16:
        x = x.astype(working(x.dtype))
    d: Array = x - x.max(-1, keepdims=True)  # (…, C)
    return d


def exponentials(x: Array, out: Array) -> tuple[Array, Array]:
    """e = exp(x - max(x)) and s = Σ e of rows x (…, C). e is written to `out`, unless that is in half precision."""
    if x.dtype == np.float16:
        x = out = x.astype(working(x.dtype))
    np.subtract(x, x.max(-1, keepdims=True), out=out)  # (…, C)
    e = np.exp(out, out=out)
    return e, e.sum(-1, keepdims=True)  # (…, 1)


def inner(p: Array, v: Array) -> Array:
    """Σ_k p_k v_k of rows p and v (…, C): (…, 1)."""
    found: Array = np.einsum("...i, ...i -> ...", v, p)[..., None]
    return found


def along(p: Array, v: Array) -> Array:
    """J v of rows p and v (…, C), for the matrix J = diag(p) - p pᵀ of each row, which is never formed."""
    found: Array = p * (v - inner(p, v))
    return found


def _tangent(values: ArrayLike, logits: Array) -> Array:
    return shaped("tangent", floats("tangent", values, logits), logits.shape, "that of the logits")


def _upstream(values: ArrayLike, logits: Array) -> Array:
    return shaped("grad_output", floats("grad_output", values, logits), logits.shape, "that of the logits")


Axes = tuple[int, ...]


def _reduced_shape(logits: Array, axes: Axes, keepdim: bool) -> tuple[int, ...]:
    """The shape of the logits without `axes`, or with 1 in their place."""
    if not isinstance(keepdim, bool):
        raise TypeError(f"keepdim is {shown(keepdim)}; expected True or False")
    sizes = enumerate(logits.shape)
    return tuple(1 if axis in axes else size for axis, size in sizes if keepdim or axis not in axes)


def _column(values: Array, x: Array, axis: int) -> Array:
    """One number for each row of x, with a class axis of length 1: a view."""
    return values.reshape(*x.shape[:axis], 1, *x.shape[axis + 1 :])


def _upstream_of_rows(values: ArrayLike, logits: Array, axes: Axes, keepdim: bool) -> Array:
    """g, one number for each row, in the shape of the value."""
    expected = _reduced_shape(logits, axes, keepdim)
    return shaped("grad_output", floats("grad_output", values, logits), expected, "that of the value")


@quiet
def softmax(logits: ArrayLike, dim: int = -1) -> Array:
    """Probabilities proportional to e^logits along `dim`.

    Equation (article, 1): p_i = e^(a_i) / Σ_k e^(a_k).

    Args:
        logits: a, any shape; float64, float32 or float16. A number alone is a row of one. Where `dim` is empty, so is
            the result.
        dim: the axis that sums to 1.
    Returns: p, the shape and dtype of `logits`.
    Raises: TypeError for another dtype, IndexError for a `dim` that the logits do not have.
    Error: docs/theory/bounds.md, Theorem 2.

    >>> softmax([1.0, 2.0, 3.0]).round(2)
    array([0.09, 0.24, 0.67])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    p = np.empty_like(logits)
    for x, out in row_blocks(logits, p, axis=axis):
        e, s = exponentials(x, out)
        np.divide(e, s, out=out, casting="same_kind")
    return p


@quiet
def softmax_backward(grad_output: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Gradient of the logits, given that of p = softmax(logits): Jᵀ g with J = diag(p) - p pᵀ.

    Equation: ∂L/∂a_j = Σ_i g_i ∂p_i/∂a_j = p_j (g_j - Σ_i g_i p_i).

    Args:
        grad_output: g = ∂L/∂p, the shape and dtype of `logits`.
        logits, dim: as given to `softmax`.
    Returns: ∂L/∂a, the shape and dtype of `logits`.
    Raises: as `softmax`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 6.

    >>> softmax_backward([1.0, 0.0], [0.0, 0.0])
    array([ 0.25, -0.25])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    g = _upstream(grad_output, logits)
    grad = np.empty_like(logits)
    for x, upstream, out in row_blocks(logits, g, grad, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        np.multiply(p, upstream - inner(p, upstream), out=out, casting="same_kind")
    return grad


@quiet
def softmax_jvp(tangent: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Derivative of p = softmax(logits) in the direction v: J v with J = diag(p) - p pᵀ.

    Equation: dp_i = Σ_k ∂p_i/∂a_k v_k = p_i (v_i - Σ_k p_k v_k). J is symmetric: the same formula carries g back.

    Args:
        tangent: v, the shape and dtype of `logits`.
        logits, dim: as given to `softmax`.
    Returns: dp, the shape and dtype of `logits`.
    Raises: as `softmax`, and ValueError or TypeError when `tangent` does not fit.
    Error: docs/theory/bounds.md, Theorem 17.

    >>> softmax_jvp([1.0, 0.0], [0.0, 0.0])
    array([ 0.25, -0.25])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    v, dp = _tangent(tangent, logits), np.empty_like(logits)
    for x, direction, out in row_blocks(logits, v, dp, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        np.multiply(p, direction - inner(p, direction), out=out, casting="same_kind")
    return dp


@quiet
def softmax_hvp(tangent: ArrayLike, grad_output: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Derivative of the gradient p (g - Σ_k p_k g_k) in the direction v: the Hessian of Σ_k g_k p_k times v.

    Equation, by the product rule with dp = J v: h_i = dp_i (g_i - Σ_k p_k g_k) - p_i Σ_k g_k dp_k.

    Args:
        tangent: v, grad_output: g; both of the shape and dtype of `logits`.
        logits, dim: as given to `softmax`.
    Returns: h, the shape and dtype of `logits`.
    Raises: as `softmax`, and ValueError or TypeError when `tangent` or `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 18.

    >>> softmax_hvp([1.0, 0.0], [1.0, 0.0], [0.0, np.log(3.0)]).round(5)
    array([ 0.09375, -0.09375])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    v, g, found = _tangent(tangent, logits), _upstream(grad_output, logits), np.empty_like(logits)
    for x, direction, upstream, out in row_blocks(logits, v, g, found, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        dp = along(p, direction)
        np.subtract(dp * (upstream - inner(p, upstream)), p * inner(dp, upstream), out=out, casting="same_kind")
    return found


@quiet
def softmax_jacobian(logits: ArrayLike) -> Array:
    """All partial derivatives ∂p_i/∂a_j of the softmax along the last axis.

    Equation: ∂p_i/∂a_j = p_i (δ_ij - p_j), that is, J = diag(p) - p pᵀ.

    Args:
        logits: a (…, C); float64, float32 or float16.
    Returns: J (…, C, C), symmetric, of the dtype of `logits`; every row and column sums to 0.
    Raises: as `softmax`.

    >>> softmax_jacobian([0.0, 0.0])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    logits, _ = with_axis("logits", logits, -1)
    check_square("logits", logits)
    p, s = exponentials(logits, np.empty_like(logits))
    p /= s  # (…, C)
    identity = np.eye(p.shape[-1], dtype=p.dtype)
    return np.asarray(p[..., :, None] * (identity - p[..., None, :]), logits.dtype)  # (…, C, C)


@quiet
def log_softmax(logits: ArrayLike, dim: int = -1) -> Array:
    """Logarithms of the softmax probabilities, without forming the probabilities.

    Equation: l_i = log p_i = (a_i - m) - log Σ_k e^(a_k - m). The order matters: a - (m + log Σ) would lose the
    logarithm beside a large m.

    Args:
        logits, dim: as in `softmax`.
    Returns: l <= 0, the shape and dtype of `logits`.
    Raises: as `softmax`.
    Error: docs/theory/bounds.md, Theorem 4.

    >>> log_softmax([0.0, 0.0]).round(4)
    array([-0.6931, -0.6931])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    log_p = np.empty_like(logits)
    for x, out in row_blocks(logits, log_p, axis=axis):
        d = shifted(x)
        s = np.exp(d).sum(-1, keepdims=True)
        np.subtract(d, np.log(s), out=out, casting="same_kind")
    return log_p


@quiet
def log_softmax_backward(grad_output: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Gradient of the logits, given that of l = log_softmax(logits).

    Equation: ∂l_i/∂a_j = δ_ij - p_j, so ∂L/∂a_j = g_j - p_j Σ_i g_i.

    Args, Returns, Raises: as `softmax_backward`, with g = ∂L/∂l.
    Error: docs/theory/bounds.md, Theorem 6.

    >>> log_softmax_backward([1.0, 0.0], [0.0, 0.0])
    array([ 0.5, -0.5])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    g = _upstream(grad_output, logits)
    grad = np.empty_like(logits)
    for x, upstream, out in row_blocks(logits, g, grad, axis=axis):
        e, s = exponentials(x, out)
        e *= upstream.sum(-1, keepdims=True, dtype=e.dtype) / s  # p_j Σ_i g_i with one multiplication for each j
        np.subtract(upstream, e, out=out, casting="same_kind")
    return grad


@quiet
def log_softmax_jvp(tangent: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Derivative of l = log_softmax(logits) in the direction v.

    Equation: dl_i = Σ_k (δ_ik - p_k) v_k = v_i - Σ_k p_k v_k.

    Args, Returns, Raises: as `softmax_jvp`.
    Error: docs/theory/bounds.md, Theorem 17.

    >>> log_softmax_jvp([1.0, 0.0], [0.0, 0.0])
    array([ 0.5, -0.5])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    v, dl = _tangent(tangent, logits), np.empty_like(logits)
    for x, direction, out in row_blocks(logits, v, dl, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        np.subtract(direction, inner(p, direction), out=out, casting="same_kind")
    return dl


@quiet
def log_softmax_hvp(tangent: ArrayLike, grad_output: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Derivative of the gradient g - p Σ_k g_k in the direction v: the Hessian of Σ_k g_k l_k times v.

    Equation: h = -(Σ_k g_k) J v, with J = diag(p) - p pᵀ.

    Args, Returns, Raises: as `softmax_hvp`.
    Error: docs/theory/bounds.md, Theorem 18.

    >>> log_softmax_hvp([1.0, 0.0], [1.0, 1.0], [0.0, 0.0])
    array([-0.5,  0.5])
    """
    logits, axis = with_axis("logits", logits, dim, any_shape=True)
    v, g, found = _tangent(tangent, logits), _upstream(grad_output, logits), np.empty_like(logits)
    for x, direction, upstream, out in row_blocks(logits, v, g, found, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        total = upstream.sum(-1, keepdims=True, dtype=p.dtype)  # (…, 1)
        np.multiply(along(p, direction), 0 - total, out=out, casting="same_kind")
    return found


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
    for x, out in row_blocks(x_all, _column(y, x_all, axis), axis=axis):
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
    for x, upstream, out in row_blocks(x_all, _column(g, x_all, axis), grad, axis=axis):
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
    v, _ = merged(_tangent(tangent, logits), axes)
    for x, direction, out in row_blocks(x_all, v, _column(dy, x_all, axis), axis=axis):
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
    v, g = _tangent(tangent, logits), _upstream_of_rows(grad_output, logits, axes, keepdim)
    x_all, axis = merged(logits, axes)
    v, found = merged(v, axes)[0], np.empty_like(x_all)
    for x, direction, upstream, out in row_blocks(x_all, v, _column(g, x_all, axis), found, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        np.multiply(along(p, direction), upstream, out=out, casting="same_kind")
    return unmerged(found, axes, logits.shape)
