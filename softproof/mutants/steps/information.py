"""Entropy, cross-entropy and divergence of distributions in steps."""

from __future__ import annotations

import torch
from torch import Tensor

from .operation import Operation, wide


class _OfDistributions(Operation):
    """What the three have in common: sums of p log p and p log q along dim, where 0 log 0 is 0; g with that axis."""

    def logarithm(self, x: Tensor) -> Tensor:
        """log x."""
        return x.log()

    def p_log_q(self, p: Tensor, q: Tensor) -> Tensor:
        """p log q, and 0 where p is 0."""
        return torch.where(p == 0, 0.0, p * self.logarithm(q))

    def total(self, terms: Tensor, dim: int) -> Tensor:
        """Σ along dim."""
        return terms.sum(dim)

    def upstream(self, g: Tensor, dim: int) -> Tensor:
        """g with an axis of length 1 where the classes are."""
        return wide(g).unsqueeze(dim)

    def of_q(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        """∂q = -g p/q."""
        return -g * p / q


class Entropy(_OfDistributions):
    """-Σ p log p; ∂p = -g (log p + 1)."""

    operation = "entropy"

    def __call__(self, p: Tensor, dim: int = -1) -> Tensor:
        """The sum of torch.special.entr."""
        return self.apply(p, dim=dim)

    def forward(self, p: Tensor, dim: int) -> Tensor:
        p = wide(p)
        return 0 - self.total(self.p_log_q(p, p), dim)

    def backward(self, g: Tensor, p: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return (self.of_p(self.upstream(g, dim), wide(p)),)

    def of_p(self, g: Tensor, p: Tensor) -> Tensor:
        """∂p."""
        return -g * (self.logarithm(p) + 1)


class _OfTwoDistributions(_OfDistributions):
    """Terms of p and q, added up along dim."""

    def __call__(self, p: Tensor, q: Tensor, dim: int = -1) -> Tensor:
        """The sums of torch.special.entr and torch.special.xlogy."""
        return self.apply(p, q, dim=dim)

    def forward(self, p: Tensor, q: Tensor, dim: int) -> Tensor:
        return self.total(self.terms(wide(p), wide(q)), dim)

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        """What is added up."""
        raise NotImplementedError

    def backward(self, g: Tensor, p: Tensor, q: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        of_rows, p, q = self.upstream(g, dim), wide(p), wide(q)
        return self.of_p(of_rows, p, q), self.of_q(of_rows, p, q)

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        """∂p."""
        raise NotImplementedError


class DistributionCrossEntropy(_OfTwoDistributions):
    """-Σ p log q; ∂p = -g log q."""

    operation = "distribution_cross_entropy"

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return 0 - self.p_log_q(p, q)

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return -g * self.logarithm(q)


class KlDivergence(_OfTwoDistributions):
    """Σ p log p - p log q; ∂p = g (log p - log q + 1)."""

    operation = "kl_divergence"

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return self.p_log_q(p, p) - self.p_log_q(p, q)

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return g * (self.logarithm(p) - self.logarithm(q) + 1)
