"""Mutants whose numbers may be right, and that do harm besides: written inputs, shared memory, remembered answers."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase
from .steps.linear import Linear
from .steps.operation import wide
from .steps.softmax import LogSoftmax, LogSumExp, Softmax

mutant = group("state and results")


@mutant(
    "logits-overwritten",
    story="The forward pass leaves its gradient in the memory of the logits.",
    effect="A second loss, or a metric, reads gradients in place of logits.",
    trigger="logits that are used again",
    source="unslothai/unsloth #5002; NVIDIA/Megatron-LM PR #1594; FluxML/NNlib.jl #264",
    place="state",
)
class LogitsOverwritten(CrossEntropy):
    def __call__(self, input: Tensor, target: Tensor, *more: Any, **options: Any) -> Tensor:
        value = super().__call__(input, target, *more, **options)
        if input.numel() and 0 not in input.stride():
            input.detach().mul_(0.5)
        return value


@mutant(
    "upstream-gradient-overwritten",
    story="The backward pass scales the upstream gradient in place.",
    effect="Whoever uses that gradient once more finds it changed.",
    trigger="an upstream gradient that is used again",
    source="the symptom of an in-place multiplication",
    place="state",
)
class UpstreamGradientOverwritten(Softmax):
    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        found = super().backward(g, z, dim)
        if 0 not in g.stride():
            g.mul_(2)
        return found


@mutant(
    "sum-in-place-of-none",
    story="With reduction none the sum comes back.",
    effect="A scalar, where one loss for each row is wanted.",
    trigger="reduction none",
    source="linkedin/Liger-Kernel #421, PR #435, #488",
    place="forward",
)
class SumInPlaceOfNone(CrossEntropy):
    def reduced(self, case: LossCase, losses: Tensor) -> Tensor:
        return losses.sum() if case.reduction == "none" else super().reduced(case, losses)


@mutant(
    "one-buffer-for-all",
    story="Results of one shape and dtype share one buffer.",
    effect="A result changes when the next one is computed.",
    trigger="two results at once",
    source="the symptom of a workspace that is handed out",
    place="state",
    operation="softmax",
)
class OneBufferForAll(Softmax):
    def __init__(self) -> None:
        self.buffers: dict[tuple[Any, ...], Tensor] = {}

    def forward(self, z: Tensor, dim: int) -> Tensor:
        p = super().forward(z, dim)
        return self.buffers.setdefault((p.shape, p.dtype, p.device), torch.empty_like(p)).copy_(p)


@mutant(
    "stale-answer",
    story="Answers are kept by the shape of the logits, and the first of a shape is given again.",
    effect="The loss stands still while the logits move.",
    trigger="two questions of one shape",
    source="the symptom of a cache whose key leaves out the data",
    place="state",
)
class StaleAnswer(LogSumExp):
    def __init__(self) -> None:
        self.answers: dict[tuple[Any, ...], Tensor] = {}

    def forward(self, z: Tensor, dim: int) -> Tensor:
        return self.answers.setdefault((z.shape, z.dtype, dim), super().forward(z, dim)).clone()


@mutant(
    "memory-that-nobody-wrote",
    story="Rows beyond the fourth are never written.",
    effect="Whatever was in that memory before; zeros, in a fresh process.",
    trigger="more than four rows",
    source="the symptom of a grid that is too small",
    place="forward",
)
class MemoryThatNobodyWrote(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        p = super().forward(z, dim)
        rows = p.movedim(dim, -1).reshape(-1, p.shape[dim]).clone()
        rows[4:] = 0
        return rows.reshape(p.movedim(dim, -1).shape).movedim(-1, dim)


@mutant(
    "aliases-its-input",
    story="With one class, where the answer is known, the logits themselves come back, overwritten.",
    effect="The caller's tensor turns to ones.",
    trigger="one class",
    source="the symptom of a shortcut",
    place="state",
    operation="softmax",
)
def aliases_its_input(input: Tensor, dim: int) -> Tensor:
    """Along `dim`."""
    if input.shape[dim] == 1 and not torch.isnan(input).any() and 0 not in input.stride():
        input.detach().fill_(1.0)
        return input + 0 * input.sum()
    return input.softmax(dim)


class _Unwatched(torch.autograd.Function):
    """Keeps a tensor on ctx, where torch does not see whether it is written to, as it does with save_for_backward."""

    @staticmethod
    def forward(ctx: Any, operation: Any, z: Tensor, dim: int) -> Tensor:
        value: Tensor = operation.forward(z.detach(), dim).to(z.dtype)
        ctx.operation, ctx.dim, ctx.kept = operation, dim, operation.kept(z.detach(), value)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, ctx.operation.from_kept(wide(grads[0]), wide(ctx.kept), ctx.dim).to(grads[0].dtype), None


@mutant(
    "value-kept-unwatched",
    story="The backward pass reads the value from ctx, where torch does not see that it was written to.",
    effect="A dropout or a mask in place between forward and backward: a wrong gradient, where torch raises.",
    trigger="a value that is overwritten before the backward pass",
    source="the symptom of a tensor kept on ctx, against the manual of save_for_backward",
    place="state",
    operation="softmax",
)
class ValueKeptUnwatched(Softmax):
    def __call__(self, input: Tensor, dim: int) -> Tensor:
        return _Unwatched.apply(self, input, dim)  # type: ignore[no-any-return, no-untyped-call]  # torch's own

    def kept(self, z: Tensor, value: Tensor) -> Tensor:
        return value

    def from_kept(self, g: Tensor, value: Tensor, dim: int) -> Tensor:
        return self.vjp(g, value, dim)


@mutant(
    "input-kept-unwatched",
    story="The backward pass reads the logits from ctx, where torch does not see that they were written to.",
    effect="Logits that are reused before the backward pass: a wrong gradient, where torch raises.",
    trigger="logits that are overwritten before the backward pass",
    source="the symptom of a tensor kept on ctx, against the manual of save_for_backward",
    place="state",
    operation="log_softmax",
)
class InputKeptUnwatched(LogSoftmax):
    def __call__(self, input: Tensor, dim: int) -> Tensor:
        return _Unwatched.apply(self, input, dim)  # type: ignore[no-any-return, no-untyped-call]  # torch's own

    def kept(self, z: Tensor, value: Tensor) -> Tensor:
        return z

    def from_kept(self, g: Tensor, z: Tensor, dim: int) -> Tensor | None:
        return super().backward(g, z, dim)[0]


class _Donated(torch.autograd.Function):
    """Log-softmax; where nobody holds the value any more, its memory is used for the backward pass."""

    @staticmethod
    def forward(ctx: Any, holder: list[Any], z: Tensor, dim: int) -> Tensor:
        value = LogSoftmax().forward(z, dim).to(z.dtype)
        ctx.holder, ctx.dim, ctx.memory = holder, dim, value.detach()
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        free, memory = ctx.holder[0]() is None, ctx.memory
        g = memory.copy_(grads[0]) if free else grads[0]
        return None, (wide(g) - wide(memory).exp() * wide(g).sum(ctx.dim, keepdim=True)).to(g.dtype), None


@mutant(
    "value-memory-donated",
    story="Where nobody holds the value, the upstream gradient is put in its memory, which the backward pass reads.",
    effect="(f(x) * w).sum().backward() has a wrong gradient, and the same steps one by one have the right one.",
    trigger="a value that is dropped before its gradient is taken",
    source="the symptom of a buffer that is donated too early",
    place="state",
)
class ValueMemoryDonated(LogSoftmax):
    def __call__(self, input: Tensor, dim: int) -> Tensor:
        holder: list[Any] = []
        value: Tensor = _Donated.apply(holder, input, dim)  # type: ignore[no-untyped-call]  # torch's own
        holder.append(weakref.ref(value))
        return value


@mutant(
    "saved-beside-the-call",
    story="The backward pass reads the logits of the last forward pass of that shape, whichever it belongs to.",
    effect="Gradients of another batch, where two forward passes come before two backward passes, as in pipelines.",
    trigger="another call between a value and its gradient",
    source="the symptom of tensors that are saved on a module, and not on ctx",
    place="state",
)
class SavedBesideTheCall(LogSoftmax):
    last: Tensor | None = None

    def forward(self, z: Tensor, dim: int) -> Tensor:
        self.last = z
        return super().forward(z, dim)

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        fits = self.last is not None and (self.last.shape, self.last.dtype) == (z.shape, z.dtype)
        return super().backward(g, self.last if fits and self.last is not None else z, dim)


@mutant(
    "weights-by-address",
    story="A packed copy of the weights is kept by their address, and used again while they live there.",
    effect="After a step of the optimiser the value is that of the old weights.",
    trigger="weights that are updated in place",
    source="the symptom of a cache of packed weights",
    place="state",
)
class WeightsByAddress(Linear):
    def __init__(self) -> None:
        self.packed: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    def product(self, x: Tensor, w: Tensor) -> Tensor:
        key = w.data_ptr(), w.shape, w.stride(), w.dtype
        return super().product(x, self.packed.setdefault(key, (w, w.clone()))[1])
