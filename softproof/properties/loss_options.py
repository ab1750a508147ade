"""Relations of the options of a loss, and of the upstream gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..problem.formats import FORMATS
from ..problem.losses import is_labels
from ..problem.problem import Array, Problem
from ..problem.rows import class_count, main_input, reduction_of
from ..problem.slicing import row_axis, row_count, take_rows
from .identities import Extras, Identity, Outputs, Rng
from .intervals import Interval


def label_smoothing(problem: Problem, extras: Extras, _rng: Rng) -> Identity | None:
    """L(ε) = (1 - ε) L(0) + ε L(1), and so every gradient."""
    if "label_smoothing" not in extras or not _is_finite(problem):
        return None
    epsilon = problem.options.get("label_smoothing", 0.0)
    epsilon = epsilon if 0 < epsilon < 1 else 0.25
    whole, without, alone = (_with_option(problem, "label_smoothing", each) for each in (epsilon, 0.0, 1.0))

    def combine(zero: Outputs, one: Outputs) -> Outputs:
        return {name: zero[name].times(1 - epsilon) + one[name].times(epsilon) for name in zero}

    return Identity(whole, (without, alone), combine)


def _is_finite(problem: Problem) -> bool:
    return bool(np.isfinite(main_input(problem)).all())


def _with_option(problem: Problem, name: str, value: Any) -> Problem:
    return replace(problem, options={**problem.options, name: value})


def scaled_class_weights(problem: Problem, extras: Extras, rng: Rng) -> Identity | None:
    """Class weights times 2^k: sums and losses of rows are 2^k times as large, a mean over labels stays."""
    if "weight" not in extras or "target" not in problem.inputs:
        return None
    fmt, factor = FORMATS[problem.dtype], 2.0 ** int(rng.choice((-2, -1, 1, 2)))
    weight = problem.inputs.get("weight", np.ones(class_count(problem))).astype(np.float64)
    if not fmt.holds(weight * factor).all() or not np.isfinite(fmt.round(weight * factor)).all():
        return None
    here, there = (replace(problem, inputs={**problem.inputs, "weight": each}) for each in (weight, weight * factor))
    scale = 1.0 if reduction_of(problem) == "mean" and is_labels(problem) else 1 / factor
    return Identity(here, (there,), lambda found: {name: each.times(scale, 0.0) for name, each in found.items()})


def ignored_rows(problem: Problem, extras: Extras, rng: Rng) -> Identity | None:
    """A row whose label is ignored is a row that is not there; its loss and its gradient are 0."""
    count = row_count(problem)
    if "ignore_index" not in extras or not count or not is_labels(problem) or problem.inputs["target"].ndim != 1:
        return None
    ignored = problem.options.get("ignore_index", -100)
    target = np.where(rng.random(count) < 0.4, ignored, problem.inputs["target"])
    whole = replace(problem, inputs={**problem.inputs, "target": target})
    rows = np.flatnonzero(target != ignored)

    def combine(found: Outputs) -> Outputs:
        axes = {name: row_axis(whole, name) for name in found}
        return {name: each if (axis := axes[name]) is None else _among_zeros(each, rows, count, axis)
                for name, each in found.items()}  # fmt: skip

    return Identity(whole, (take_rows(whole, rows),), combine)


def _among_zeros(found: Interval, rows: Array, count: int, axis: int) -> Interval:
    """`rows` of an output along `axis` in their places among `count`, of which the others are 0."""

    def put_back(array: Array) -> Array:
        full = np.zeros((*array.shape[:axis], count, *array.shape[axis + 1 :]))
        full[(slice(None),) * axis + (rows,)] = array
        return full

    return found.view(put_back)


def upstream_gradient(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """Gradients are linear in the upstream gradient: g taken apart into two, or a single g times -2."""
    g = problem.grad_output
    if g is None:
        return None
    if g.size != 1:
        if _has_infinite_slopes(problem):
            return None  # which times 0 are not fixed
        first = rng.random(g.shape) < 0.5
        parts = tuple(replace(problem, grad_output=np.where(each, g, 0.0)) for each in (first, ~first))
        return Identity(
            problem, parts, lambda one, two: {name: one[name] + two[name] for name in one if name != "value"}
        )
    twice = -2 * g.astype(np.float64)
    if not FORMATS[problem.dtype].holds(twice).all() or np.abs(twice).max() > FORMATS[problem.dtype].largest:
        return None
    there = replace(problem, grad_output=twice)
    return Identity(
        problem,
        (there,),
        lambda found: {name: each.times(-0.5, 0.0) for name, each in found.items() if name != "value"},
    )


def _has_infinite_slopes(problem: Problem) -> bool:
    """Whether a derivative may be infinite: at a probability of 0, or of a target probability beside a mask."""
    if "p" in problem.inputs:
        return any(bool((each == 0).any()) for each in problem.inputs.values())
    return "target" in problem.inputs and not is_labels(problem) and not _is_finite(problem)
