"""Regions of sizes, dimensions and layouts in memory."""

from __future__ import annotations

import numpy as np

from ...problem.problem import Problem
from ...problem.rows import class_axes, class_count, main_input, row_axes, row_length
from .region import Region
from .upstream import upstream


def _others(problem: Problem) -> list[int]:
    """The sizes of the dimensions that are not the classes."""
    of_layer = problem.operation in ("linear", "linear_cross_entropy")
    shape = main_input(problem).shape
    return list(shape) if of_layer else [shape[axis] for axis in row_axes(problem)]


def _aligned(problem: Problem) -> bool:
    """Whether loads, tiles and tensor cores need no rest: every dimension is a multiple of 8, and there are rows."""
    sizes = [*_others(problem), class_count(problem)]
    rows = len(sizes) > 1 + (problem.operation[:6] == "linear")
    return rows and all(size and size % 8 == 0 for size in sizes) and bool(upstream(problem).any())


def _power_of_two(problem: Problem, beside: int) -> bool:
    size = class_count(problem) - beside
    return size >= 4 and size & (size - 1) == 0


def _is_laid_out(problem: Problem, name: str, layout: str) -> bool:
    array = problem.grad_output if name == "grad_output" else problem.inputs.get(name)
    if array is None or problem.layout_of(name) != layout or not array.size:
        return False
    if layout == "transposed":
        return array.ndim > 1 and max(array.shape) > 1
    if layout == "expanded":
        return any(size > 1 and bool((array == array.take([0], axis)).all()) for axis, size in enumerate(array.shape))
    return array.ndim > 0


SIZES: dict[str, Region] = {
    "no rows": lambda problem: 0 in main_input(problem).shape,
    "one class": lambda problem: class_count(problem) == 1,
    "2 to 9 classes": lambda problem: 2 <= class_count(problem) <= 9,
    "classes a power of two": lambda problem: _power_of_two(problem, 0),
    "classes a power of two and 1": lambda problem: _power_of_two(problem, 1),
    "classes a power of two less 1": lambda problem: _power_of_two(problem, -1),
    "more than 100 classes": lambda problem: class_count(problem) > 100,
    "more than 500 classes": lambda problem: class_count(problem) > 500,
    "no batch": lambda problem: (
        not _others(problem) or (problem.operation[:6] == "linear" and len(_others(problem)) == 1)
    ),
    "more than one batch dimension": lambda problem: len(_others(problem)) > 1 + (problem.operation[:6] == "linear"),
    "all sizes multiples of 8": _aligned,
    "as many rows as classes": lambda problem: (
        class_count(problem) > 1 and class_count(problem) in _others(problem)[:1]
    ),
}


def layouts(
    *names: str, first: tuple[str, ...] = ("transposed", "strided", "sliced", "offset", "expanded")
) -> dict[str, Region]:
    """Regions for how arrays lie in memory: all layouts for the first, the most telling two for the others."""

    def region(name: str, layout: str) -> Region:
        return lambda problem: _is_laid_out(problem, name, layout)

    layouts_of = {name: first if name == names[0] else ("strided", "expanded") for name in names}
    return {f"{name} {layout}": region(name, layout) for name, layouts in layouts_of.items() for layout in layouts}


SHAPES_OF_LOGITS: dict[str, Region] = {
    "no classes": lambda problem: row_length(problem) == 0,
    "a number alone": lambda problem: main_input(problem).ndim == 0,
}


def _as_many_positions(problem: Problem) -> bool:
    """Whether classes may be taken for positions behind them, more than a vector of each, in an array with strides."""
    shape, axes = main_input(problem).shape, class_axes(problem)
    behind = shape[axes[0] + 1 :] if len(axes) == 1 and len(shape) > 2 else ()
    strided = problem.layout_of("logits") != "contiguous"
    return strided and any(size == shape[axes[0]] > 8 for size in behind) and bool(upstream(problem).any())


FIVE_DIMENSIONS: dict[str, Region] = {
    "as many positions as classes, strided": _as_many_positions,
    "more than four dimensions": lambda problem: main_input(problem).ndim > 4 and min(main_input(problem).shape) > 1,
}


def _several_are_kept(problem: Problem) -> bool:
    """Whether a sum over several axes leaves others, and its upstream gradients differ; of finite logits."""
    several = sum(main_input(problem).shape[axis] > 1 for axis in class_axes(problem)) > 1
    several = several and bool(np.isfinite(main_input(problem)).all())
    return several and problem.options.get("keepdim", False) and len(np.unique(upstream(problem))) > 1


SHAPES_OF_SUMS: dict[str, Region] = {
    "a tuple of dims": lambda problem: isinstance(problem.options.get("dim"), tuple),
    "several dims": lambda problem: sum(main_input(problem).shape[axis] > 1 for axis in class_axes(problem)) > 1,
    "several dims that are kept": _several_are_kept,
    "dims that are kept": lambda problem: problem.options.get("keepdim", False) and main_input(problem).ndim > 0,
}


POSITIONS: dict[str, Region] = {
    "many positions": lambda problem: problem.inputs["linear_weight"].ndim > 2 and class_count(problem) > 1,
    "as many positions as classes": lambda problem: (
        problem.inputs["linear_weight"].ndim == 3
        and problem.inputs["linear_weight"].shape[0] == problem.inputs["linear_weight"].shape[1] > 1
    ),
    "many positions, a bias": lambda problem: (
        problem.inputs["linear_weight"].ndim > 2 and "linear_bias" in problem.inputs
    ),
}
