"""A loss that makes its gradient in the forward pass and stores it in half precision, as fused kernels do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given

import softproof
from softproof.bounds.models import MODELS
from softproof.generation.strategies import problems
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Problem

KINDS = frozenset({"reduction", "ignore_index", "unbatched", "empty", "masked"})


class _Loss(torch.autograd.Function):
    """float32 inside; what is kept is (p - y)/D in the format of the logits, and the upstream gradient comes last."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, target: torch.Tensor, ignored: int, reduction: str) -> torch.Tensor:
        x = logits.detach().float().requires_grad_()
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(x, target, ignore_index=ignored, reduction=reduction)
            (grad,) = torch.autograd.grad(loss.sum(), x)
        ctx.save_for_backward(grad.to(logits.dtype))
        ctx.axis = min(logits.ndim - 1, 1)
        return loss.detach().to(logits.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (grad,) = ctx.saved_tensors
        g = grads[0]
        return grad * (g.unsqueeze(ctx.axis) if g.ndim else g), None, None, None


def loss(input: Any, target: Any, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """The loss."""
    return _Loss.apply(input, target, ignore_index, reduction)  # type: ignore[no-untyped-call]  # torch's own


def off_by_two_units(input: Any, target: Any, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """The same, whose gradient is 2 units in the last place too large."""
    found = _Scaled.apply(input)  # type: ignore[no-untyped-call]  # torch's own
    return loss(found, target, ignore_index, reduction)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_ctx: Any, *grads: torch.Tensor) -> Any:
        return grads[0] * (1 + 3 * torch.finfo(grads[0].dtype).eps)


RIGHT = softproof.load(loss, operation="cross_entropy", adapter="torch")
WRONG = softproof.load(off_by_two_units, operation="cross_entropy", adapter="torch")


def of_one_row(dtype: str, seed: int) -> Problem:
    """Whose label is unlikely, so that its gradient is nearly the upstream one, and is rounded twice."""
    rng = np.random.default_rng(seed)
    fmt = FORMATS[dtype]
    x = fmt.round(3 * rng.normal(size=(1, 40)))
    x[0, 7] = x.max() - 8
    upstream = fmt.round(rng.uniform(0.1, 3.0, ()))
    return Problem("cross_entropy", dtype, {"logits": fmt.round(x), "target": [7]}, {"reduction": "sum"}, upstream)


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
def test_two_roundings_are_allowed_and_more_are_not(form: str) -> None:
    """By `eager`; by `fused`, which rounds once, many of them are refused."""
    asked = [of_one_row(form, seed) for seed in range(40)]
    judged = [softproof.judge(RIGHT, each, arithmetic=MODELS["eager"]) for each in asked]
    assert [each for each in judged if not each.ok] == []
    assert sum(not softproof.judge(RIGHT, each, arithmetic=MODELS["fused"]).ok for each in asked) > 5
    assert sum(not softproof.judge(WRONG, each, arithmetic=MODELS["eager"]).ok for each in asked) == len(asked)


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
@given(problem=problems("cross_entropy", "float16", supports=KINDS))
def test_it_agrees_whatever_is_asked(form: str, problem: Problem) -> None:
    """Of what either format holds."""
    fmt = FORMATS[form]
    inputs = {name: fmt.round(x) if x.dtype.kind == "f" else x for name, x in problem.inputs.items()}
    upstream = None if problem.grad_output is None else fmt.round(problem.grad_output)
    asked = Problem("cross_entropy", form, inputs, problem.options, upstream, problem.layout)

    assert softproof.judge(RIGHT, asked, arithmetic=MODELS["eager"]).outcome != "disagrees"
