"""Entropy, cross-entropy and Kullback-Leibler divergence of discrete distributions (the article's section 2.1).

With 0 log 0 = 0, and p log 0 = -inf for p > 0 (Cover & Thomas, Elements of Information Theory, section 2.1 and 2.3).
All logarithms are natural, so that results are in nats. The arrays are taken as they are: nothing here normalises them,
and the gradients are those of independent p_i and q_i, not constrained to sum to 1. They are derivatives where p and q
are positive; beside a zero they are what IEEE 754 makes of the same equations, with log 0 = -inf and NaN for 0·inf, 0/0
and inf - inf.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Array, floats, quiet, shaped, with_axis, working


def _probabilities(name: str, values: ArrayLike, dim: int) -> tuple[Array, int]:
    array, axis = with_axis(name, values, dim)
    bad = ~(array >= 0)  # NaN is bad too
    if bad.any():
        raise ValueError(f"{name} holds {array[bad][0]}; expected probabilities, which are not negative")
    return array, axis


def _pair(p: ArrayLike, q: ArrayLike, dim: int) -> tuple[Array, Array, int]:
    first, axis = _probabilities("p", p, dim)
    second, _ = _probabilities("q", floats("q", q, first, "p"), dim)
    return first, shaped("q", second, first.shape, "that of p"), axis


def _log(p: Array) -> Any:
    """log p in the working precision."""
    return np.log(p, dtype=working(p.dtype))


def _p_log_q(p: Array, q: Array) -> Any:
    """p log q element by element in the working precision, 0 where p is 0."""
    return p * np.where(p == 0, 0, _log(q))


def _upstream(grad_output: ArrayLike, p: Array, axis: int) -> Array:
    """g in the working precision, with an axis of length 1 where the outcomes of `p` are: (…, 1, …)."""
    expected = p.shape[:axis] + p.shape[axis + 1 :]
    g = shaped("grad_output", floats("grad_output", grad_output, p, "p"), expected, f"that of p without dim {axis}")
    return np.expand_dims(g, axis).astype(working(p.dtype), copy=False)


@quiet
def entropy(p: ArrayLike, dim: int = -1) -> Array:
    """Entropy H(p) of the distributions along `dim`, in nats.

    Equation (article, 2.1): H(p) = -Σ_i p_i log p_i, with 0 log 0 = 0.

    Args:
        p: probabilities, any shape; float64, float32 or float16.
        dim: the axis of the outcomes, which disappears from the shape.
    Returns: H >= 0 (up to rounding of p), of the dtype of `p`; log C for the uniform distribution, 0 when certain.
    Raises: ValueError for a negative or NaN element; as `manual.softmax` for dtype and dim.
    Error: docs/theory/bounds.md, Theorem 7.

    >>> float(entropy([0.5, 0.5]).round(4))
    0.6931
    """
    p, axis = _probabilities("p", p, dim)
    return np.asarray(0 - _p_log_q(p, p).sum(axis), p.dtype)


@quiet
def entropy_backward(grad_output: ArrayLike, p: ArrayLike, dim: int = -1) -> Array:
    """Gradient of p, given that of the entropy H(p).

    Equation: ∂H/∂p_i = -(log p_i + 1), so ∂L/∂p_i = -g (log p_i + 1); g·inf, the one-sided limit, where p_i = 0.

    Args:
        grad_output: g = ∂L/∂H, the shape of `p` without `dim`, its dtype.
        p, dim: as given to `entropy`.
    Returns: ∂L/∂p, the shape and dtype of `p`.
    Raises: as `entropy`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 7.

    >>> entropy_backward(1.0, [0.5, 0.5]).round(4)
    array([-0.3069, -0.3069])
    """
    p, axis = _probabilities("p", p, dim)
    g = _upstream(grad_output, p, axis)
    return np.asarray(-g * (_log(p) + 1), p.dtype)


@quiet
def distribution_cross_entropy(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Array:
    """Cross-entropy H(p, q) of two distributions along `dim`, in nats.

    Equation (article, 2): H(p, q) = -Σ_i p_i log q_i; +inf where some q_i = 0 with p_i > 0.

    Args:
        p, q: probabilities of one shape and dtype; float64, float32 or float16.
        dim: the axis of the outcomes, which disappears from the shape.
    Returns: H(p, q) >= H(p) (Gibbs), of the dtype of `p`.
    Raises: as `entropy`, and ValueError or TypeError when `q` does not fit `p`.
    Error: docs/theory/bounds.md, Theorem 7.

    >>> float(distribution_cross_entropy([0.0, 1.0], [0.5, 0.5]).round(4))
    0.6931
    """
    p, q, axis = _pair(p, q, dim)
    return np.asarray(0 - _p_log_q(p, q).sum(axis), p.dtype)


@quiet
def distribution_cross_entropy_backward(
    grad_output: ArrayLike, p: ArrayLike, q: ArrayLike, dim: int = -1
) -> tuple[Array, Array]:
    """Gradients of p and q, given that of their cross-entropy H(p, q).

    Equations: ∂H/∂p_i = -log q_i and ∂H/∂q_i = -p_i / q_i, each times g.

    Args:
        grad_output: g = ∂L/∂H, the shape of `p` without `dim`, its dtype.
        p, q, dim: as given to `distribution_cross_entropy`.
    Returns: (∂L/∂p, ∂L/∂q), each of the shape and dtype of `p`.
    Raises: as `distribution_cross_entropy`, and ValueError or TypeError when `grad_output` does not fit.
    Error: docs/theory/bounds.md, Theorem 7.

    >>> distribution_cross_entropy_backward(1.0, [0.0, 1.0], [0.5, 0.5])[1]
    array([-0., -2.])
    """
    p, q, axis = _pair(p, q, dim)
    g = _upstream(grad_output, p, axis)
    return np.asarray(-g * _log(q), p.dtype), np.asarray(-g * p / q, p.dtype)


@quiet
def kl_divergence(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Array:
    """Kullback-Leibler divergence D(p‖q) along `dim`, in nats.

    Equation (article, 2.1): D(p‖q) = Σ_i p_i log(p_i / q_i) = H(p, q) - H(p); +inf where some q_i = 0 with p_i > 0.

    Args, Raises: as `distribution_cross_entropy`.
    Returns: D >= 0 (Gibbs, up to rounding), of the dtype of `p`; 0 where p = q.
    Error: docs/theory/bounds.md, Theorem 7.

    >>> float(kl_divergence([0.5, 0.5], [0.5, 0.5]))
    0.0
    """
    p, q, axis = _pair(p, q, dim)
    return np.asarray((_p_log_q(p, p) - _p_log_q(p, q)).sum(axis), p.dtype)


@quiet
def kl_divergence_backward(grad_output: ArrayLike, p: ArrayLike, q: ArrayLike, dim: int = -1) -> tuple[Array, Array]:
    """Gradients of p and q, given that of their divergence D(p‖q).

    Equations: ∂D/∂p_i = log p_i - log q_i + 1 and ∂D/∂q_i = -p_i / q_i, each times g.

    Args, Raises: as `distribution_cross_entropy_backward`, with g = ∂L/∂D.
    Returns: (∂L/∂p, ∂L/∂q), each of the shape and dtype of `p`; (g, -g) up to rounding where p_i = q_i > 0.
    Error: docs/theory/bounds.md, Theorem 7.

    >>> kl_divergence_backward(1.0, [0.5, 0.5], [0.5, 0.5])
    (array([1., 1.]), array([-1., -1.]))
    """
    p, q, axis = _pair(p, q, dim)
    g = _upstream(grad_output, p, axis)
    return np.asarray(g * (_log(p) - _log(q) + 1), p.dtype), np.asarray(-g * p / q, p.dtype)
