"""What compilers do to a formula, and what XLA, TensorFlow and MLX do on a CPU."""

from __future__ import annotations

from dataclasses import replace

from softproof import MODELS, Arithmetic, Problem


def inductor(problem: Problem) -> Arithmetic:
    """What torch keeps on a CPU it keeps, and sums may be rescaled, logsumexps subtracted, exponentials to base 2."""
    return _fused(MODELS["torch-cpu"](problem), "torch.compile on a CPU")


def xla_cpu(problem: Problem) -> Arithmetic:
    """Any order, with the same freedoms, and subnormal numbers may count as 0."""
    return replace(MODELS["fused"](problem), name="XLA on a CPU", flushes=True)


def _fused(arithmetic: Arithmetic, name: str) -> Arithmetic:
    return replace(arithmetic, name=name, online=True, base2=True, subtracts_logsumexp=True)
