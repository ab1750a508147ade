"""The linear layer in steps."""

from __future__ import annotations

from torch import Tensor

from .operation import Operation, matrix, wide


class Linear(Operation):
    """a = x wᵀ + b; ∂x = g w, ∂w = gᵀ x, ∂b = Σ g."""

    operation = "linear"

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """torch.nn.functional.linear."""
        return self.apply(input, weight, bias)

    def forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        a = self.product(wide(x), wide(w))
        return a if b is None else self.with_bias(a, wide(b))

    def product(self, x: Tensor, w: Tensor) -> Tensor:
        """x wᵀ."""
        return x @ w.T

    def with_bias(self, a: Tensor, b: Tensor) -> Tensor:
        """The bias added to the classes of each row."""
        return a + b

    def backward(self, g: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> tuple[Tensor | None, ...]:
        g, x, w = wide(g), wide(x), wide(w)
        rows = matrix(g), matrix(x)
        return self.of_input(g, w), self.of_weight(*rows), None if b is None else self.of_bias(rows[0])

    def of_input(self, g: Tensor, w: Tensor) -> Tensor:
        """∂x."""
        return g @ w

    def of_weight(self, g: Tensor, x: Tensor) -> Tensor:
        """∂w, from rows."""
        return g.T @ x

    def of_bias(self, g: Tensor) -> Tensor:
        """∂b, from rows."""
        return g.sum(0)
