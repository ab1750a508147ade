"""The operators Softmax, LogSoftmax and SoftmaxCrossEntropyLoss of ONNX, by a given runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray
from onnx import helper

Array = NDArray[Any]
Run = Callable[[Any], Callable[[dict[str, Array]], list[Array]]]  # from a model to what runs it


class Operators:
    """One model for each operator, set of attributes and types of inputs."""

    def __init__(self, run: Run) -> None:
        self.run = lru_cache(maxsize=None)(lambda *key: run(_model(*key)))

    def __call__(self, operator: str, inputs: dict[str, Array], **attributes: Any) -> Array:
        """The first output."""
        types = tuple((name, helper.np_dtype_to_tensor_dtype(each.dtype), each.ndim) for name, each in inputs.items())
        return self.run(operator, types, tuple(attributes.items()))(inputs)[0]


def _model(operator: str, types: tuple[tuple[str, int, int], ...], attributes: tuple[tuple[str, Any], ...]) -> Any:
    given = [helper.make_tensor_value_info(name, kind, [None] * ndim) for name, kind, ndim in types]
    output = helper.make_tensor_value_info("output", types[0][1], None)
    node = helper.make_node(operator, [name for name, _, _ in types], ["output"], **dict(attributes))
    graph = helper.make_graph([node], operator, given, [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def functions(run: Run) -> tuple[Callable[..., Array], ...]:
    """softmax, log_softmax and cross_entropy."""
    ask = Operators(run)

    def softmax(input: Array, dim: int = -1) -> Array:
        return ask("Softmax", {"input": input}, axis=dim)

    def log_softmax(input: Array, dim: int = -1) -> Array:
        return ask("LogSoftmax", {"input": input}, axis=dim)

    def cross_entropy(input: Array, target: Array, weight: Array | None = None, ignore_index: int = -100,
                      reduction: str = "mean") -> Array:  # fmt: skip
        given = {"scores": input, "labels": target} | ({} if weight is None else {"weights": weight})
        return ask("SoftmaxCrossEntropyLoss", given, ignore_index=ignore_index, reduction=reduction)

    return softmax, log_softmax, cross_entropy
