"""Liger-Kernel: Triton kernels, run by Triton's interpreter where there is no GPU."""

import os
from typing import Any

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction
from liger_kernel.ops.softmax import LigerSoftmaxFunction

softmax = LigerSoftmaxFunction.apply  # of the last dimension


def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Any:  # fmt: skip
    """It overwrites the logits by their gradient."""
    return LigerCrossEntropyFunction.apply(input, target, weight, ignore_index, 0.0, label_smoothing, reduction)[0]


def linear_cross_entropy(input: Any, linear_weight: Any, target: Any, linear_bias: Any = None, weight: Any = None,
                         ignore_index: int = -100, reduction: str = "mean",
                         label_smoothing: float = 0.0) -> Any:  # fmt: skip
    """In chunks of the batch."""
    more = linear_bias, weight, ignore_index, 0.0, label_smoothing, reduction
    return LigerFusedLinearCrossEntropyFunction.apply(input, linear_weight, target, *more)[0]
