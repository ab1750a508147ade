"""What XLA, TensorFlow and MLX do on a CPU: subnormal numbers count as 0."""

from __future__ import annotations

from dataclasses import replace

from softproof import MODELS, Arithmetic, Problem


def xla_cpu(problem: Problem) -> Arithmetic:
    """Any order, or a stored logsumexp, or base 2, and subnormal numbers may count as 0."""
    return replace(MODELS["fused"](problem), name="XLA on a CPU", flushes=True)
