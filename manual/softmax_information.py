"""Entropy of a softmax, and Kullback-Leibler divergence of two, taken from logits, with their gradients.

For a row a of C logits, with p = softmax(a), l = log p and d = a - max(a), s = Σ_k e^(d_k):

    H = -Σ_k p_k l_k = log s - Σ_k p_k d_k.

The second form needs one logarithm for a row, and all of its terms have one sign, so that nothing cancels. For a second
row b, with q = softmax(b):

    D(p‖q) = Σ_k p_k (log p_k - log q_k).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array, floats, quiet, row_blocks, shaped, with_axis
from .softmax import column_of, inner, shifted


def _parts(x: Array) -> tuple[Array, Array, Array]:
    """The probabilities p and logarithms l of rows x (…, C), and H (…, 1). A masked class has p = 0, and l = 0 here."""
    d = shifted(x)
    e = np.exp(d)
    s = e.sum(-1, keepdims=True)  # (…, 1)
    d = np.where(np.isneginf(x), 0, d)  # (…, C)
    p, log_s = e / s, np.log(s)
    return p, d - log_s, log_s - (p * d).sum(-1, keepdims=True)


@quiet
def softmax_entropy(logits: ArrayLike, dim: int = -1) -> Array:
    """Entropy of softmax(logits) along `dim`, in nats. The result lacks that axis.

    Equation: H = -Σ_k p_k log p_k, where a class with the logit -inf counts 0.

    Args:
        logits: as in `softmax`, with at least one element along `dim`.
        dim: the axis of the classes.
    Returns: H >= 0, the shape of `logits` without `dim`, its dtype; log C where all logits are the same. NaN for a row
        that has no softmax, and for one with +inf.
    Raises: as `softmax`, and ValueError where there are no classes.
    Error: docs/theory/bounds.md, Theorem 27.

    >>> float(softmax_entropy([0.0, 0.0]).round(4))
    0.6931
    >>> float(softmax_entropy([0.0, 0.0, -np.inf]).round(4))
    0.6931
    """
    logits, axis = with_axis("logits", logits, dim)
    entropy = np.empty(np.delete(logits.shape, axis), logits.dtype)
    for x, out in row_blocks(logits, column_of(entropy, logits, axis), axis=axis):
        out[...] = _parts(x)[2]
    return entropy


@quiet
def softmax_entropy_backward(grad_output: ArrayLike, logits: ArrayLike, dim: int = -1) -> Array:
    """Gradient of the logits, given that of H = softmax_entropy(logits).

    Equations: ∂H/∂p_k = -(l_k + 1), and through the Jacobian of softmax ∂H/∂a_j = -p_j (l_j + 1 - Σ_k p_k (l_k + 1)) =
    -p_j (l_j + H), so ∂L/∂a_j = -g p_j (l_j + H).

    Args:
        grad_output: g = ∂L/∂H, the shape of H, its dtype.
        logits, dim: as given to `softmax_entropy`.
    Returns: ∂L/∂a, the shape and dtype of `logits`; 0 for a masked class.
    Raises: as `softmax_entropy`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 27.

    >>> softmax_entropy_backward(1.0, [0.0, 1.0]).round(4)
    array([ 0.1966, -0.1966])
    """
    logits, axis = with_axis("logits", logits, dim)
    expected = logits.shape[:axis] + logits.shape[axis + 1 :]
    g = shaped("grad_output", floats("grad_output", grad_output, logits), expected, "that of the value")
    grad = np.empty_like(logits)
    for x, upstream, out in row_blocks(logits, column_of(g, logits, axis), grad, axis=axis):
        p, l, entropy = _parts(x)  # noqa: E741  # the letter of the literature: log-probability
        out[...] = -upstream * (p * (l + entropy))
    return grad


def _pair(p_logits: ArrayLike, q_logits: ArrayLike, dim: int) -> tuple[Array, Array, int]:
    """Both arrays of logits, of one shape and dtype, and their axis."""
    a, axis = with_axis("p_logits", p_logits, dim)
    b = floats("q_logits", q_logits, a, "p_logits")
    return a, shaped("q_logits", b, a.shape, "that of p_logits"), axis


def _logarithms(x: Array) -> Array:
    """log p of rows x (…, C)."""
    d = shifted(x)
    l: Array = d - np.log(np.exp(d).sum(-1, keepdims=True))  # noqa: E741  # the letter of the literature
    return l


@quiet
def softmax_kl_divergence(p_logits: ArrayLike, q_logits: ArrayLike, dim: int = -1) -> Array:
    """Kullback-Leibler divergence of softmax(p_logits) and softmax(q_logits) along `dim`, in nats.

    Equation: D(p‖q) = Σ_k p_k (log p_k - log q_k).

    Args:
        p_logits, q_logits: finite logits of one shape and dtype, as in `softmax_entropy`.
        dim: the axis of the classes, which disappears from the shape.
    Returns: D >= 0 (Gibbs, up to rounding), the shape of the logits without `dim`, their dtype; 0 for the same logits.
    Raises: as `softmax`, and ValueError or TypeError where there are no classes, or `q_logits` does not fit.
    Error: docs/theory/bounds.md, Theorem 27.

    >>> float(softmax_kl_divergence([0.0, 0.0], [1.0, 0.0]).round(4))
    0.1201
    """
    a, b, axis = _pair(p_logits, q_logits, dim)
    divergence = np.empty(np.delete(a.shape, axis), a.dtype)
    for x, y, out in row_blocks(a, b, column_of(divergence, a, axis), axis=axis):
        log_p = _logarithms(x)  # (…, C)
        out[...] = inner(np.exp(log_p), log_p - _logarithms(y))
    return divergence


@quiet
def softmax_kl_divergence_backward(
    grad_output: ArrayLike, p_logits: ArrayLike, q_logits: ArrayLike, dim: int = -1
) -> tuple[Array, Array]:
    """Gradients of both arrays of logits, given that of D = softmax_kl_divergence(p_logits, q_logits).

    Equations: ∂D/∂a_j = p_j (log p_j - log q_j - D) and ∂D/∂b_j = q_j - p_j, each times g.

    Args:
        grad_output: g = ∂L/∂D, the shape of D, its dtype.
        p_logits, q_logits, dim: as given to `softmax_kl_divergence`.
    Returns: (∂L/∂a, ∂L/∂b), each of the shape and dtype of the logits; both 0 where these are the same.
    Raises: as `softmax_kl_divergence`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 27.

    >>> softmax_kl_divergence_backward(1.0, [0.0, 0.0], [1.0, 0.0])[1].round(4)
    array([ 0.2311, -0.2311])
    """
    a, b, axis = _pair(p_logits, q_logits, dim)
    expected = a.shape[:axis] + a.shape[axis + 1 :]
    g = shaped("grad_output", floats("grad_output", grad_output, a, "p_logits"), expected, "that of the value")
    of_a, of_b = np.empty_like(a), np.empty_like(a)
    for x, y, upstream, out, other in row_blocks(a, b, column_of(g, a, axis), of_a, of_b, axis=axis):
        log_p, log_q = _logarithms(x), _logarithms(y)
        p, apart = np.exp(log_p), log_p - log_q  # (…, C)
        out[...] = upstream * (p * (apart - inner(p, apart)))
        other[...] = upstream * (np.exp(log_q) - p)
    return of_a, of_b
