"""Mutants whose numbers may be right, and that do harm besides: written inputs, shared memory, remembered answers."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .record import group
from .steps.cross_entropy import Case, CrossEntropy
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
    def reduced(self, case: Case, losses: Tensor) -> Tensor:
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
        return self.carried_back(g, value, dim)


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


@mutant(
    "one-workspace-for-all-threads",
    story="The sum of a row is kept beside the function until the next step reads it.",
    effect="Two threads that call at once divide by each other's sums.",
    trigger="calls from two threads",
    source="the symptom of a global workspace",
    place="state",
)
class OneWorkspaceForAllThreads(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        self.e = self.exponentials(wide(z), dim)
        self.sum = self.total(self.e, dim)
        return self.e / self.sum


@mutant(
    "tuned-after-some-calls",
    story="After 24 calls in a row in the same memory a recorded kernel takes over, whose sum is a bfloat16.",
    effect="The first steps are right, and so is every short test.",
    trigger="many calls with the same arrays",
    source="the symptom of a kernel that is tuned or recorded while it is used",
    place="state",
)
class TunedAfterSomeCalls(Softmax):
    def __init__(self) -> None:
        self.last, self.calls = 0, 0

    def forward(self, z: Tensor, dim: int) -> Tensor:
        self.calls = self.calls + 1 if z.data_ptr() == self.last else 1
        self.last = z.data_ptr()
        return super().forward(z, dim)

    def total(self, e: Tensor, dim: int) -> Tensor:
        total = super().total(e, dim)
        return total.bfloat16().to(e.dtype) if self.calls > 24 else total


@mutant(
    "missing-barrier",
    story="The largest logit is read before all of the row has arrived: now and then it is another number.",
    effect="Answers differ from call to call, each within rounding, until a logit is large.",
    trigger="large logits; asking twice",
    source="ROCm/MIOpen PR #2268; ml-explore/mlx-lm PR #1719, #1700",
    place="state",
)
class MissingBarrier(Softmax):
    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(0)

    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        late = bool(torch.rand((), generator=self.random) < 0.3)
        return (z - z.narrow(dim, 0, 1)).exp() if late else super().exponentials(z, dim)


@mutant(
    "not-a-number",
    story="A NaN in the last class of every fourth row.",
    effect="NaN.",
    trigger="more than three rows",
    source="a symptom",
    place="forward",
)
class NotANumber(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return _last_of_each_fourth(super().forward(z, dim), dim, float("nan"))


@mutant(
    "infinite",
    story="An infinity in the last class of every fourth row.",
    effect="inf.",
    trigger="more than three rows",
    source="a symptom",
    place="forward",
)
class Infinite(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return _last_of_each_fourth(super().forward(z, dim), dim, float("inf"))


def _last_of_each_fourth(p: Tensor, dim: int, number: float) -> Tensor:
    rows = p.movedim(dim, -1).reshape(-1, p.shape[dim]).clone()
    rows[3::4, -1] = number
    return rows.reshape(p.movedim(dim, -1).shape).movedim(-1, dim)


@mutant(
    "gradient-of-the-other-sign",
    story="The gradient has the other sign.",
    effect="Training climbs.",
    trigger="any gradient",
    source="a symptom",
    place="backward",
)
class GradientOfTheOtherSign(CrossEntropy):
    def of_logits(self, case: Case, c: Tensor) -> Tensor:
        return -super().of_logits(case, c)


@mutant(
    "a-few-ulps",
    story="The largest probability of a row is multiplied by 1 + 2⁻²⁰.",
    effect="Eight ulps: just outside the bound of short rows.",
    trigger="few classes",
    source="a symptom",
    place="forward",
)
class AFewUlps(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        p = super().forward(z, dim)
        return torch.where(p == p.amax(dim, keepdim=True), p * (1 + 2.0**-20), p)


@mutant(
    "one-dimension-more",
    story="The reduced dimension stays.",
    effect="A shape that broadcasts where nobody expects it.",
    trigger="any logits",
    source="a symptom",
    place="forward",
    operation="logsumexp",
)
def one_dimension_more(input: Tensor, dim: int) -> Tensor:
    """Along `dim`."""
    return input.logsumexp(dim, keepdim=True)


@mutant(
    "another-dtype",
    story="float32 comes back as float64.",
    effect="Twice the memory, and an error in the next layer.",
    trigger="any logits",
    source="a symptom",
    place="forward",
    operation="softmax",
)
def another_dtype(input: Tensor, dim: int) -> Tensor:
    """Along `dim`."""
    return input.softmax(dim).double()


@mutant(
    "batch-dependent",
    story="Single rows take another path, which adds up in another precision.",
    effect="What is sampled for a prompt depends on who else is in the batch.",
    trigger="one row beside many",
    source="the symptom of split reductions that depend on the batch",
    place="state",
)
class BatchDependent(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        total = super().total(e, dim)
        return total.bfloat16().to(e.dtype) if e.numel() == e.shape[dim] else total


class _ScaledInPlace(torch.autograd.Function):
    """Computes the gradient in the forward pass, and multiplies it by the upstream gradient in the backward pass."""

    @staticmethod
    def forward(ctx: Any, operation: CrossEntropy, options: dict[str, Any], *tensors: Tensor | None) -> Tensor:
        asked = [None if x is None else x.detach() for x in tensors]
        value = operation.forward(*asked, **options)
        ctx.dtypes = [None if x is None else x.dtype for x in tensors]
        ctx.kept = operation.backward(torch.ones_like(value), *asked, **options)
        ctx.of_rows = options["reduction"] == "none"
        return value.to(asked[0].dtype)  # type: ignore[union-attr]  # logits are never None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        found = []
        for kept, dtype, needed in zip(ctx.kept, ctx.dtypes, ctx.needs_input_grad[2:], strict=True):
            if kept is not None:
                of_rows = ctx.of_rows and kept.ndim > grads[0].ndim
                kept.mul_(grads[0].unsqueeze(min(kept.ndim - 1, 1)) if of_rows else grads[0])
            found.append(kept.to(dtype, copy=True) if kept is not None and needed else None)
        return None, None, *found


@mutant(
    "saved-gradient-scaled-in-place",
    story="The gradient is computed in the forward pass, and each backward pass multiplies it in place by its upstream "
    "gradient.",
    effect="A second backward pass on the same graph has the product of both upstream gradients.",
    trigger="retain_graph, two backward passes",
    source="Dao-AILab/quack PR #209; unslothai/unsloth-zoo PR #610; k2-fsa/k2 PR #1106",
    place="state",
)
class SavedGradientScaledInPlace(CrossEntropy):
    def apply(self, *tensors: Tensor | None, **options: Any) -> Tensor:
        found: Tensor = _ScaledInPlace.apply(self, options, *tensors)  # type: ignore[no-untyped-call]  # torch's own
        return found
