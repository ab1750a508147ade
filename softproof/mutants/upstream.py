"""Mutants that mishandle the upstream gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LinearCrossEntropy, LossCase
from .steps.information import Entropy
from .steps.operation import wide
from .steps.softmax import LogSoftmax

mutant = group("upstream gradient")


@mutant(
    "first-upstream-gradient",
    story="The backward kernel loads the upstream gradient as a scalar, so every row has that of the first.",
    effect="All rows are scaled alike; none learns anything once the first is masked.",
    trigger="reduction none, upstream gradients that differ",
    source="NVIDIA/TransformerEngine PR #2139; linkedin/Liger-Kernel #678, PR #680, #968",
    place="backward",
)
class FirstUpstreamGradient(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        return super().upstream(case, g.reshape(-1)[:1].expand(g.numel()) if g.numel() else g)


@mutant(
    "upstream-gradient-dropped",
    story="The backward pass never reads the upstream gradient.",
    effect="Loss scaling, and weights of several losses, have no effect.",
    trigger="an upstream gradient that is not 1",
    source="pytorch/pytorch PR #94226 (MPS); PaddlePaddle/Paddle #5395",
    place="backward",
)
class UpstreamGradientDropped(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        return super().upstream(case, torch.ones_like(g))


@mutant(
    "upstream-gradient-packed",
    story="The upstream gradient is read as N numbers one after the other, whatever its strides are.",
    effect="Of what .sum() hands back, one number expanded, all rows but the first read foreign memory.",
    trigger="reduction none, an upstream gradient of stride 0 or 2",
    source="ROCm/TransformerEngine PR #623; flagos-ai/FlagGems PR #5723; cause in pytorch/pytorch #64529",
    place="backward",
)
class UpstreamGradientPacked(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        return super().upstream(case, packed(g))


def packed(x: Tensor) -> Tensor:
    """The first numbers of the storage, in place of those that the strides name; NaN where it ends."""
    storage = x.new_empty(0).set_(x.untyped_storage())[x.storage_offset() :][: x.numel()]
    beyond = x.new_full((x.numel() - storage.numel(),), float("nan"))
    return torch.cat([storage, beyond]).reshape(x.shape)


@mutant(
    "weight-gradient-summed-early",
    story="A fused loss sums its weight's gradient over rows in the forward pass, and scales it by one number later.",
    effect="With one upstream gradient for each row the gradient of the weight is wrong, that of the input right.",
    trigger="linear_cross_entropy, reduction none, upstream gradients that differ",
    source="linkedin/Liger-Kernel PR #1298",
    place="backward",
)
class WeightGradientSummedEarly(LinearCrossEntropy):
    def backward(self, g: Tensor, *tensors: Any, **options: Any) -> tuple[Tensor | None, ...]:
        right = super().backward(g, *tensors, **options)
        first = g.reshape(-1)[:1].expand(g.numel()).reshape(g.shape) if g.numel() else g
        wrong = super().backward(first, *tensors, **options)
        return right[0], wrong[1], None, wrong[3], None


@mutant(
    "no-gradient-without-reduction",
    story="With reduction none the backward pass returns zeros.",
    effect="Nothing is learned, and nothing is reported.",
    trigger="reduction none",
    source="microsoft/DirectML #739, #740",
    place="backward",
)
class NoGradientWithoutReduction(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        return super().of_logits(case, c) * (case.reduction != "none")


@mutant(
    "shard-without-gradient",
    story="The classes are sharded; a shard without the label passes no gradient back (two shards simulated).",
    effect="Half of the gradient is 0.",
    trigger="more than one class",
    source="modelscope/ms-swift PR #9947",
    place="backward",
)
class ShardWithoutGradient(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        grad, half = super().of_logits(case, c), case.classes // 2
        if case.labels is None or not half:
            return grad
        first = (torch.arange(case.classes, device=grad.device) < half)[None, :]
        return torch.where(first == (case.labels < half)[:, None], grad, 0.0)


@mutant(
    "frozen-inputs",
    story="The backward pass detaches the gradient of every input, also where it has none because nobody asked for it.",
    effect="An error where some of input, weight and bias are frozen.",
    trigger="a subset of requires_grad",
    source="linkedin/Liger-Kernel #930, #1156, PR #1157",
    place="backward",
)
class FrozenInputs(LinearCrossEntropy):
    def apply(self, *tensors: Tensor | None, **options: Any) -> Tensor:
        x, w, _, b, _ = tensors
        asked = [each.requires_grad for each in (x, w, b) if each is not None]
        if any(asked) and not all(asked):
            raise AttributeError("'NoneType' object has no attribute 'detach'")
        return super().apply(*tensors, **options)


@mutant(
    "log-softmax-row-sum-of-first",
    story="The backward pass of log-softmax sums the upstream gradients of the first row only.",
    effect="Rows after the first get a gradient that does not sum to 0.",
    trigger="more than one row",
    source="a textbook slip in broadcasting",
    place="backward",
)
class LogSoftmaxRowSumOfFirst(LogSoftmax):
    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        p, sums = self.forward(z, dim).exp(), wide(g).sum(dim, keepdim=True)
        return (wide(g) - p * sums.reshape(-1)[:1].reshape(()).expand(sums.shape) if g.numel() else g,)


@mutant(
    "upstream-gradient-along-classes",
    story="The axis that the sum has removed is not put back, and upstream gradients go to classes in place of rows.",
    effect="An error, but where there are as many rows as classes.",
    trigger="as many rows as classes, upstream gradients that differ",
    source="devised: a textbook slip of NumPy code (keepdims)",
    place="backward",
)
class UpstreamGradientAlongClasses(Entropy):
    def backward(self, g: Tensor, p: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        square = p.ndim == 2 and p.shape[0] == p.shape[1]
        return super().backward(g, p, 1 - dim % 2 if square else dim)
