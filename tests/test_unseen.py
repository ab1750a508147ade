"""What autograd does not see is left out where it never sees it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

import softproof
from softproof.mutants.smoothing import second_derivative_of_zero
from softproof.problem.problem import Array
from softproof.runs.harmless import plain
from softproof.runs.probing import refusals
from softproof.runs.unseen import SECOND, is_silent, no_backward
from tests.helpers.profiles import profile_of

DTYPES = ["float64", "float32"]


def without_forward_mode(x: Tensor) -> Tensor:
    """As torch.compile makes it: the tangent is dropped."""
    primal = forward_ad.unpack_dual(x).primal if forward_ad._current_level >= 0 else x  # type: ignore[no-untyped-call]
    return torch.softmax(primal, -1)


def now_and_then(x: Tensor) -> Tensor:
    """The same for few classes alone."""
    return without_forward_mode(x) if x.shape[-1] < 5 else torch.softmax(x, -1)


class _Twice(torch.autograd.Function):
    """A wrong derivative of its own."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.softmax(x, -1)

    @staticmethod
    def setup_context(ctx: Any, _inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * (grads[0] - (grads[0] * y).sum(-1, keepdim=True))

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return 2 * y * (tangents[0] - (tangents[0] * y).sum(-1, keepdim=True))


class _Zeros(torch.autograd.Function):
    """The gradient of a softmax at y, which says that its own derivatives are 0."""

    @staticmethod
    def forward(_x: Tensor, y: Tensor, grad: Tensor) -> Tensor:
        return y * (grad - (grad * y).sum(-1, keepdim=True))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, y, _ = ctx.saved_tensors
        return torch.zeros_like(x), None, y * (grads[0] - (grads[0] * y).sum(-1, keepdim=True))


class _SecondOfZeros(_Twice):
    """Its second derivative, and that in forward mode, are zeros of its own."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output.detach())
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, y = ctx.saved_tensors
        return _Zeros.apply(x, y, grads[0])  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(_ctx: Any, *tangents: Tensor) -> Any:
        return torch.zeros_like(tangents[0])


def slope(x: Tensor) -> Tensor:
    """A gradient that is wrong, and constant."""
    return torch.softmax(x, -1).detach() + 0.5 * (x - x.detach())


@pytest.mark.parametrize(
    ("function", "kind", "silent"),
    [
        (without_forward_mode, "jvp", True),
        (without_forward_mode, "hvp", False),
        (now_and_then, "jvp", False),
        (_Twice.apply, "jvp", False),
        (slope, "hvp", False),
        (partial(second_derivative_of_zero, dim=-1), "hvp", True),
        (_SecondOfZeros.apply, "hvp", False),
        (_SecondOfZeros.apply, "jvp", False),
        (torch.nn.Softmax(-1), "jvp", False),
    ],
)
def test_a_derivative_that_is_0_without_a_word(function: Callable[..., Tensor], kind: str, silent: bool) -> None:
    """Everywhere, beside a gradient that is right."""
    candidate = softproof.load(function, operation="softmax", adapter="torch", ndim=[2])
    usual = plain("softmax", "float32", candidate.supports("softmax"))
    assert usual is not None
    assert is_silent(candidate, usual, kind, "cpu") == silent


def test_it_is_left_out() -> None:
    """And why is told; the advice below a failure says the same, and nothing of that where the number is another."""
    found = profile_of(without_forward_mode, operation="softmax")
    assert "jvp" in found.arguments["without"]
    assert found.not_tested["jvp"].startswith("autograd sees nothing in forward mode")
    assert "jvp" in profile_of(without_forward_mode, operation="softmax", require=["jvp"]).arguments["require"]

    how: dict[str, Any] = {"operation": "softmax", "adapter": "torch", "dtypes": ["float32"], "ndim": [2], "seed": 0}
    for function, words in ((without_forward_mode, "leave it out: --without jvp"), (_Twice.apply, "in a debugger")):
        (row,) = softproof.verify(function, diagnose=True, without=["hvp"], examples=20, **how).rows
        assert row.failure is not None
        assert row.failure.diagnosis.next.endswith(words)


def cut(x: Tensor, where: Callable[[Tensor], bool]) -> Tensor:
    """No graph for some inputs."""
    return torch.softmax(x.detach() if where(x) else x, -1)


@pytest.mark.parametrize(
    ("where", "never"),
    [
        (lambda _x: True, True),
        (lambda x: x.shape[-1:] < (5,), False),
        (lambda x: x.numel() > 100, False),
        (lambda x: x.dtype == torch.float32, False),
        (lambda x: x.dim() != 1, False),
        (lambda x: not x.isneginf().any(), False),
    ],
)
def test_a_graph_that_is_cut_for_some_inputs_alone(where: Callable[[Tensor], bool], never: bool) -> None:
    """Is a bug, and no interface."""
    candidate = softproof.load(lambda x: cut(x, where), operation="softmax", adapter="torch")
    usual = plain("softmax", "float32", candidate.supports("softmax"))
    assert usual is not None
    assert bool(no_backward(candidate, usual, DTYPES, "cpu")) == never


def fails(x: Tensor) -> Tensor:
    """Its backward pass is there, and broken."""

    def launch(_grad: Tensor) -> Tensor:
        raise RuntimeError("launch failed")

    found = torch.softmax(x, -1)
    if found.requires_grad:
        found.register_hook(launch)  # type: ignore[no-untyped-call]
    return found


def of_the_weight(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """One of two gradients is cut off."""
    return F.cross_entropy(hidden @ weight.detach().t(), labels)


@pytest.mark.parametrize(("function", "operation"), [(fails, "softmax"), (of_the_weight, "linear_cross_entropy")])
def test_a_backward_pass_that_fails_is_there(function: Any, operation: str) -> None:
    """So it is asked."""
    assert "gradient" in profile_of(function, operation=operation).arguments["require"]


class _Once(torch.autograd.Function):
    """Frees what it has kept, or keeps the first gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, frees: bool) -> Any:
        ctx.kept, ctx.frees = torch.softmax(x, -1), frees
        return ctx.kept.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        if ctx.kept is None:
            raise RuntimeError("the buffers are gone")
        if ctx.frees or not hasattr(ctx, "first"):
            ctx.first = ctx.kept * (grads[0] - (ctx.kept * grads[0]).sum(-1, keepdim=True))
        ctx.kept = None if ctx.frees else ctx.kept
        return ctx.first, None


