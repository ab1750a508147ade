"""torch.compile of torch's own functions, by Inductor, for any shape."""

from __future__ import annotations

import torch
import torch._dynamo
from torch import Tensor
from torch.nn import functional as F

torch._dynamo.config.recompile_limit = 10_000  # one for each set of options and layouts
_softmax = torch.compile(F.softmax, dynamic=True)
_log_softmax = torch.compile(F.log_softmax, dynamic=True)
_loss = torch.compile(F.cross_entropy, dynamic=True)


def softmax(input: Tensor, dim: int = -1) -> Tensor:
    """F.softmax."""
    return _softmax(input, dim)


def log_softmax(input: Tensor, dim: int = -1) -> Tensor:
    """F.log_softmax."""
    return _log_softmax(input, dim)


def cross_entropy(input: Tensor, target: Tensor, reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """F.cross_entropy, with some of its options."""
    return _loss(input, target, reduction=reduction, label_smoothing=label_smoothing)
