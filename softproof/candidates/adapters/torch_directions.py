"""Derivatives in a direction of functions of torch tensors, by autograd: jvp, hvp, and whether it sees them at all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.autograd import forward_ad

Call = Callable[[Mapping[str, Any]], torch.Tensor]


def jvp(call: Call, inputs: Mapping[str, torch.Tensor], tangent: torch.Tensor) -> torch.Tensor:
    """The derivative of `call` in the direction `tangent` of the logits by forward mode, 0 where autograd sees none."""
    value, product = _jvp(call, inputs, tangent)
    return torch.zeros_like(value) if product is None else product


def _jvp(
    call: Call, inputs: Mapping[str, torch.Tensor], tangent: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The value, and its derivative if autograd sees one."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning), forward_ad.dual_level():  # torch's own
        primal, along = inputs["logits"].detach().contiguous(), tangent.contiguous()  # torch refuses expanded ones
        logits = forward_ad.make_dual(primal, along)  # type: ignore[no-untyped-call]
        value, product = forward_ad.unpack_dual(call({**inputs, "logits": logits}))  # type: ignore[no-untyped-call]
        return value, product


def hvp(
    call: Call, inputs: Mapping[str, torch.Tensor], grad_output: torch.Tensor, tangent: torch.Tensor
) -> torch.Tensor:
    """The Hessian with respect to the logits of Σ grad_output·call times `tangent`: the gradient of the gradient.

    It is 0 where autograd takes the gradient for a constant, as it is wherever that gradient is part of a larger sum.
    """
    logits, product = _hvp(call, inputs, grad_output, tangent)
    return torch.zeros_like(logits) if product is None else product


def _hvp(
    call: Call, inputs: Mapping[str, torch.Tensor], grad_output: torch.Tensor, tangent: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The logits, and the product if autograd sees that the gradient depends on them."""
    logits, upstream = inputs["logits"].detach().requires_grad_(), grad_output.detach().requires_grad_()
    value = call({**inputs, "logits": logits})
    (grad,) = torch.autograd.grad(value, logits, upstream, create_graph=True)
    if not grad.requires_grad:
        return logits, None
    (product,) = torch.autograd.grad(grad, logits, tangent, allow_unused=True, retain_graph=True)
    if product is None:
        grad.backward(tangent)  # which walks all of the graph, and meets who refuses: once_differentiable
    return logits, product


def sees(
    kind: str, call: Call, inputs: Mapping[str, torch.Tensor], grad_output: torch.Tensor, tangent: torch.Tensor
) -> bool:
    """Whether autograd has a number for `jvp` or `hvp`, which are 0 where it has none; it may be 0, too."""
    _, product = _jvp(call, inputs, tangent) if kind == "jvp" else _hvp(call, inputs, grad_output, tangent)
    return product is not None
