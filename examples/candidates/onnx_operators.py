"""The operators Softmax, LogSoftmax and SoftmaxCrossEntropyLoss of ONNX, by a given runtime."""

from collections.abc import Callable
from functools import cache
from typing import Any

from onnx import helper


def functions(run: Callable[[Any], Callable[[dict[str, Any]], list[Any]]]) -> tuple[Callable[..., Any], ...]:
    """softmax, log_softmax and cross_entropy; `run` makes a function of a model, once for each set of types."""

    @cache
    def loaded(operator: str, types: tuple[tuple[str, int, int], ...], attributes: tuple[tuple[str, Any], ...]) -> Any:
        given = [helper.make_tensor_value_info(name, kind, [None] * ndim) for name, kind, ndim in types]
        output = helper.make_tensor_value_info("output", types[0][1], None)
        node = helper.make_node(operator, [name for name, _, _ in types], ["output"], **dict(attributes))
        graph = helper.make_graph([node], operator, given, [output])
        return run(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))

    def ask(operator: str, inputs: dict[str, Any], **attributes: Any) -> Any:
        types = tuple((name, helper.np_dtype_to_tensor_dtype(each.dtype), each.ndim) for name, each in inputs.items())
        return loaded(operator, types, tuple(attributes.items()))(inputs)[0]

    def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                      ) -> Any:  # fmt: skip
        given = {"scores": input, "labels": target} | ({} if weight is None else {"weights": weight})
        return ask("SoftmaxCrossEntropyLoss", given, ignore_index=ignore_index, reduction=reduction)

    return (
        lambda x, dim: ask("Softmax", {"input": x}, axis=dim),
        lambda x, dim: ask("LogSoftmax", {"input": x}, axis=dim),
        cross_entropy,
    )
