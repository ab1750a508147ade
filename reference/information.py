"""Entropy, cross-entropy and divergence of distributions by torch.special: the twin of manual/information.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .arrays import Device, floats, shaped, with_axis


def _probabilities(name: str, values: Any, dim: int, device: Device) -> Tensor:
    found = with_axis(name, values, dim, device)
    bad = ~(found >= 0)  # NaN is bad too
    if bad.any():
        raise ValueError(f"{name} holds {found[bad][0].item()}; expected probabilities, which are not negative")
    return found


def _pair(p: Any, q: Any, dim: int, device: Device) -> tuple[Tensor, Tensor]:
    first = _probabilities("p", p, dim, device)
    second = _probabilities("q", floats("q", q, device, first, "p"), dim, device)
    return first, shaped("q", second, tuple(first.shape), "that of p")


def entropy(p: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Entropy H(p) = -Σ p log p in nats: torch.special.entr, summed; as `manual.entropy`.

    >>> entropy([0.5, 0.5]).round(decimals=4)
    tensor(0.6931, dtype=torch.float64)
    """
    terms: Tensor = torch.special.entr(_probabilities("p", p, dim, device))
    return terms.sum(dim)


def distribution_cross_entropy(p: Any, q: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Cross-entropy H(p, q) = -Σ p log q in nats: torch.special.xlogy; as `manual.distribution_cross_entropy`.

    >>> distribution_cross_entropy([0.0, 1.0], [0.5, 0.5]).round(decimals=4)
    tensor(0.6931, dtype=torch.float64)
    """
    first, second = _pair(p, q, dim, device)
    terms: Tensor = torch.special.xlogy(first, second)
    return 0 - terms.sum(dim)


def kl_divergence(p: Any, q: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Divergence D(p‖q) = Σ p log(p / q) in nats: torch.special.xlogy; as `manual.kl_divergence`.

    torch.nn.functional.kl_div takes log q, and gives NaN where p = q = 0.

    >>> kl_divergence([0.5, 0.5], [0.5, 0.5])
    tensor(0., dtype=torch.float64)
    """
    first, second = _pair(p, q, dim, device)
    terms: Tensor = torch.special.xlogy(first, first) - torch.special.xlogy(first, second)
    return terms.sum(dim)
