"""Mutants of the linear layer: the bias, tails of tiles, partial sums, strides, and what gradients are added to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .precision import ten_bits
from .record import group
from .steps.linear import Linear
from .steps.operation import matrix, wide
from .upstream import packed

mutant = group("the linear layer")


# ---- the bias -------------------------------------------------------------------------------------------------------


@mutant(
    "bias-gradient-of-the-first-axis",
    story="The gradient of the bias is summed over the first axis, and of what is left the bias takes its length.",
    effect="Of sequences, all positions after the first teach the bias nothing.",
    trigger="more than one batch dimension, a bias",
    source="ooples/AiDotNet.Tensors #234; deepspeedai/DeepSpeed PR #4390",
    place="backward",
)
class BiasGradientOfTheFirstAxis(Linear):
    def backward(self, g: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> tuple[Tensor | None, ...]:
        of_x, of_w, of_b = super().backward(g, x, w, b)
        if of_b is not None and g.ndim > 2 and g.numel():
            of_b = wide(g).sum(0).reshape(-1)[: len(of_b)]
        return of_x, of_w, of_b


@mutant(
    "bias-gradient-summed-over-everything",
    story="The gradient of the bias is one sum, over rows and classes, for each class the same.",
    effect="The bias moves as a whole, which a softmax does not see.",
    trigger="more than one class, a bias",
    source="rasbt/stat453-deep-learning-ss21 #5",
    place="backward",
)
class BiasGradientSummedOverEverything(Linear):
    def of_bias(self, g: Tensor) -> Tensor:
        return g.sum().expand(g.shape[1])


@mutant(
    "bias-along-rows",
    story="The bias is added along the rows, where it fits.",
    effect="Silent where there are as many rows as classes.",
    trigger="as many rows as classes, a bias",
    source="devised: a textbook slip in broadcasting",
    place="forward",
)
class BiasAlongRows(Linear):
    def with_bias(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b[:, None] if a.ndim == 2 and len(a) == len(b) else super().with_bias(a, b)


@mutant(
    "bias-added-by-each-split",
    story="Features are split among blocks of 128, whose sums are added up, and each block adds the bias to its own.",
    effect="The bias counts as often as there are blocks.",
    trigger="more than 128 features, a bias",
    source="devised: an epilogue that is fused into a split sum",
    place="forward",
)
class BiasAddedByEachSplit(Linear):
    def forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        blocks = -(-x.shape[-1] // 128)
        return super().forward(x, w, b if b is None else blocks * wide(b))


# ---- tiles and partial sums -----------------------------------------------------------------------------------------


class _FeaturesDropped(Linear):
    tile: int

    def product(self, x: Tensor, w: Tensor) -> Tensor:
        whole = x.shape[-1] // self.tile * self.tile or x.shape[-1]
        return super().product(x[..., :whole], w[:, :whole])


class _ClassesDropped(Linear):
    tile: int

    def product(self, x: Tensor, w: Tensor) -> Tensor:
        whole = len(w) // self.tile * self.tile or len(w)
        return super().product(x, torch.cat([w[:whole], torch.zeros_like(w[whole:])]))


for _tile in (16, 64, 256):
    mutant(
        f"features-after-a-tile-of-{_tile}",
        story=f"A sum over features ends with the last whole tile of {_tile}.",
        effect="What the features of the tail say is lost.",
        trigger=f"more than {_tile} features, not a multiple of it",
        source="triton-lang/triton #630 reads beyond the end of the tail, #1760, #5990",
        place="forward",
    )(type(f"FeaturesAfterATileOf{_tile}", (_FeaturesDropped,), {"tile": _tile}))

for _tile in (32, 256):
    mutant(
        f"classes-after-a-tile-of-{_tile}",
        story=f"Classes after the last whole tile of {_tile} are never computed, and have the bias alone, or 0.",
        effect="Some classes at the end have no logit.",
        trigger=f"more than {_tile} classes, not a multiple of it",
        source="devised: a grid that is rounded down; microsoft/onnxruntime PR #14475 has rows",
        place="forward",
    )(type(f"ClassesAfterATileOf{_tile}", (_ClassesDropped,), {"tile": _tile}))


@mutant(
    "tensor-cores-in-the-linear-layer",
    story="Factors are rounded to 10 bits (TF32), whatever was asked for.",
    effect="Logits of three digits.",
    trigger="any question with products that are not exact",
    source="documented for CUDA: torch.backends.cuda.matmul.allow_tf32",
    place="forward",
)
class TensorCoresInTheLinearLayer(Linear):
    def product(self, x: Tensor, w: Tensor) -> Tensor:
        return super().product(ten_bits(x), ten_bits(w))


@mutant(
    "partial-sums-in-bfloat16",
    story="Features are split among blocks of 8, whose sums are rounded to bfloat16 and added up there.",
    effect="Logits that cancel have a digit or none.",
    trigger="bfloat16, more than 8 features",
    source="flagos-ai/FlagGems PR #5876; modular/modular #7165; ROCm/composable_kernel #2271",
    place="forward",
    dtypes=("bfloat16",),
)
class PartialSumsInBfloat16(Linear):
    def product(self, x: Tensor, w: Tensor) -> Tensor:
        total = x.new_zeros(*x.shape[:-1], len(w), dtype=torch.bfloat16)
        for some, of_w in zip(torch.split(x, 8, -1), torch.split(w, 8, -1), strict=True):
            total = total + super().product(some, of_w).bfloat16()
        return total.to(x.dtype)


# ---- strides and shapes ---------------------------------------------------------------------------------------------


@mutant(
    "weight-read-as-packed",
    story="The weight is read row after row, whatever its strides are.",
    effect="The product with another matrix.",
    trigger="a weight that is a transposed, sliced or strided view",
    source="pytorch/pytorch PR #51713; ELS-RD/kernl #227 for the input",
    place="forward",
)
class WeightReadAsPacked(Linear):
    def forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        return super().forward(x, packed(w), b)


@mutant(
    "viewed-before-it-is-contiguous",
    story="The input is viewed as rows before it is made contiguous.",
    effect="An error for a valid question.",
    trigger="more than one batch dimension, an input of other strides",
    source="flagos-ai/FlagGems #5379",
    place="forward",
)
class ViewedBeforeItIsContiguous(Linear):
    def forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        rows = x.view(x.shape[:-1].numel(), x.shape[-1]).contiguous()
        return super().forward(rows, w, b).reshape(*x.shape[:-1], len(w))


@mutant(
    "input-gradient-by-the-transposed-weight",
    story="The gradient of the input is g wᵀ where that fits.",
    effect="Silent unless there are as many features as classes.",
    trigger="as many features as classes",
    source="devised: a textbook slip",
    place="backward",
)
class InputGradientByTheTransposedWeight(Linear):
    def of_input(self, g: Tensor, w: Tensor) -> Tensor:
        return g @ (w.T if w.shape[0] == w.shape[1] else w)


@mutant(
    "one-class-without-rows",
    story="A batch of no rows times a single class is refused.",
    effect="An error for a valid question.",
    trigger="no rows, one class",
    source="pytorch/pytorch #27619",
    place="forward",
)
class OneClassWithoutRows(Linear):
    def product(self, x: Tensor, w: Tensor) -> Tensor:
        if not matrix(x).shape[0] and len(w) == 1:
            raise RuntimeError("invalid argument 13: ldc should be at least max(1, m=0), but have 0")
        return super().product(x, w)


# ---- what gradients are added to ------------------------------------------------------------------------------------


@mutant(
    "weight-gradient-unwritten-without-rows",
    story="Where there are no rows nothing is written, and the gradient of the weight is what the memory held: NaN.",
    effect="An expert that no token is sent to ends the training.",
    trigger="no rows",
    source="meta-pytorch/MSLK PR #158; tgale96/grouped_gemm #36; NVIDIA/TransformerEngine #2499",
    place="backward",
)
class WeightGradientUnwrittenWithoutRows(Linear):
    def of_weight(self, g: Tensor, x: Tensor) -> Tensor:
        grad = super().of_weight(g, x)
        return grad if len(x) else torch.full_like(grad, torch.nan)


@mutant(
    "weight-gradient-added-to-the-last",
    story="The gradient of the weight is added to a buffer that nobody sets to 0 between two backward passes.",
    effect="Every batch is counted again by those that follow.",
    trigger="two backward passes of one shape",
    source="torch/nn PR #898; intel/ipex-llm PR #856, #894; NVIDIA/TransformerEngine PR #545",
    place="state",
)
class WeightGradientAddedToTheLast(Linear):
    def __init__(self) -> None:
        self.buffers: dict[Any, Tensor] = {}

    def of_weight(self, g: Tensor, x: Tensor) -> Tensor:
        grad = super().of_weight(g, x)
        key = grad.shape, grad.dtype
        self.buffers[key] = self.buffers.get(key, 0) + grad
        return self.buffers[key].clone()
