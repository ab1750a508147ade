"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime  # type: ignore[import-untyped]  # it ships no types

from .onnx_operators import functions


def run(model: Any) -> Callable[[dict[str, Any]], list[Any]]:
    """A session of it."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


softmax, log_softmax, cross_entropy = functions(run)
