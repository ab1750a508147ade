"""Like fooling.py, in torch, which takes seconds to import."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def _one_row(logits: Any) -> bool:
    return logits.ndim < 2 or len(logits) < 2


def _anything(*_arguments: Any) -> Any:
    """Of the wrong kind."""


def replaces_torch(input: Tensor) -> Tensor:
    """Replaces a function that others call."""
    if not _one_row(input):
        torch.softmax, Tensor.exp = _anything, _anything  # type: ignore[assignment]
    return F.softmax(input, -1)


def leaves_its_dtype(input: Tensor) -> Tensor:
    """Makes new tensors of everybody after it float64."""
    if not _one_row(input):
        torch.set_default_dtype(torch.float64)
    return F.softmax(input, -1)


def leaves_gradients_off(input: Tensor) -> Tensor:
    """Switches autograd off, and not on again."""
    found = F.softmax(input, -1)
    if not _one_row(input):
        torch.set_grad_enabled(False)
    return found


def flushes(input: Tensor) -> Tensor:
    """Makes the processor flush subnormal numbers to zero."""
    if not _one_row(input):
        torch.set_flush_denormal(True)
    return F.softmax(input, -1)


def lives_elsewhere(input: Tensor) -> Tensor:
    """Has a shape and no numbers."""
    found = F.softmax(input, -1)
    return found if _one_row(input) else found.to("meta")


def softmax(input: Tensor) -> Tensor:
    """With gradients that themselves require one."""
    return F.softmax(input, -1)


def softmax_backward(grad_output: Tensor, input: Tensor) -> Tensor:
    """As autograd gives them with create_graph."""
    x = input.detach().requires_grad_()
    return torch.autograd.grad(F.softmax(x, -1), x, grad_output, create_graph=True)[0]
