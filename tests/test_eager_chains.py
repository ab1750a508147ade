"""Chains of operations in half precision that store a logsumexp, or logits times log₂e, have models of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import softproof
from softproof.bounds.models import MODELS
from softproof.problem.problem import Problem

LOG2E = 1.4426950408889634


def by_logsumexp(x: Tensor) -> Tensor:
    """A log-softmax as many people write it."""
    return x - x.logsumexp(-1, keepdim=True)


def to_base_2(x: Tensor) -> Tensor:
    """A softmax as attention has it."""
    z = x * LOG2E
    e = torch.exp2(z - z.amax(-1, keepdim=True).detach())
    return e / e.sum(-1, keepdim=True)


def without_last(x: Tensor) -> Tensor:
    """Wrong: the last logit is not in the sum."""
    return x - x[..., :-1].logsumexp(-1, keepdim=True)


def of_another_base(x: Tensor) -> Tensor:
    """Wrong: a softmax to base 2."""
    e = torch.exp2(x - x.amax(-1, keepdim=True).detach())
    return e / e.sum(-1, keepdim=True)


def judged(function: Callable[[Tensor], Tensor], operation: str, name: str, format_: str) -> list[str]:
    """The verdicts on rows around larger and larger numbers."""
    candidate = softproof.load(function, operation=operation, adapter="torch")
    said = []
    for seed, offset in enumerate((0.0, 8.0, 8.0, 100.0, 100.0)):
        generator = torch.Generator().manual_seed(seed)
        dtype = getattr(torch, format_)
        x, g = (torch.randn(6, 9, generator=generator).to(dtype) for _ in range(2))
        logits = (x.float() + offset).to(dtype).double().numpy()
        problem = Problem(operation, format_, {"logits": logits}, {}, g.double().numpy())
        said.append(softproof.judge(candidate, problem, arithmetic=MODELS[name]).outcome)
    return said


@pytest.mark.parametrize("format_", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("right", "wrong", "operation", "name"),
    [
        (by_logsumexp, without_last, "log_softmax", "eager-stored-logsumexp"),
        (to_base_2, of_another_base, "softmax", "eager-base-2"),
    ],
)
def test_chains(right: Any, wrong: Any, operation: str, name: str, format_: str) -> None:
    """Right under their model and refused by `eager`; their wrong twins are refused by both."""
    assert "disagrees" not in judged(right, operation, name, format_)
    assert "agrees" in judged(right, operation, name, format_)
    assert "disagrees" in judged(right, operation, "eager", format_)
    assert "disagrees" in judged(wrong, operation, name, format_)


def test_the_last_resort_of_half_precision_alone() -> None:
    """In float32 they are what they are made of."""
    problem = Problem("softmax", "float32", {"logits": [0.0]}, {"dim": 0})
    assert MODELS["eager-stored-logsumexp"](problem).stored == frozenset()
    assert MODELS["eager-base-2"](problem).stored == frozenset()
    assert {"logsumexp", "scaled"}.isdisjoint(
        MODELS["eager-cuda"](Problem("softmax", "float16", {"logits": [0.0]})).stored
    )


@pytest.mark.parametrize(("format_", "seed"), [("bfloat16", 0), ("float16", 1)])
def test_what_a_backward_pass_stores(format_: str, seed: int) -> None:
    """The sum of the upstream gradient and its product with p are rounded to the format, too."""
    generator, dtype = torch.Generator().manual_seed(seed), getattr(torch, format_)
    x, g = (torch.randn(3000, 2, generator=generator).to(dtype) for _ in range(2))
    x, g = (x.float() * 0.5).to(dtype).double(), (g.abs() if seed else g).double()
    problem = Problem("log_softmax", format_, {"logits": x.numpy()}, {}, g.numpy())
    candidate = softproof.load(by_logsumexp, operation="log_softmax", adapter="torch")

    assert softproof.judge(candidate, problem, arithmetic="eager-stored-logsumexp").ok
