"""The linear layer and the linear classifier of `reference`, where products of float32 may keep TF32's 11 bits."""

from __future__ import annotations

import torch

from reference import linear, linear_backward, linear_cross_entropy, linear_cross_entropy_backward

torch.backends.cuda.matmul.allow_tf32 = True

__all__ = ["linear", "linear_backward", "linear_cross_entropy", "linear_cross_entropy_backward"]
