"""The cross-entropy loss by torch.nn.functional.cross_entropy, with derivatives by autograd: the twin of
manual/cross_entropy.py.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .arrays import (
    Device,
    hessian_vector_product,
    jacobian_vector_product,
    vector_jacobian_product,
)
from .loss import checked, loss_of


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Cross-entropy loss of softmax(logits): torch.nn.functional.cross_entropy; as `manual.cross_entropy`.

    >>> cross_entropy([[1.4, 3.2, 5.0]], [2]).round(decimals=4)
    tensor(0.1762, dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    return loss_of(x, y, options)


def cross_entropy_backward(
    grad_output: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Gradient of the logits and, for probabilities, of the target, by autograd; as `manual.cross_entropy_backward`.

    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], [0])
    tensor([[-0.5000,  0.5000]], dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    if not y.is_floating_point():
        return vector_jacobian_product(lambda a: loss_of(a, y, options), grad_output, x)[0]
    grads = vector_jacobian_product(lambda a, q: loss_of(a, q, options), grad_output, x, y)
    return grads[0], grads[1]


def cross_entropy_jvp(
    tangent: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Derivative of the loss in the direction v of the logits, by forward mode; as `manual.cross_entropy_jvp`.

    >>> cross_entropy_jvp([[1.0, 0.0]], [[0.0, 0.0]], [0])
    tensor(-0.5000, dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    return jacobian_vector_product(lambda a: loss_of(a, y, options), tangent, x)


def cross_entropy_hvp(
    tangent: Any,
    grad_output: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Derivative of the gradient of the logits in the direction v of the logits, by autograd twice; as
    `manual.cross_entropy_hvp`.

    >>> cross_entropy_hvp([[1.0, 0.0]], 1.0, [[0.0, 0.0]], [0])
    tensor([[ 0.2500, -0.2500]], dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    return hessian_vector_product(lambda a: loss_of(a, y, options), tangent, grad_output, x)
