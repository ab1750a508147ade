"""Parts of a problem, and its rows along one axis: some of its rows, which are taken along their first axis, of its
features, or its classes in another order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .losses import is_labels
from .operations import AS_INPUT, OF_LAYER, OPERATIONS
from .outputs import value_shape
from .problem import Array, Problem
from .rows import axis_of, class_axes, class_count, main_input, reduction_of, row_axes, to_rows

_OF_CLASSES = ("weight", "bias", "linear_weight", "linear_bias")  # what has a row, or a number, for each class


def _input_of(name: str) -> str:
    """The input, or the value, whose shape `name` has: "grad_logits" that of logits."""
    return "value" if name == "grad_output" else name.removeprefix("grad_")


def row_axis(problem: Problem, name: str) -> int | None:
    """Where the first axis of rows is in an input, an output or "grad_output"; None for what has no rows.

    >>> row_axis(Problem("softmax", "float32", {"logits": [[1.0], [2.0]]}, {"dim": 0}), "value")
    1
    """
    name, rows = _input_of(name), row_axes(problem)
    if (
        not rows
        or name in _OF_CLASSES
        or name in OPERATIONS[problem.operation].constants
        or (name == "value" and reduction_of(problem) != "none")
    ):
        return None
    dimensions = len(value_shape(problem)) if name == "value" else problem.inputs[name].ndim
    return rows[0] if dimensions == main_input(problem).ndim else 0


def class_axis(problem: Problem, name: str) -> int | None:
    """Where the classes are in an input, an output or "grad_output"; None for what has none, or has several axes.

    >>> class_axis(Problem("logsumexp", "float32", {"logits": [[1.0, 2.0]]}, {"dim": 1}), "grad_logits")
    1
    """
    name = _input_of(name)
    if name in _OF_CLASSES:
        return 0
    if name == "value":
        value = OPERATIONS[problem.operation].value
        return -1 if value == OF_LAYER else _only(class_axes(problem)) if value == AS_INPUT else None
    if name == "input" or name in OPERATIONS[problem.operation].constants or problem.inputs[name].dtype == np.int64:
        return None
    return min(problem.inputs[name].ndim - 1, 1) if name == "target" else _only(class_axes(problem))


def _only(axes: tuple[int, ...]) -> int | None:
    return axes[0] if len(axes) == 1 else None


def row_count(problem: Problem) -> int:
    """How many rows there are along the first axis of rows; 1 where there is none."""
    name = next(iter(problem.inputs))
    axis = row_axis(problem, name)
    return 1 if axis is None else problem.inputs[name].shape[axis]


def taken(array: Array, index: Array, axis: int | None) -> Array:
    """`array` at `index` along `axis`, or as it is."""
    return array if axis is None else np.take(array, index, axis)


def take_rows(problem: Problem, index: Any) -> Problem:
    """The same question about rows `index` of the first axis of rows, in that order.

    >>> problem = Problem("softmax", "float32", {"logits": [[1.0, 2.0], [3.0, 4.0]]}, {"dim": 1})
    >>> take_rows(problem, [1]).inputs["logits"]
    array([[3., 4.]], dtype=float32)
    """
    index = np.asarray(index, np.int64)
    inputs = {name: taken(array, index, row_axis(problem, name)) for name, array in problem.inputs.items()}
    return replace(problem, inputs=inputs, grad_output=_upstream(problem, index, row_axis(problem, "grad_output")))


def take_classes(problem: Problem, order: Any) -> Problem:
    """The same question about some classes, in another order; labels, and the label that is ignored, go with them.

    No label may name a class that is left out.

    >>> problem = Problem("cross_entropy", "float32", {"logits": [[1.0, 2.0]], "target": [0]})
    >>> take_classes(problem, [1, 0]).inputs["target"]
    array([1])
    """
    order = np.asarray(order, np.int64)
    inputs = {name: taken(array, order, class_axis(problem, name)) for name, array in problem.inputs.items()}
    options = dict(problem.options)
    if "target" in inputs and is_labels(problem):
        place = np.zeros(class_count(problem), np.int64)
        place[order] = np.arange(len(order))
        inputs["target"] = _relabelled(inputs["target"], place)
        if "ignore_index" in options:
            options["ignore_index"] = int(_relabelled(np.array(options["ignore_index"]), place))
    upstream = _upstream(problem, order, class_axis(problem, "grad_output"))
    return replace(problem, inputs=inputs, options=options, grad_output=upstream)


def _of_features(problem: Problem) -> tuple[str, ...]:
    """The inputs whose last axis is that of features."""
    operation = OPERATIONS[problem.operation]
    return operation.inputs[:2] if "features" in operation.long else ()


def feature_count(problem: Problem) -> int:
    """How many numbers a linear layer sees of each row; 1 where there is none."""
    return main_input(problem).shape[-1] if _of_features(problem) else 1


def take_features(problem: Problem, index: Any) -> Problem:
    """The same question about some features of a linear layer, in that order.

    >>> layer = Problem("linear", "float32", {"input": [[1.0, 2.0]], "weight": [[3.0, 4.0]]})
    >>> take_features(layer, [1]).inputs["weight"]
    array([[4.]], dtype=float32)
    """
    index = np.asarray(index, np.int64)
    of_these = {name: np.take(problem.inputs[name], index, -1) for name in _of_features(problem)}
    return replace(problem, inputs={**problem.inputs, **of_these})


def in_rows(problem: Problem) -> Problem:
    """The same question about a matrix of rows, one after another: (N, C, d1, …) is (N d1 …, C).

    >>> in_rows(Problem("softmax", "float32", {"logits": [[[1.0]], [[2.0]]]}, {"dim": 1})).inputs["logits"]
    array([[1.],
           [2.]], dtype=float32)
    """
    axis, main = axis_of(problem), main_input(problem)
    inputs = {}
    for name, array in problem.inputs.items():
        of_rows = row_axis(problem, name) is not None or name == "logits"
        whole = of_rows and array.ndim == main.ndim
        inputs[name] = to_rows(array, axis) if whole else array.reshape(-1) if of_rows else array
    upstream, options = problem.grad_output, dict(problem.options)
    if upstream is not None and reduction_of(problem) == "none":
        upstream = to_rows(upstream, axis) if upstream.ndim == main.ndim else upstream.reshape(-1)
    if "dim" in options:
        options["dim"] = -1
    return replace(problem, inputs=inputs, options=options, grad_output=upstream, tangent=None)


def _relabelled(labels: Array, place: Array) -> Array:
    """The new number of each class, its `place`; what is no class stays."""
    known = (labels >= 0) & (labels < len(place))
    return np.where(known, place[np.where(known, labels, 0)], labels)


def _upstream(problem: Problem, index: Array, axis: int | None) -> Array | None:
    return None if problem.grad_output is None else taken(problem.grad_output, index, axis)
