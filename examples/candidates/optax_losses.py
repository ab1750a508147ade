"""Optax's losses of labels and of probabilities."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax


def cross_entropy(input: jax.Array, target: jax.Array) -> jax.Array:
    """One loss for each row, of its last dimension."""
    if jnp.issubdtype(target.dtype, jnp.integer):
        return optax.losses.softmax_cross_entropy_with_integer_labels(input, target)
    return optax.losses.softmax_cross_entropy(input, target)


def kl_divergence(p: jax.Array, q: jax.Array) -> jax.Array:
    """Of distributions, the second of which is given by its logarithm."""
    return optax.losses.kl_divergence(jnp.log(q), p)
