"""TensorFlow's softmax, log-softmax and sparse cross-entropy, with the gradients of its tape."""

from functools import wraps
from typing import Any

import tensorflow as tf


def pair(function: Any) -> Any:
    """A function of NumPy's arrays, the first of which has a gradient, and its backward pass."""

    @wraps(function)
    def forward(*arrays: Any, **options: Any) -> Any:
        return function(*arrays, **options).numpy()

    def backward(g: Any, input: Any, *rest: Any, **options: Any) -> Any:
        x = tf.constant(input)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x, *rest, **options)
        return tape.gradient(y, x, output_gradients=tf.constant(g)).numpy()

    return forward, backward


softmax, softmax_backward = pair(tf.nn.softmax)
log_softmax, log_softmax_backward = pair(tf.nn.log_softmax)
cross_entropy, cross_entropy_backward = pair(
    lambda logits, labels: tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
)
