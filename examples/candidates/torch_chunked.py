"""torch.nn.functional.linear_cross_entropy in chunks of the batch, with each policy of its gradients."""

from __future__ import annotations

from torch import Tensor
from torch.nn import LinearCrossEntropyOptions
from torch.nn import functional as F

OPTIONS = LinearCrossEntropyOptions(batch_chunk_size=2)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Two rows at a time."""
    return F.linear_cross_entropy(
        input, linear_weight, target, linear_bias=linear_bias, weight=weight, reduction=reduction,
        ignore_index=ignore_index, label_smoothing=label_smoothing, options=OPTIONS,
    )  # fmt: skip
