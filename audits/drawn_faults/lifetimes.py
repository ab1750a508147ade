"""Faults that no single answer shows: what is written where somebody still looks, and what is kept between calls."""

from __future__ import annotations

import inspect
import weakref
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from softproof import OPERATIONS, Problem, verify
from softproof.candidates.adapters.torch_arrays import make
from softproof.mutants.record import left_out
from softproof.problem.operations import DEFAULTS
from softproof.problem.rows import main_input

from .record import Fault
from .steps import STEPPED
from .tailored import tailored


class _Passing(torch.autograd.Function):
    """Hands on the value, and the upstream gradient, both of which a fault may change."""

    @staticmethod
    def forward(ctx: Any, living: Living, box: list[Any], value: Tensor) -> Tensor:
        ctx.living, ctx.box = living, box
        return living.given(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, ctx.living.taken(grads[0], ctx.box)


class Living:
    """A right operation in torch with a fault that has a memory; it has the arguments of its counterpart."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.operation = fault, STEPPED[fault.operation]
        self.__signature__ = inspect.signature(self.operation.__call__)
        self.calls, self.active = 0, False
        self.workspace = torch.empty(0)
        self.last: Tensor | None = None

    @staticmethod
    def size(problem: Problem) -> int:
        """The rows of a problem, as the operation counts them: all but the last axis."""
        return prod(main_input(problem).shape[:-1])

    def __call__(self, *tensors: Any, **options: Any) -> Tensor:
        """The counterpart in torch.nn.functional."""
        first = tensors[0] if tensors else next(iter(options.values()))
        self.calls += 1
        self.active = first.shape[:-1].numel() > self.fault.threshold
        box: list[Any] = [self.active]
        value: Tensor = _Passing.apply(self, box, self.operation(*tensors, **options))  # type: ignore[no-untyped-call]
        box.append(weakref.ref(value))
        return value

    def given(self, value: Tensor) -> Tensor:
        """The value, in a workspace, with what the last call left, or from some call on wrong."""
        before, self.last = self.last, value.detach().clone()
        effect = self.fault.effect if self.active else ""
        if effect == "value in a workspace":
            return self._in_workspace(value)
        found = value.clone()
        if effect == "tail of the last call" and before is not None and before.shape == value.shape:
            rest = value.numel() // 2
            found.reshape(-1)[rest:] = before.reshape(-1)[rest:].to(value.dtype)
        if effect == "wrong after some calls" and self.calls > self.fault.tile:
            found *= 2
        self._value = found.detach()
        return found

    def _in_workspace(self, value: Tensor) -> Tensor:
        if self.workspace.numel() < value.numel() or self.workspace.dtype != value.dtype:
            self.workspace = torch.empty(value.numel(), dtype=value.dtype)
        found = self.workspace.detach()[: value.numel()].view(value.shape)
        return found.copy_(value)

    def taken(self, g: Tensor, box: list[Any]) -> Tensor:
        """The upstream gradient of the operation itself."""
        if not box[0]:
            return g
        if self.fault.effect == "gradient in the value's memory" and box[1:] and box[1]() is not None:
            box[1]().detach().zero_()
        if self.fault.effect == "gradient when the value is dropped" and box[1]() is None:
            return 2 * g
        return g


def survives_verify(fault: Fault, seed: int) -> bool:
    """Whether a run of `verify` for its row does not see it."""
    report = verify(
        Living(fault), operation=fault.operation, adapter="torch", dtypes=[fault.dtype], seed=seed, shrink=False,
        without=left_out(fault.operation),
    )  # fmt: skip
    return report.ok


# ---- the question that shows it -------------------------------------------------------------------------------------


def survives_its_own(fault: Fault) -> bool:
    """Whether what is asked in the way that the fault cannot stand is right all the same."""
    living, operation = Living(fault), Living(replace(fault, effect="none"))
    problem = next(tailored(fault))
    if fault.effect == "gradient when the value is dropped":
        return torch.equal(_dropped(living, problem), _dropped(operation, problem))
    if fault.effect == "wrong after some calls":
        for _ in range(fault.tile):
            _call(living, _arrays(problem), problem)
    tensors = _arrays(problem)
    first = _call(living, tensors, problem)
    kept, expected = first.detach().clone(), _call(operation, tensors, problem)
    if not torch.equal(kept, expected):
        return False
    if fault.effect == "gradient in the value's memory":
        torch.autograd.backward(first, _upstream(problem))
        return torch.equal(first.detach(), kept)
    other = replace(problem, inputs={**problem.inputs, _main(problem): main_input(problem)[::-1]})
    expected = _call(operation, _arrays(other), other)
    again = _call(living, _arrays(other), other)
    return torch.equal(first, kept) and torch.equal(again, expected)


def _main(problem: Problem) -> str:
    return next(iter(problem.inputs))


def _upstream(problem: Problem) -> Tensor:
    assert problem.grad_output is not None
    return make(problem.grad_output, problem.dtype, "contiguous", "cpu")


def _arrays(problem: Problem) -> dict[str, Tensor]:
    found = {name: make(x, problem.dtype, "contiguous", "cpu") for name, x in problem.inputs.items()}
    found[_main(problem)].requires_grad_()
    return found


def _call(living: Living, tensors: dict[str, Tensor], problem: Problem) -> Tensor:
    about = OPERATIONS[problem.operation]
    ordered = [tensors.get(name) for name in (*about.inputs, *about.optional)]
    options = {name: problem.options.get(name, DEFAULTS[name]) for name in about.options if name != "keepdim"}
    return living(*ordered, **options)


def _dropped(living: Living, problem: Problem) -> Tensor:
    """The gradient of the main input, of a sum whose value nobody holds."""
    tensors = _arrays(problem)
    torch.autograd.backward((_call(living, tensors, problem) * _upstream(problem)).sum())
    grad = tensors[_main(problem)].grad
    assert grad is not None
    return grad
