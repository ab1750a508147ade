"""Entropy, cross-entropy and Kullback-Leibler divergence of discrete distributions (the article's section 2.1).

With 0 log 0 = 0, and p log 0 = -inf for p > 0 (Cover & Thomas, Elements of Information Theory, section 2.1 and 2.3).
All logarithms are natural, so that results are in nats. The arrays are taken as they are: nothing here normalises them.
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


def _p_log_q(p: Array, q: Array) -> Any:
    """p log q element by element in the working precision, 0 where p is 0."""
    return p * np.where(p == 0, 0, np.log(q, dtype=working(q.dtype)))


@quiet
def entropy(p: ArrayLike, dim: int = -1) -> Array:
    """Entropy H(p) of the distributions along `dim`, in nats.

    Equation (article, 2.1): H(p) = -Σ_i p_i log p_i, with 0 log 0 = 0.

    Args:
        p: probabilities, any shape; float64, float32 or float16.
        dim: the axis of the outcomes, which disappears from the shape.
    Returns: H >= 0 (up to rounding of p), of the dtype of `p`; log C for the uniform distribution, 0 when certain.
    Raises: ValueError for a negative or NaN element; as `manual.softmax` for dtype and dim.
    Error: docs/bounds.md, Theorem 7.

    >>> float(entropy([0.5, 0.5]).round(4))
    0.6931
    """
    p, axis = _probabilities("p", p, dim)
    return np.asarray(0 - _p_log_q(p, p).sum(axis), p.dtype)


@quiet
def distribution_cross_entropy(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Array:
    """Cross-entropy H(p, q) of two distributions along `dim`, in nats.

    Equation (article, 2): H(p, q) = -Σ_i p_i log q_i; +inf where some q_i = 0 with p_i > 0.

    Args:
        p, q: probabilities of one shape and dtype; float64, float32 or float16.
        dim: the axis of the outcomes, which disappears from the shape.
    Returns: H(p, q) >= H(p) (Gibbs), of the dtype of `p`.
    Raises: as `entropy`, and ValueError or TypeError when `q` does not fit `p`.
    Error: docs/bounds.md, Theorem 7.

    >>> float(distribution_cross_entropy([0.0, 1.0], [0.5, 0.5]).round(4))
    0.6931
    """
    p, q, axis = _pair(p, q, dim)
    return np.asarray(0 - _p_log_q(p, q).sum(axis), p.dtype)


@quiet
def kl_divergence(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Array:
    """Kullback-Leibler divergence D(p‖q) along `dim`, in nats.

    Equation (article, 2.1): D(p‖q) = Σ_i p_i log(p_i / q_i) = H(p, q) - H(p); +inf where some q_i = 0 with p_i > 0.

    Args, Raises: as `distribution_cross_entropy`.
    Returns: D >= 0 (Gibbs, up to rounding), of the dtype of `p`; 0 where p = q.
    Error: docs/bounds.md, Theorem 7.

    >>> float(kl_divergence([0.5, 0.5], [0.5, 0.5]))
    0.0
    """
    p, q, axis = _pair(p, q, dim)
    return np.asarray((_p_log_q(p, p) - _p_log_q(p, q)).sum(axis), p.dtype)
