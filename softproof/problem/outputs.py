"""The outputs of a problem, and the shape of each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .operations import AS_INPUT, OF_LAYER, OPERATIONS, PER_ROW
from .problem import Problem
from .rows import class_axes


def gradient_names(problem: Problem) -> tuple[str, ...]:
    """The inputs of this problem whose gradients are asked: those given, save integer labels, or some of them."""
    about, wanted = OPERATIONS[problem.operation].gradients, problem.gradients
    names = about if wanted is None else [name for name in about if name in wanted]
    return tuple(name for name in names if name in problem.inputs and problem.inputs[name].dtype != np.int64)


def value_shape(problem: Problem) -> tuple[int, ...]:
    """The shape of the operation's value, and so of its upstream gradient."""
    about = OPERATIONS[problem.operation]
    first = problem.inputs[about.inputs[0]].shape
    if about.value == AS_INPUT:
        return first
    if about.value == OF_LAYER:
        return (*first[:-1], len(problem.inputs["weight"]))
    if about.value == PER_ROW:
        kept = problem.options.get("keepdim", False)
        return tuple(1 if axis in class_axes(problem) else size for axis, size in enumerate(first)
                     if kept or axis not in class_axes(problem))  # fmt: skip
    if problem.options.get("reduction", "mean") != "none":
        return ()
    target = problem.inputs["target"]
    return (
        target.shape if target.dtype == np.int64 else tuple(np.delete(target.shape, min(target.ndim - 1, 1)).tolist())
    )


def output_shapes(problem: Problem) -> Mapping[str, tuple[int, ...]]:
    """The outputs of a problem, and the shape of each, which are kept with it."""
    kept = vars(problem)
    if "output shapes" not in kept:
        kept["output shapes"] = _output_shapes(problem)
    shapes: Mapping[str, tuple[int, ...]] = kept["output shapes"]
    return shapes


def _output_shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    shapes = {"value": value_shape(problem)}
    if problem.grad_output is not None:
        shapes |= {f"grad_{name}": problem.inputs[name].shape for name in gradient_names(problem)}
    if problem.tangent is not None:
        shapes["jvp"] = shapes["value"]
        if problem.grad_output is not None:
            shapes["hvp_logits"] = problem.inputs["logits"].shape
    return shapes
