"""The article's network by torch, and its gradients by autograd: the twin of manual/backprop.py."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Device, floats, integer, shaped, shown, vector_jacobian_product
from .linear import linear
from .loss import checked, loss_of, of_one

# ---- the article's steps, for one sample x (D,) with target y (C,) ---------------------------------------------------


def _sample(input: Any, weight: Any, target: Any, device: Device) -> tuple[Tensor, Tensor, Tensor]:
    x = floats("input", input, device)
    if x.ndim != 1:
        raise ValueError(f"input has shape {tuple(x.shape)}; expected (D,), one sample")
    w = floats("weight", weight, device, x, "input")
    y = floats("target", target, device, x, "input")
    return x, w, shaped("target", y, tuple(linear(x, w).shape), "one for each row of the weight")


def _loss_of_probabilities(p: Tensor, y: Tensor) -> Tensor:
    return -(y * p.log()).sum()  # article, equation 3


def probabilities_gradient(p: Any, target: Any, *, device: Device = None) -> Tensor:
    """First factor, ∂L/∂p, by autograd; as `manual.probabilities_gradient`.

    >>> probabilities_gradient([0.25, 0.75], [0.0, 1.0]).round(decimals=4)
    tensor([-0.0000, -1.3333], dtype=torch.float64)
    """
    probabilities = floats("p", p, device)
    y = floats("target", target, device, probabilities, "p")
    y = shaped("target", y, tuple(probabilities.shape), "that of p")
    one = torch.ones((), dtype=y.dtype, device=y.device)
    return vector_jacobian_product(lambda a: _loss_of_probabilities(a, y), one, probabilities)[0]


def weight_gradient_through_one_path(
    input: Any, weight: Any, target: Any, path: int, *, device: Device = None
) -> Tensor:
    """∂L/∂p_i times ∂p_i/∂W, each by autograd; as `manual.weight_gradient_through_one_path`.

    >>> weight_gradient_through_one_path([1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0], path=0)[0]
    tensor([-0.5000, -1.0000], dtype=torch.float64)
    """
    x, w, y = _sample(input, weight, target, device)
    if not 0 <= (path := integer("path", path)) < len(y):
        raise IndexError(f"path is {shown(path)}; expected a class from 0 to {len(y) - 1}")
    dl_dp = probabilities_gradient(F.softmax(F.linear(x, w), -1), y)[path]  # ()
    return vector_jacobian_product(lambda v: F.softmax(F.linear(x, v), -1)[path], dl_dp, w)[0]


def weight_gradient_over_all_paths(input: Any, weight: Any, target: Any, *, device: Device = None) -> Tensor:
    """∂L/∂W by autograd, one factor after the other, over every path; as `manual.weight_gradient_over_all_paths`.

    >>> weight_gradient_over_all_paths([1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])[0]
    tensor([-0.5000, -1.0000], dtype=torch.float64)
    """
    x, w, y = _sample(input, weight, target, device)
    a = F.linear(x, w)  # (C,)
    dl_dp = probabilities_gradient(F.softmax(a, -1), y)  # (C,)
    dl_da = vector_jacobian_product(lambda v: F.softmax(v, -1), dl_dp, a)[0]  # (C,)
    return vector_jacobian_product(lambda v: F.linear(x, v), dl_da, w)[0]  # (C, D)


def weight_gradient_fused(input: Any, weight: Any, target: Any, *, device: Device = None) -> Tensor:
    """∂L/∂W through torch.nn.functional.cross_entropy, which fuses softmax and loss; as `manual.weight_gradient_fused`.

    >>> weight_gradient_fused([1.0, 2.0], [[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])[0]
    tensor([-0.5000, -1.0000], dtype=torch.float64)
    """
    x, w, y = _sample(input, weight, target, device)
    one = torch.ones((), dtype=y.dtype, device=y.device)
    return vector_jacobian_product(lambda v: F.cross_entropy(F.linear(x, v), y), one, w)[0]


# ---- the same network for batches and all options of the loss -------------------------------------------------------


def _classifier(input: Any, linear_weight: Any, linear_bias: Any, device: Device) -> tuple[Tensor, ...]:
    """Checked input, weight and, when there is one, bias."""
    x = floats("input", input, device)
    w = floats("linear_weight", linear_weight, device, x, "input")
    shapes = f"input has shape {tuple(x.shape)} and linear_weight {tuple(w.shape)}"
    if x.ndim not in (1, 2) or w.ndim < 2 or (w.ndim > 2 and x.ndim == 1):
        raise ValueError(f"{shapes}; expected (D,) or (N, D), and (C, D) or, for (N, D) alone, (C, d1, …, D)")
    if x.shape[-1] != w.shape[-1]:
        raise ValueError(f"{shapes}; their last dimensions should be equal")
    if linear_bias is None:
        return x, w
    b = floats("linear_bias", linear_bias, device, x, "input")
    return x, w, shaped("linear_bias", b, tuple(w.shape[:-1]), "that of linear_weight without the last dimension")


def _logits(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """x (N, D), w (C, d1, …, D) and b (C, d1, …) as logits (N, C, d1, …)."""
    rows = F.linear(x, w.reshape(w.shape[:-1].numel(), x.shape[-1]), None if b is None else b.reshape(-1))
    return rows.reshape(*x.shape[:-1], *w.shape[:-1])


def _fused(x: Tensor, w: Tensor, y: Tensor, b: Tensor | None, options: dict[str, Any]) -> Tensor:
    """torch's own linear_cross_entropy where it has one (2.13 does), else its definition."""
    if not hasattr(F, "linear_cross_entropy"):
        return loss_of(_logits(x, w, b), y, options)
    if x.ndim == 1:
        return of_one(F.linear_cross_entropy(x[None], w, y[None], linear_bias=b, **options))
    found: Tensor = F.linear_cross_entropy(x, w, y, linear_bias=b, **options)
    return found


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Cross-entropy of a linear classifier: torch's linear_cross_entropy, or linear then cross_entropy where torch has
    none; as `manual.linear_cross_entropy`.

    >>> linear_cross_entropy(torch.tensor([1.4, 3.2, 5.0]), torch.eye(3), torch.tensor(2)).round(decimals=4)
    tensor(0.1762)
    """
    x, w, *b = _classifier(input, linear_weight, linear_bias, device)
    _, y, options = checked(_logits(x, w, *b), target, weight, ignore_index, reduction, label_smoothing, device)
    return _fused(x, w, y, b[0] if b else None, options)


def linear_cross_entropy_backward(
    grad_output: Any,
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of input, linear weight and linear bias, by autograd; as `manual.linear_cross_entropy_backward`.

    >>> x, w = torch.tensor([1.0, 2.0]), torch.zeros(2, 2)
    >>> linear_cross_entropy_backward(1.0, x, w, torch.tensor(0))[1][0]
    tensor([-0.5000, -1.0000])
    """
    x, w, *b = _classifier(input, linear_weight, linear_bias, device)
    _, y, options = checked(_logits(x, w, *b), target, weight, ignore_index, reduction, label_smoothing, device)
    grads = vector_jacobian_product(
        lambda v, u, *c: _fused(v, u, y, c[0] if c else None, options), grad_output, x, w, *b
    )
    return grads[0], grads[1], grads[2] if b else None
