"""The fused cross-entropy of triton_cross_entropy with a planted fault: places past the end of a row count as 0."""

from __future__ import annotations

from typing import Any

from .triton_cross_entropy import reduced


def cross_entropy(input: Any, target: Any, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """Each of them adds e⁰ to the row's sum."""
    return reduced(input, target, ignore_index, reduction, 0.0)
