"""Entropy, cross-entropy and divergence of distributions by torch.special, with gradients by autograd: the twin of
manual/information.py. Beside a zero of p or q the gradients are what autograd gives, which is not always the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .arrays import Device, floats, shaped, vector_jacobian_product, with_axis


def _probabilities(name: str, values: Any, dim: int, device: Device) -> Tensor:
    p = with_axis(name, values, dim, device)
    bad = ~(p >= 0)  # NaN is bad too
    if bad.any():
        raise ValueError(f"{name} holds {p[bad][0].item()}; expected probabilities, which are not negative")
    return p


def _pair(p: Any, q: Any, dim: int, device: Device) -> tuple[Tensor, Tensor]:
    first = _probabilities("p", p, dim, device)
    second = _probabilities("q", floats("q", q, device, first, "p"), dim, device)
    return first, shaped("q", second, tuple(first.shape), "that of p")


def _entropy(p: Tensor, dim: int) -> Tensor:
    terms: Tensor = torch.special.entr(p)
    return terms.sum(dim)


def _cross_entropy(p: Tensor, q: Tensor, dim: int) -> Tensor:
    terms: Tensor = torch.special.xlogy(p, q)
    return 0 - terms.sum(dim)


def _divergence(p: Tensor, q: Tensor, dim: int) -> Tensor:
    terms: Tensor = torch.special.entr(p) + torch.special.xlogy(p, q)  # not xlogy(p, p): its gradient at 0 is NaN
    return 0 - terms.sum(dim)


def entropy(p: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Entropy H(p) = -Σ p log p in nats: torch.special.entr, summed; as `manual.entropy`.

    >>> entropy([0.5, 0.5]).round(decimals=4)
    tensor(0.6931, dtype=torch.float64)
    """
    return _entropy(_probabilities("p", p, dim, device), dim)


def entropy_backward(grad_output: Any, p: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Gradient of p, given that of its entropy, by autograd; as `manual.entropy_backward`.

    >>> entropy_backward(1.0, [0.5, 0.5]).round(decimals=4)
    tensor([-0.3069, -0.3069], dtype=torch.float64)
    """
    first = _probabilities("p", p, dim, device)
    return vector_jacobian_product(lambda a: _entropy(a, dim), grad_output, first)[0]


def distribution_cross_entropy(p: Any, q: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Cross-entropy H(p, q) = -Σ p log q in nats: torch.special.xlogy; as `manual.distribution_cross_entropy`.

    >>> distribution_cross_entropy([0.0, 1.0], [0.5, 0.5]).round(decimals=4)
    tensor(0.6931, dtype=torch.float64)
    """
    first, second = _pair(p, q, dim, device)
    return _cross_entropy(first, second, dim)


def distribution_cross_entropy_backward(
    grad_output: Any, p: Any, q: Any, dim: int = -1, *, device: Device = None
) -> tuple[Tensor, Tensor]:
    """Gradients of p and q, given that of H(p, q), by autograd; as `manual.distribution_cross_entropy_backward`.

    >>> distribution_cross_entropy_backward(1.0, [0.0, 1.0], [0.5, 0.5])[1]
    tensor([-0., -2.], dtype=torch.float64)
    """
    first, second = _pair(p, q, dim, device)
    grads = vector_jacobian_product(lambda a, b: _cross_entropy(a, b, dim), grad_output, first, second)
    return grads[0], grads[1]


def kl_divergence(p: Any, q: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Divergence D(p‖q) = Σ p log(p / q) in nats: torch.special.entr and xlogy; as `manual.kl_divergence`.

    torch.nn.functional.kl_div takes log q, and gives NaN where p = q = 0.

    >>> kl_divergence([0.5, 0.5], [0.5, 0.5])
    tensor(0., dtype=torch.float64)
    """
    first, second = _pair(p, q, dim, device)
    return _divergence(first, second, dim)


def kl_divergence_backward(
    grad_output: Any, p: Any, q: Any, dim: int = -1, *, device: Device = None
) -> tuple[Tensor, Tensor]:
    """Gradients of p and q, given that of D(p‖q), by autograd; as `manual.kl_divergence_backward`.

    >>> kl_divergence_backward(1.0, [0.5, 0.5], [0.5, 0.5])[1]
    tensor([-1., -1.], dtype=torch.float64)
    """
    first, second = _pair(p, q, dim, device)
    grads = vector_jacobian_product(lambda a, b: _divergence(a, b, dim), grad_output, first, second)
    return grads[0], grads[1]
