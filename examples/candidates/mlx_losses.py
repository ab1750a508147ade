"""MLX's softmax, logsumexp and cross-entropy on its CPU build, with the gradients that it derives."""

from functools import wraps
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np


def pair(function: Any) -> Any:
    """A function of NumPy's arrays, and its backward pass."""

    def given(arrays: Any) -> Any:
        return [mx.array(np.array(each, order="C")) for each in arrays]  # strides may not be negative

    @wraps(function)
    def forward(*arrays: Any, **options: Any) -> Any:
        return np.array(function(*given(arrays), **options))

    def backward(g: Any, *arrays: Any, **options: Any) -> Any:
        real = [each for each in arrays if each.dtype.kind == "f"]
        labels = given(arrays[len(real) :])
        return tuple(map(np.array, mx.vjp(lambda *x: function(*x, *labels, **options), given(real), given([g]))[1]))

    return forward, backward


softmax, softmax_backward = pair(lambda x, dim: mx.softmax(x, axis=dim))
logsumexp, logsumexp_backward = pair(lambda x, dim: mx.logsumexp(x, axis=dim))
cross_entropy, cross_entropy_backward = pair(nn.losses.cross_entropy)
