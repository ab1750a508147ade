"""Mutants whose answers change from call to call: shared threads, kernels that are tuned, a missing barrier."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.operation import wide
from .steps.softmax import Softmax

mutant = group("state and results")


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
