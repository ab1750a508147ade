"""torch.compile of the linear layer, and of the linear classifier as linear then cross_entropy."""

from __future__ import annotations

import torch
import torch._dynamo
from torch import Tensor
from torch.nn import functional as F

torch._dynamo.config.recompile_limit = 10_000  # one for each set of options and layouts
_linear = torch.compile(F.linear, dynamic=True)


@torch.compile(dynamic=True)
def _loss(
    input: Tensor, weight: Tensor, target: Tensor, bias: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    return F.cross_entropy(F.linear(input, weight, bias), target, reduction=reduction, label_smoothing=smoothing)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """F.linear."""
    return _linear(input, weight, bias)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """With some of the options, and logits of one dimension of classes."""
    return _loss(input, linear_weight, target, linear_bias, reduction, label_smoothing)
