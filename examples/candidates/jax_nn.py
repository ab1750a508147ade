"""JAX's own softmax, log-softmax and logsumexp."""

from __future__ import annotations

import jax
from jax import Array


def softmax(input: Array, dim: int = -1) -> Array:
    """jax.nn.softmax."""
    return jax.nn.softmax(input, axis=dim)


def log_softmax(input: Array, dim: int = -1) -> Array:
    """jax.nn.log_softmax."""
    return jax.nn.log_softmax(input, axis=dim)


def logsumexp(input: Array, dim: int = -1) -> Array:
    """jax.nn.logsumexp."""
    return jax.nn.logsumexp(input, axis=dim)
