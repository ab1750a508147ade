"""The reference evaluator of ONNX, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx.reference import ReferenceEvaluator

from .onnx_operators import functions


def run(model: Any) -> Callable[[dict[str, Any]], list[Any]]:
    """An evaluator of it."""
    evaluator = ReferenceEvaluator(model)
    return lambda inputs: evaluator.run(None, inputs)


softmax, log_softmax, cross_entropy = functions(run)
