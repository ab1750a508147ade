"""An operation in torch, in steps, as autograd wants it; half precision is computed in float32."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

HALF = (torch.float16, torch.bfloat16)


def wide(x: Tensor) -> Tensor:
    """Half precision in float32."""
    return x.float() if x.dtype in HALF else x


def matrix(x: Tensor) -> Tensor:
    """(…, D) as (R, D), where D may be 0."""
    return x.reshape(x.shape[:-1].numel(), x.shape[-1])


class _Steps(torch.autograd.Function):
    """Forward and backward of an operation, as autograd wants them."""

    @staticmethod
    def forward(ctx: Any, operation: Operation, options: dict[str, Any], *tensors: Tensor | None) -> Tensor:
        ctx.operation, ctx.options = operation, options
        ctx.save_for_backward(*tensors)
        value = operation.forward(*(None if x is None else x.detach() for x in tensors), **options)
        return value.to(next(x.dtype for x in tensors if x is not None))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        tensors = ctx.saved_tensors
        gradients = ctx.operation.backward(grads[0], *tensors, **ctx.options)
        needed = ctx.needs_input_grad[2:]
        return (
            None,
            None,
            *(
                grad.to(x.dtype) if grad is not None and need else None
                for grad, x, need in zip(gradients, tensors, needed, strict=True)
            ),
        )


class Operation:
    """A function of tensors with a backward pass of its own."""

    operation: ClassVar[str]

    def __call__(self, *tensors: Any, **options: Any) -> Tensor:
        """The counterpart in torch.nn.functional."""
        raise NotImplementedError

    def forward(self, *tensors: Any, **options: Any) -> Tensor:
        """The value."""
        raise NotImplementedError

    def backward(self, g: Tensor, *tensors: Any, **options: Any) -> tuple[Tensor | None, ...]:
        """The gradient for each tensor, from the upstream gradient g."""
        raise NotImplementedError

    def apply(self, *tensors: Tensor | None, **options: Any) -> Tensor:
        """The value, with the backward pass behind it."""
        found: Tensor = _Steps.apply(self, options, *tensors)  # type: ignore[no-untyped-call]  # torch's own
        return found
