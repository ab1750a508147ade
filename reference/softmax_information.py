"""The entropy of a softmax by torch, with its gradient by autograd: the twin of manual/softmax_information.py."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Device, vector_jacobian_product, with_axis


def _entropy(a: Tensor, dim: int) -> Tensor:
    """-Σ p log p by the two of torch.nn.functional; log p is 0 where a class is masked, and p is."""
    l = F.log_softmax(a, dim).masked_fill(torch.isneginf(a), 0)  # noqa: E741  # the letter of the literature
    return 0 - (F.softmax(a, dim) * l).sum(dim)


def softmax_entropy(logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Entropy of softmax(logits) along `dim`, in nats; as `manual.softmax_entropy`.

    torch.distributions.Categorical has it as well, with logits that are normalised first.

    >>> softmax_entropy([0.0, 0.0]).round(decimals=4)
    tensor(0.6931, dtype=torch.float64)
    """
    return _entropy(with_axis("logits", logits, dim, device), dim)


def softmax_entropy_backward(grad_output: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Gradient of the logits, given that of their entropy, by autograd; as `manual.softmax_entropy_backward`.

    >>> softmax_entropy_backward(1.0, [0.0, 1.0]).round(decimals=4)
    tensor([ 0.1966, -0.1966], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device)
    return vector_jacobian_product(lambda a: _entropy(a, dim), grad_output, x)[0]
