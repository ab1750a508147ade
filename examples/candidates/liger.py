"""Liger-Kernel: Triton kernels, run by Triton's interpreter where there is no GPU."""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction
from liger_kernel.ops.softmax import LigerSoftmaxFunction
from torch import Tensor


def softmax(input: Tensor) -> Tensor:
    """Of the last dimension."""
    return LigerSoftmaxFunction.apply(input)


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
                  reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """It overwrites the logits by their gradient."""
    return LigerCrossEntropyFunction.apply(input, target, weight, ignore_index, 0.0, label_smoothing, reduction)[0]


def linear_cross_entropy(input: Tensor, linear_weight: Tensor, target: Tensor, linear_bias: Tensor | None = None,
                         weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean",
                         label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """In chunks of the batch."""
    return LigerFusedLinearCrossEntropyFunction.apply(input, linear_weight, target, linear_bias, weight, ignore_index,
                                                      0.0, label_smoothing, reduction)[0]  # fmt: skip
