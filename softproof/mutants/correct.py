"""The operations in torch, in steps: right as they stand, and wrong in one place once a subclass replaces a step."""

from __future__ import annotations

from .steps.cross_entropy import CrossEntropy, LinearCrossEntropy
from .steps.information import DistributionCrossEntropy, Entropy, KlDivergence
from .steps.linear import Linear
from .steps.operation import Operation
from .steps.softmax import LogSoftmax, LogSumExp, Softmax
from .steps.softmax_information import SoftmaxEntropy, SoftmaxKlDivergence

CORRECT: tuple[Operation, ...] = (
    Softmax(), LogSoftmax(), LogSumExp(), Entropy(), DistributionCrossEntropy(), KlDivergence(), SoftmaxEntropy(),
    SoftmaxKlDivergence(), Linear(), CrossEntropy(), LinearCrossEntropy(),
)  # fmt: skip
