"""What a right kernel's author is told to do, where an answer is no rounding matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import softproof
from softproof.bounds.models import MODELS
from softproof.diagnosis.diagnose import UNSEEN, unseen
from softproof.diagnosis.interview import Interview
from softproof.problem.problem import Array


class _Constant(torch.autograd.Function):
    """A softmax whose gradient autograd takes for a constant: it was made in the forward pass, for one direction."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor) -> torch.Tensor:
        p = torch.softmax(logits, -1)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (p,) = ctx.saved_tensors
        p = p.detach()
        return p * (grads[0] - (p * grads[0]).sum(-1, keepdim=True))


class _Detached(_Constant):
    """The same, and the upstream gradient is detached, too."""

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return _Constant.backward(ctx, grads[0].detach()) + 0 * grads[0]


def test_a_gradient_that_is_taken_for_a_constant() -> None:
    """Its own derivative is 0 everywhere; one that is wrong otherwise is not told so."""
    problem = softproof.Problem("softmax", "float64", {"logits": [0.5, 1.0, -1.0]}, {}, [1.0, 2.0, 0.0],
                                tangent=[1.0, 0.0, 0.5])  # fmt: skip
    candidate = softproof.load(_Detached.apply, operation="softmax", adapter="torch", ndim=[1])
    interview = Interview(candidate, "cpu", MODELS["any-order"], "C", 5)

    reply = interview.ask(problem)
    assert reply is not None
    assert (reply.verdict.ok, reply.verdict.output) == (False, "hvp_logits")
    assert unseen(reply) == UNSEEN["hvp_logits"]
    for output in reply.result.outputs.values():
        output.values[...] = 1.0
    assert not unseen(reply)


def doubled_twice(logits: torch.Tensor) -> torch.Tensor:
    """A softmax whose second derivative is twice what it should be; all else is right."""
    return _Doubled.apply(logits)  # type: ignore[no-any-return, no-untyped-call]


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(logits)
        return torch.softmax(logits, -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (x,) = ctx.saved_tensors
        p = torch.softmax(2 * x - x.detach(), -1)
        return p * (grads[0] - (p * grads[0]).sum(-1, keepdim=True))


def test_a_second_derivative_that_is_wrong_is_left_out_by_its_name() -> None:
    """The row goes on without derivatives in a direction, and is right in all else; that command is told."""
    how: Any = {"operation": "softmax", "adapter": "torch", "ndim": [2], "dtypes": ["float64"], "seed": 1,
                "examples": 40, "without": ["jvp", "nonfinite", "masked", "empty_classes"],
                "diagnose": True}  # fmt: skip
    (row,) = softproof.verify(doubled_twice, max_failures=3, **how).rows
    assert [each.verdict.output for each in row.failures] == ["hvp_logits"]
    assert row.failures[0].diagnosis.next.endswith("leave it out: --without hvp")
    assert row.outcome.rest > 20


def test_the_class_of_an_autograd_function_is_called_by_its_apply() -> None:
    """As if that were named."""
    problem = softproof.Problem("softmax", "float64", {"logits": [0.5, 1.0]}, {}, [1.0, 2.0])
    candidate = softproof.load(_Constant, operation="softmax", adapter="torch")

    assert candidate.capabilities.parameters("softmax") == softproof.load(
        _Constant.apply, operation="softmax", adapter="torch"
    ).capabilities.parameters("softmax")
    assert softproof.judge(candidate, problem).ok


def unchecked(logits: Array, target: Array) -> Array:
    """A loss that takes -1 for the last class."""
    x = logits - logits.max(-1, keepdims=True)
    own = np.take_along_axis(x, target[:, None], -1)[:, 0]
    return np.asarray((np.log(np.exp(x).sum(-1)) - own).mean(dtype=logits.dtype))


def test_a_check_that_may_be_left_out_is_named() -> None:
    """Such as that labels are looked at, which few kernels do."""
    how: dict[str, Any] = {"operation": "cross_entropy", "adapter": "numpy", "dtypes": ["float32"], "seed": 0,
                           "ndim": [2], "examples": 60}  # fmt: skip
    left = ["empty", "nonfinite", "probabilities"]
    (row,) = softproof.verify(unchecked, diagnose=True, without=left, **how).rows
    assert row.failure is not None
    assert "expected an error" in row.failure.verdict.explanation
    assert row.failure.diagnosis.next.endswith("leave that out: --without invalid_labels")

    (again,) = softproof.verify(unchecked, without=[*left, "invalid_labels"], **how).rows
    assert again.verdict == "agrees", again.failure


def clamped(logits: Array, target: Array, ignore_index: int = -100) -> Array:
    """A mean that is 0 where all rows are ignored, as training code has it."""
    count = target != ignore_index
    x = logits - logits.max(-1, keepdims=True)
    own = np.take_along_axis(x, np.where(count, target, 0)[:, None], -1)[:, 0]
    each = np.where(count, np.log(np.exp(x).sum(-1)) - own, 0)
    return np.asarray(each.sum() / np.maximum(count.sum(), 1), logits.dtype)


def test_who_gives_0_where_all_rows_are_ignored() -> None:
    """Is told what leaves such batches out; then there are none, small or large, and the kernel agrees."""
    how: dict[str, Any] = {"operation": "cross_entropy", "adapter": "numpy", "dtypes": ["float32"], "seed": 0,
                           "ndim": [2]}  # fmt: skip
    left = ["empty", "nonfinite", "probabilities", "invalid_labels"]
    (row,) = softproof.verify(clamped, diagnose=True, without=left, **how).rows
    assert row.failure is not None
    assert "got 0.0, exact nan" in row.failure.verdict.explanation
    assert row.failure.diagnosis.next.endswith("leave them out: --without all_ignored")

    (again,) = softproof.verify(clamped, without=[*left, "all_ignored"], arithmetic="auto", **how).rows
    assert again.verdict == "agrees", again.failure
    assert again.coverage.regions.get("some rows ignored", 0) > 5
    assert "all rows ignored" not in again.coverage.regions


def rows_alone(logits: Array, target: Array) -> Array:
    """A mean that is 0 of no rows, and right of any."""
    return unchecked(logits, target) if len(target) else np.zeros((), logits.dtype)


def as_labels(logits: Array, target: Array) -> Array:
    """Takes the sum of target probabilities where it should take their mean over rows."""
    if target.dtype.kind != "f":
        return unchecked(logits, target)
    x = logits - logits.max(-1, keepdims=True)
    return np.asarray((target * (np.log(np.exp(x).sum(-1, keepdims=True)) - x)).sum(dtype=logits.dtype))


@pytest.mark.parametrize(
    ("function", "left", "expected"),
    [(rows_alone, ["probabilities"], "--without empty"), (as_labels, ["empty"], "--without probabilities")],
)
def test_a_kind_of_question_that_may_be_left_out(function: Any, left: list[str], expected: str) -> None:
    """Is named where the same question without it is answered right."""
    without = [*left, "nonfinite", "invalid_labels", "masked", "unnormalised"]
    (row,) = softproof.verify(
        function, operation="cross_entropy", adapter="numpy", dtypes=["float32"], seed=0, ndim=[2], examples=60,
        without=without, diagnose=True, arithmetic="auto",
    ).rows  # fmt: skip

    assert row.failure is not None
    assert row.failure.diagnosis.next.endswith(expected), row.failure.diagnosis
