"""tinygrad's softmax, log-softmax, logsumexp and cross-entropy, with its gradients."""

import os
from functools import wraps
from typing import Any

import numpy as np

os.environ.setdefault("DEV", "PYTHON")  # which needs no compiler

from tinygrad import Tensor


def pair(function: Any) -> Any:
    """A function of NumPy's arrays, and its backward pass."""

    @wraps(function)
    def forward(*arrays: Any, **options: Any) -> Any:
        return np.asarray(function(*map(Tensor, arrays), **options).numpy())

    def backward(g: Any, *arrays: Any, **options: Any) -> Any:
        given = [Tensor(each) for each in arrays]
        real = [x for x, each in zip(given, arrays, strict=True) if each.dtype.kind == "f"]
        return tuple(x.numpy() for x in function(*given, **options).gradient(*real, gradient=Tensor(g)))

    return forward, backward


softmax, softmax_backward = pair(Tensor.softmax)
log_softmax, log_softmax_backward = pair(Tensor.log_softmax)
logsumexp, logsumexp_backward = pair(Tensor.logsumexp)
cross_entropy, cross_entropy_backward = pair(Tensor.cross_entropy)
