"""Softmax, log-softmax and logsumexp in steps: z logits, m the largest, p probabilities, g upstream gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from .operation import Operation, wide


class Softmax(Operation):
    """p = e^(z - m) / Σ e^(z - m), m the largest logit; ∂z = p (g - Σ g p)."""

    operation = "softmax"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """torch.nn.functional.softmax."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        e = self.exponentials(wide(z), dim)
        return e / self.total(e, dim)

    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        """e^(z - m)."""
        return (z - z.amax(dim, keepdim=True)).exp()

    def total(self, e: Tensor, dim: int) -> Tensor:
        """Their sum."""
        return e.sum(dim, keepdim=True)

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return (self.vjp(wide(g), self.forward(z, dim), dim),)

    def vjp(self, g: Tensor, p: Tensor, dim: int) -> Tensor:
        """g (diag(p) - p pᵀ)."""
        return p * (g - (g * p).sum(dim, keepdim=True))


class LogSoftmax(Operation):
    """l = (z - m) - log Σ e^(z - m); ∂z = g - p Σ g."""

    operation = "log_softmax"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """torch.nn.functional.log_softmax."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        d = wide(z) - wide(z).amax(dim, keepdim=True)
        return d - d.exp().sum(dim, keepdim=True).log()

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        p, g = Softmax().forward(z, dim), wide(g)
        return (g - p * g.sum(dim, keepdim=True),)


class LogSumExp(Operation):
    """m + log Σ e^(z - m), where m is finite; ∂z = g p."""

    operation = "logsumexp"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """torch.logsumexp."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        m = self.shift(wide(z), dim)
        return self.logarithm((wide(z) - m).exp().sum(dim)) + m.squeeze(dim)

    def shift(self, z: Tensor, dim: int) -> Tensor:
        """m, or 0 in a row without a finite largest logit."""
        m = z.amax(dim, keepdim=True)
        return torch.where(m.isfinite(), m, 0.0)

    def logarithm(self, total: Tensor) -> Tensor:
        """Of the sum."""
        return total.log()

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return (wide(g).unsqueeze(dim) * Softmax().forward(z, dim),)
