"""tinygrad's softmax, log-softmax, logsumexp and cross-entropy, with its gradients."""

import os
from functools import wraps
from typing import Any

import numpy as np

os.environ.setdefault("DEV", "PYTHON")  # which needs no compiler

from tinygrad import Tensor


def pair(function: Any) -> Any:
    """A function of NumPy's arrays, the first of which has a gradient, and its backward pass."""

    @wraps(function)
    def forward(*arrays: Any, **options: Any) -> Any:
        return np.asarray(function(*map(Tensor, arrays), **options).numpy())

    def backward(*arrays: Any, **options: Any) -> Any:
        g, x, *rest = map(Tensor, arrays)
        return function(x, *rest, **options).gradient(x, gradient=g)[0].numpy()

    return forward, backward


softmax, softmax_backward = pair(Tensor.softmax)
log_softmax, log_softmax_backward = pair(Tensor.log_softmax)
logsumexp, logsumexp_backward = pair(Tensor.logsumexp)
cross_entropy, cross_entropy_backward = pair(Tensor.cross_entropy)
