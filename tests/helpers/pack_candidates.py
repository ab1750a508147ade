"""A softmax for the GPU pack to judge: right in float32, and wrong in float16."""

from __future__ import annotations

import torch


def softmax(input: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """torch's own, or one that forgets to divide."""
    return torch.softmax(input, dim) if input.dtype == torch.float32 else torch.exp(input)
