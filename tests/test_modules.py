"""A module of torch that holds the weight of a layer is judged as a function that is given one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import softproof


class Inside(nn.Module):
    """A layer inside of another module."""

    def __init__(self, factor: float = 1) -> None:
        super().__init__()
        self.projection, self.factor = nn.Linear(5, 3), factor

    def forward(self, features: Tensor) -> Tensor:
        """Right, if the factor is 1."""
        found: Tensor = self.projection(features) * self.factor
        return found


class Remembers(nn.Module):
    """Wrong: it computes with the weight that it had when it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 4))
        self.kept = self.weight.detach().clone()

    def forward(self, features: Tensor) -> Tensor:
        """With another weight than its own."""
        return features @ self.kept.T + 0 * self.weight.sum()


class Scaled(nn.Module):
    """A layer with a parameter more."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(()))

    def forward(self, features: Tensor) -> Tensor:
        """No linear layer of the judge's."""
        return features @ self.weight.T * self.scale


@pytest.mark.parametrize(
    ("module", "verdict"),
    [
        (nn.Linear(4, 3), "agrees"),
        (nn.Linear(4, 3, bias=False), "agrees"),
        (Inside(), "agrees"),
        (Inside(2), "disagrees"),
        (Remembers(), "disagrees"),
        (Scaled(), "cannot ask"),
    ],
)
def test_its_weight_and_bias_are_those_of_the_question(module: Any, verdict: str) -> None:
    """Its own parameters are left as they are; one with others is told what to do."""
    before = [each.detach().clone() for each in module.parameters()]
    (row,) = softproof.verify(module, operation="linear", dtypes=["float32"], examples=20, seed=1).rows

    assert row.verdict == verdict, row
    assert all(map(torch.equal, before, module.parameters()))
    if verdict == "agrees":
        assert row.asked.gradients
        assert ("bias" in row.asked.unsupported) == (len(before) == 1)
    if verdict == "cannot ask":
        assert "It seems to hold its weight itself. Judge a function that is given one" in row.outcome.reason


def test_a_helper_is_no_backward_pass_of_who_has_no_name() -> None:
    """A function named `_backward` belongs to nobody who is handed over as an object."""

    class Softmax(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.softmax(-1)

    assert softproof.load(Softmax(), "softmax").backwards == {}
    assert softproof.load(named, "softmax").backwards == {"softmax": named_backward}


def named(x: Tensor) -> Tensor:
    """Has a backward pass beside it."""
    return x.softmax(-1)


def named_backward(grad_output: Tensor, x: Tensor) -> Tensor:
    """That of the function above."""
    p = x.softmax(-1)
    return p * (grad_output - (grad_output * p).sum(-1, keepdim=True))


def _backward(grad_output: Tensor, x: Tensor) -> Tensor:
    """A helper of somebody else's."""
    return grad_output * x
