"""Softmax, with its gradient and its derivatives in a direction.

Equation (1) of the article, for a row a of C logits, with m = max(a):

    p_i = e^(a_i) / Σ_k e^(a_k) = e^(a_i - m) / Σ_k e^(a_k - m).

Subtracting m changes nothing in mathematics and keeps every exponent at or below 0, so that nothing overflows
(Blanchard, Higham & Higham, IMA J. Numer. Anal. 41(4), 2021, section 4). A row with +inf or NaN, or of -inf alone, has
no softmax: NaN, as in torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    Array,
    check_square,
    floats,
    quiet,
    row_blocks,
    shaped,
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


def tangent_of(values: ArrayLike, logits: Array) -> Array:
    """v, a direction of the logits."""
    return shaped("tangent", floats("tangent", values, logits), logits.shape, "that of the logits")


def upstream_of(values: ArrayLike, logits: Array) -> Array:
    """g, the upstream gradient of each class."""
    return shaped("grad_output", floats("grad_output", values, logits), logits.shape, "that of the logits")


def column_of(values: Array, x: Array, axis: int) -> Array:
    """One number for each row of x, with a class axis of length 1: a view."""
    return values.reshape(*x.shape[:axis], 1, *x.shape[axis + 1 :])


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
    g = upstream_of(grad_output, logits)
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
    v, dp = tangent_of(tangent, logits), np.empty_like(logits)
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
    v, g, hvp = tangent_of(tangent, logits), upstream_of(grad_output, logits), np.empty_like(logits)
    for x, direction, upstream, out in row_blocks(logits, v, g, hvp, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        dp = along(p, direction)
        np.subtract(dp * (upstream - inner(p, upstream)), p * inner(dp, upstream), out=out, casting="same_kind")
    return hvp


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
