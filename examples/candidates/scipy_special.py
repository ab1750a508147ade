"""SciPy's softmax, log-softmax and logsumexp, which call the dimension `axis`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special  # type: ignore[import-untyped]  # SciPy ships no types
from numpy.typing import NDArray

Array = NDArray[Any]


def softmax(logits: Array, dim: int = -1) -> Array:
    """scipy.special.softmax."""
    return np.asarray(scipy.special.softmax(logits, axis=dim))


def log_softmax(logits: Array, dim: int = -1) -> Array:
    """scipy.special.log_softmax."""
    return np.asarray(scipy.special.log_softmax(logits, axis=dim))


def logsumexp(logits: Array, dim: int = -1) -> Array:
    """scipy.special.logsumexp."""
    return np.asarray(scipy.special.logsumexp(logits, axis=dim))