@pytest.mark.parametrize("frees", [True, False])
def test_who_refuses_a_second_backward_pass(frees: bool) -> None:
    """It is left out; one that is wrong is not."""
    found = profile_of(lambda x: _Once.apply(x, frees), operation="softmax")  # type: ignore[no-untyped-call]
    assert (SECOND in found.arguments.get("without", ())) == frees
    assert not frees or found.not_tested[SECOND].endswith("the buffers are gone")


def test_who_says_what_is_taken_is_asked_for_the_gradient() -> None:
    """It is not left out of a table that requires it, or that describes an interface."""

    def value_alone(x: Tensor) -> Tensor:
        return torch.softmax(x.detach(), -1)

    assert "gradient" in profile_of(value_alone, operation="softmax").arguments["without"]
    given: list[dict[str, Any]] = [{"require": ["gradient"]}, {"supports": ["dim"]}]
    for said in given:
        assert "without" not in profile_of(value_alone, operation="softmax", **said).arguments


def in_place(x: Tensor) -> Tensor:
    """Its input is gone."""
    with torch.no_grad():
        x -= x.amax(-1, keepdim=True)
    return torch.softmax(x, -1)


def in_place_by_numpy(x: Array) -> Array:
    """The same, and no gradient."""
    x -= x.max(-1, keepdims=True)
    return np.asarray(np.exp(x) / np.exp(x).sum(-1, keepdims=True))


def test_what_is_overwritten_is_named() -> None:
    """Below the failure; and of a function without gradients, too."""
    how: dict[str, Any] = {"operation": "softmax", "adapter": "torch", "dtypes": ["float32"], "ndim": [2], "seed": 0}
    (row,) = softproof.verify(in_place, diagnose=True, without=["empty_classes"], examples=10, **how).rows
    assert row.failure is not None
    assert row.failure.diagnosis.next == "if it is documented to overwrite that: --writes logits"

    candidate = softproof.load(in_place_by_numpy, operation="softmax", adapter="numpy")
    assert refusals(candidate, "softmax", "float32").written == ("logits",)
