"""Relations of the same numbers elsewhere: shifted, in another order, or arranged in another shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS
from ..problem.outputs import output_shapes, value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import axis_of, class_axes, class_count, from_rows, main_input, reduction_of
from ..problem.slicing import class_axis, in_rows, row_axis, row_count, take_classes, take_rows
from .identities import Extras, Identity, Outputs, Rng
from .intervals import Interval


def common_shift(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """f(x + c) = f(x), and logsumexp(x + c) = logsumexp(x) + c, with one c for each row.

    The logits are first rounded to a coarser grid, on which x + c is exact.
    """
    if "logits" not in problem.inputs:
        return None
    fmt, x = FORMATS[problem.dtype], problem.inputs["logits"].astype(np.float64)
    exponent = int(np.frexp(np.max(np.abs(x), where=np.isfinite(x), initial=0.0))[1]) + int(rng.integers(1, 4))
    quantum = max(2.0 ** (exponent + 1 - fmt.precision), fmt.subnormal)
    if exponent + 2 > fmt.e_max:
        return None
    x = np.rint(x / quantum) * quantum
    most = 2 ** (fmt.precision - 2)
    shape = [1 if each in class_axes(problem) else size for each, size in enumerate(x.shape)]
    c = rng.integers(-most, most + 1, shape) * quantum
    here, there = (replace(problem, inputs={**problem.inputs, "logits": each}) for each in (x, x + c))

    def combine(moved: Outputs) -> Outputs:
        if problem.operation != "logsumexp":
            return moved
        return moved | {"value": moved["value"] + Interval.exactly(-c.reshape(value_shape(problem)))}

    return Identity(here, (there,), combine)


def permuted_classes(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """f(x P) = f(x) P, with labels, class weights and the label that is ignored renamed alike."""
    count = class_count(problem)
    if count < 2 or len(class_axes(problem)) > 1:
        return None
    order = rng.permutation(count)
    return Identity(problem, (take_classes(problem, order),), lambda found: _moved(problem, found, order, class_axis))


def permuted_rows(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """f of the rows in another order is f of each row, in that order; sums and means are the same."""
    count = row_count(problem)
    if count < 2:
        return None
    order = rng.permutation(count)
    return Identity(problem, (take_rows(problem, order),), lambda found: _moved(problem, found, order, row_axis))


def _moved(problem: Problem, found: Outputs, order: Array, axis_in: Callable[[Problem, str], int | None]) -> Outputs:
    """Every output back in its place."""
    axes, back = {name: axis_in(problem, name) for name in found}, np.argsort(order)
    return {name: each if (axis := axes[name]) is None else each.take(back, axis) for name, each in found.items()}


def flattened(problem: Problem, extras: Extras, _rng: Rng) -> Identity | None:
    """Any arrangement of rows is a matrix of rows: (N, C, d1, …) is (N d1 …, C)."""
    axis, main = axis_of(problem), main_input(problem)
    if main.ndim < 2 or (main.ndim == 2 and axis in (-1, 1)):
        return None
    flat = in_rows(problem)
    if "dim" in extras:
        flat = replace(flat, options={**flat.options, "dim": -1})

    def combine(found: Outputs) -> Outputs:
        return {name: _unflattened(problem, name, each) for name, each in found.items()}

    return Identity(problem, (flat,), combine)


def _unflattened(problem: Problem, name: str, rows: Interval) -> Interval:
    """An output of the flattened problem in the shape of the problem's own."""
    shape, axis = output_shapes(problem)[name], axis_of(problem)
    if rows.middle.ndim < 2 or len(shape) < 2:
        return rows.reshape(shape)
    return rows.view(lambda array: from_rows(array, shape, axis))


def batch_of_one(problem: Problem, extras: Extras, rng: Rng) -> Identity | None:
    """A row without a batch is a batch of one row."""
    main = main_input(problem)
    if len(class_axes(problem)) != 1 or problem.inputs.get("linear_weight", main).ndim > 2:
        return None
    if main.ndim == 1:
        alone = problem
    elif main.ndim == 2 and row_count(problem) and ("target" not in problem.inputs or "unbatched" in extras):
        alone = _without_batch(take_rows(problem, [rng.integers(row_count(problem))]))
    else:
        return None
    shapes = output_shapes(alone)

    def combine(found: Outputs) -> Outputs:
        return {name: each.reshape(shapes[name]) for name, each in found.items()}

    return Identity(alone, (_with_batch(alone),), combine)


def _without_batch(problem: Problem) -> Problem:
    """One row (1, C) as (C,)."""
    inputs = {name: each if (axis := row_axis(problem, name)) is None else each.squeeze(axis)
              for name, each in problem.inputs.items()}  # fmt: skip
    axis, upstream = row_axis(problem, "grad_output"), problem.grad_output
    upstream = upstream if upstream is None or axis is None else upstream.squeeze(axis)
    return replace(problem, inputs=inputs, options=_over_the_last(problem), grad_output=upstream)


def _with_batch(problem: Problem) -> Problem:
    """One row (C,) as (1, C)."""
    shared = ("weight", "bias", "linear_weight", "linear_bias", *OPERATIONS[problem.operation].constants)
    inputs = {name: each if name in shared else each[None] for name, each in problem.inputs.items()}
    upstream = problem.grad_output
    if upstream is not None and reduction_of(problem) == "none":
        upstream = upstream[None]
    return replace(problem, inputs=inputs, options=_over_the_last(problem), grad_output=upstream)


def _over_the_last(problem: Problem) -> dict[str, Any]:
    """Options with the classes on the last axis."""
    return dict(problem.options) | ({"dim": -1} if "dim" in problem.options else {})
