"""Mutants that mistake strides, axes, tiles and the end of an array."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase
from .steps.softmax import Softmax
from .upstream import packed

mutant = group("layout, axes and tiles")


@mutant(
    "labels-packed",
    story="Labels are read as N numbers one after the other, whatever their stride is.",
    effect="Losses of other labels, or of none.",
    trigger="a column of labels, expanded labels",
    source="pytorch/pytorch #67167, #72120, #71550, PR #69617",
    place="both",
)
class LabelsPacked(CrossEntropy):
    def labels(self, target: Tensor) -> Tensor:
        storage = target.new_empty(0).set_(target.untyped_storage())
        found = storage[target.storage_offset() :][: target.numel()]
        return torch.cat([found, found.new_zeros(target.numel() - len(found))])


@mutant(
    "strides-ignored",
    story="The storage is read, not the view.",
    effect="The softmax of other numbers.",
    trigger="a transposed or sliced view",
    source="tracel-ai/burn #4815; flagos-ai/Torch-FL #171; ml-explore/mlx #657; pytorch/pytorch #75923, PR #139740",
    place="forward",
)
class StridesIgnored(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return super().exponentials(packed(z), dim)


@mutant(
    "contiguous-or-nothing",
    story="An upstream gradient that is not contiguous is refused.",
    effect="An error for a valid question.",
    trigger="an upstream gradient of other strides",
    source="pytorch/pytorch #175084, PR #175246; intel/intel-extension-for-pytorch #175",
    place="backward",
)
class ContiguousOrNothing(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        if not g.is_contiguous():
            raise RuntimeError("grad_output must be contiguous")
        return super().upstream(case, g)


@mutant(
    "band-past-a-power-of-two",
    story="Rows one longer than a power of two from 16 on lose their last element to the tile.",
    effect="Every other width is right.",
    trigger="widths 17, 33, 65, 129, …",
    source="intel/torch-xpu-ops #4772; deepspeedai/DeepSpeed PR #2709; microsoft/onnxruntime PR #14475",
    place="forward",
)
class BandPastAPowerOfTwo(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        size = e.shape[dim] - 1
        band = size >= 16 and size & (size - 1) == 0
        return super().total(e.narrow(dim, 0, size) if band else e, dim)


@mutant(
    "index-in-16-bits",
    story="The index within a row is a short integer, so the row ends at 32767 (the real ones end at 2³¹).",
    effect="The rest of a long row is never read.",
    trigger="more than 32767 classes",
    source="pytorch/pytorch #103501, #191565, PR #192007",
    place="forward",
)
class IndexIn16Bits(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        return super().total(e.narrow(dim, 0, min(e.shape[dim], 32767)), dim)


@mutant(
    "rows-in-16-bits",
    story="The number of a row is an unsigned short, so row 65536 is row 0 again.",
    effect="Rows beyond the first 65536 have the loss of others.",
    trigger="more than 65536 rows",
    source="the symptom of a grid dimension that is too small",
    place="forward",
)
class RowsIn16Bits(CrossEntropy):
    def losses(self, case: LossCase) -> Tensor:
        losses = super().losses(case)
        return losses[torch.arange(len(losses), device=losses.device) % 65536]


@mutant(
    "kernel-of-another-dtype",
    story="The kernel that was compiled for the first dtype is used for all that follow.",
    effect="Memory of one dtype is read as another, once two dtypes meet in one process.",
    trigger="two dtypes in one process",
    source="ROCm/MIOpen #2966",
    place="state",
    dtypes=("float64", "float32"),
)
class KernelOfAnotherDtype(Softmax):
    def __init__(self) -> None:
        self.compiled: torch.dtype | None = None

    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        self.compiled = self.compiled or z.dtype
        read = z.contiguous().view(-1).view(self.compiled)[: z.numel()].to(z.dtype) if z.numel() else z.reshape(-1)
        return super().exponentials(torch.cat([read, z.new_zeros(z.numel() - len(read))]).reshape(z.shape), dim)
