"""TensorFlow's softmax, log-softmax and sparse cross-entropy, with the gradients of its tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

Array = NDArray[Any]


def _backward(function: Callable[[Any], Any], input: Array, g: Array) -> Array:
    x = tf.constant(input)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x, output_gradients=tf.constant(g)).numpy()


def softmax(input: Array, dim: int = -1) -> Array:
    """tf.nn.softmax."""
    return tf.nn.softmax(input, axis=dim).numpy()


def softmax_backward(grad_output: Array, input: Array, dim: int = -1) -> Array:
    """Of the same."""
    return _backward(lambda x: tf.nn.softmax(x, axis=dim), input, grad_output)


def log_softmax(input: Array, dim: int = -1) -> Array:
    """tf.nn.log_softmax."""
    return tf.nn.log_softmax(input, axis=dim).numpy()


def log_softmax_backward(grad_output: Array, input: Array, dim: int = -1) -> Array:
    """Of the same."""
    return _backward(lambda x: tf.nn.log_softmax(x, axis=dim), input, grad_output)


def cross_entropy(input: Array, target: Array) -> Array:
    """tf.nn.sparse_softmax_cross_entropy_with_logits: a loss for each row."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(target, input).numpy()


def cross_entropy_backward(grad_output: Array, input: Array, target: Array) -> Array:
    """Of the same."""
    return _backward(lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(target, x), input, grad_output)
