"""Entropy of a softmax, and divergence of two, by torch, with gradients by autograd: the twin of
manual/softmax_information.py.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Device, floats, shaped, vector_jacobian_product, with_axis


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


def _pair(p_logits: Any, q_logits: Any, dim: int, device: Device) -> tuple[Tensor, Tensor]:
    a = with_axis("p_logits", p_logits, dim, device)
    b = floats("q_logits", q_logits, device, a, "p_logits")
    return a, shaped("q_logits", b, tuple(a.shape), "that of p_logits")


def _divergence(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Σ p (log p - log q), of two that are given as logarithms."""
    terms = F.kl_div(F.log_softmax(b, dim), F.log_softmax(a, dim), reduction="none", log_target=True)
    return terms.sum(dim)


def softmax_kl_divergence(p_logits: Any, q_logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Divergence of softmax(p_logits) and softmax(q_logits), in nats: torch.nn.functional.kl_div, summed; as
    `manual.softmax_kl_divergence`.

    >>> softmax_kl_divergence([0.0, 0.0], [1.0, 0.0]).round(decimals=4)
    tensor(0.1201, dtype=torch.float64)
    """
    a, b = _pair(p_logits, q_logits, dim, device)
    return _divergence(a, b, dim)


def softmax_kl_divergence_backward(
    grad_output: Any, p_logits: Any, q_logits: Any, dim: int = -1, *, device: Device = None
) -> tuple[Tensor, Tensor]:
    """Gradients of both arrays of logits, given that of D, by autograd; as `manual.softmax_kl_divergence_backward`.

    >>> softmax_kl_divergence_backward(1.0, [0.0, 0.0], [1.0, 0.0])[1].round(decimals=4)
    tensor([ 0.2311, -0.2311], dtype=torch.float64)
    """
    a, b = _pair(p_logits, q_logits, dim, device)
    grads = vector_jacobian_product(lambda x, y: _divergence(x, y, dim), grad_output, a, b)
    return grads[0], grads[1]
