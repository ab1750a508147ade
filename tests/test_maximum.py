"""A gradient that also goes through the row's maximum is told as that, and no other error is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import softproof
from softproof.bounds.models import MODELS
from softproof.diagnosis.interview import Interview
from softproof.diagnosis.maximum import ADVICE, WORDS, through_the_maximum

PROBLEM = softproof.Problem(
    "softmax", "float32", {"logits": np.zeros((6, 1))}, {"dim": 0},
    grad_output=np.array([[-0.0], [1.0], [1.0], [-0.0], [1.0], [-3.0]]),
)  # fmt: skip


def through(logits: torch.Tensor, dim: int) -> torch.Tensor:
    """As people write it: right but for the rounding of what the gradient of the maximum leaves."""
    e = torch.exp(logits - logits.max(dim, keepdim=True)[0])
    return e / e.sum(dim, keepdim=True)


def detached(logits: torch.Tensor, dim: int) -> torch.Tensor:
    """The same with a maximum that is a constant."""
    e = torch.exp(logits - logits.detach().max(dim, keepdim=True)[0])
    return e / e.sum(dim, keepdim=True)


def _told(function: Any, problem: softproof.Problem = PROBLEM) -> tuple[bool, bool]:
    """Whether the answer agrees, and whether it is said to go through the maximum."""
    candidate = softproof.load(function, operation="softmax", adapter="torch")
    interview = Interview(candidate, "cpu", MODELS["fused"], "C", 5)
    reply = interview.ask(problem)
    assert reply is not None
    found = None if reply.verdict.ok else through_the_maximum(interview, reply)
    assert found is None or found.words == WORDS
    return reply.verdict.ok, found is not None


class _Wrong(torch.autograd.Function):
    """Softmax with a gradient of the largest logit that is 1 too large, or of another that is a little off."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, least: bool) -> torch.Tensor:
        ctx.least, ctx.most = least, logits == (logits.min() if least else logits.max())
        ctx.save_for_backward(torch.softmax(logits, 0))
        return torch.softmax(logits, 0)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (p,) = ctx.saved_tensors
        right = p * (grads[0] - (p * grads[0]).sum(0))
        return right + ctx.most * (1e-5 if ctx.least else 1.0), None


def test_the_maximum_is_named() -> None:
    """The element that the maximum's gradient went to is the only one that is off."""
    rng = np.random.default_rng(0)
    told = [_told(through)]
    for _ in range(40):
        upstream = rng.integers(-3, 4, (6, 1)).astype(float)
        told.append(_told(through, softproof.Problem("softmax", "float32", PROBLEM.inputs, {"dim": 0}, upstream)))

    assert told.count((False, True)) > 0
    assert set(told) <= {(True, False), (False, True)}


def test_a_detached_one_agrees() -> None:
    """So that the advice is right."""
    assert _told(detached) == (True, False)
    assert "detach()" in ADVICE


@pytest.mark.parametrize("least", [True, False])
def test_another_error_is_not_taken_for_it(least: bool) -> None:
    """One that is large, or at another logit."""
    logits = np.array([0.0, 1.0, -1.0, 2.0])
    problem = softproof.Problem("softmax", "float32", {"logits": logits}, {}, np.array([1.0, -2.0, 0.5, 1.0]))

    def wrong(logits: torch.Tensor) -> Any:
        return _Wrong.apply(logits, least)  # type: ignore[no-untyped-call]  # torch's own

    assert _told(wrong, problem) == (False, False)
