"""The logarithm of softmax, with its gradient and its derivatives in a direction.

For a row a of C logits, with m = max(a) (Blanchard, Higham & Higham, IMA J. Numer. Anal. 41(4), 2021, section 4):

    l_i = log p_i = (a_i - m) - log Σ_k e^(a_k - m).

A row without a softmax is NaN, as in torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    Array,
    quiet,
    row_blocks,
    with_axis,
)
from .softmax import along, exponentials, inner, shifted, tangent_of, upstream_of


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
    g = upstream_of(grad_output, logits)
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
    v, dl = tangent_of(tangent, logits), np.empty_like(logits)
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
    v, g, hvp = tangent_of(tangent, logits), upstream_of(grad_output, logits), np.empty_like(logits)
    for x, direction, upstream, out in row_blocks(logits, v, g, hvp, axis=axis):
        p, s = exponentials(x, out)
        p /= s
        total = upstream.sum(-1, keepdims=True, dtype=p.dtype)  # (…, 1)
        np.multiply(along(p, direction), 0 - total, out=out, casting="same_kind")
    return hvp
