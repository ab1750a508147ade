"""Relations of problems that are taken apart and put together again."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from ..problem.formats import FORMATS
from ..problem.losses import exact_denominator, mixed_weights
from ..problem.problem import Problem
from ..problem.rows import axis_of, class_axes, class_count, main_input, reduction_of
from ..problem.slicing import row_axis, row_count, take_classes, take_rows
from .identities import Extras, Identity, Outputs, Rng
from .intervals import Interval, joined


def split_batch(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """Rows in two batches: rows one after another, sums added, and means weighted by what each divides by."""
    count = row_count(problem)
    if count < 2:
        return None
    at = int(rng.integers(1, count))
    parts = take_rows(problem, range(at)), take_rows(problem, range(at, count))
    shares, doubt = [1.0, 1.0], 0.0
    if reduction_of(problem) == "mean":
        classes = class_count(problem)
        divisors = [exact_denominator(part, classes) for part in parts]
        if 0 in divisors or mixed_weights(problem):
            return None
        shares, doubt = [float(each / sum(divisors)) for each in divisors], 2.0**-53
        if min(shares) < FORMATS["float64"].tiny:
            return None

    def combine(*found: Outputs) -> Outputs:
        weighted = [
            {name: each.times(share, doubt) for name, each in part.items()} if doubt else part
            for part, share in zip(found, shares, strict=True)
        ]
        return {name: _one(problem, name, [part[name] for part in weighted]) for name in weighted[0]}

    return Identity(problem, parts, combine)


def _one(problem: Problem, name: str, parts: list[Interval]) -> Interval:
    """One output of two batches: rows one after another, or a sum."""
    axis = row_axis(problem, name)
    return reduce(add, parts) if axis is None else joined(parts, axis)


def split_classes(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """logsumexp(x, y) = log(e^logsumexp(x) + e^logsumexp(y))."""
    count = class_count(problem)
    if problem.operation != "logsumexp" or count < 2 or len(class_axes(problem)) > 1:
        return None
    at = int(rng.integers(1, count))
    whole = replace(problem, grad_output=None)
    parts = take_classes(whole, range(at)), take_classes(whole, range(at, count))
    for part in parts:
        if not np.isfinite(part.inputs["logits"].max(axis_of(problem))).all():
            return None
    return Identity(whole, parts, lambda one, two: {"value": one["value"].logaddexp(two["value"])})


def split_features(problem: Problem, _extras: Extras, rng: Rng) -> Identity | None:
    """(x, y) (V, W)ᵀ + b = (x Vᵀ + b) + y Wᵀ."""
    if problem.operation != "linear" or main_input(problem).shape[-1] < 2:
        return None
    at = int(rng.integers(1, main_input(problem).shape[-1]))
    halves = slice(None, at), slice(at, None)
    inputs = [{"input": problem.inputs["input"][..., half], "weight": problem.inputs["weight"][:, half]}
              for half in halves]  # fmt: skip
    bias = {name: array for name, array in problem.inputs.items() if name == "bias"}
    parts = replace(problem, inputs=inputs[0] | bias), replace(problem, inputs=inputs[1])

    def combine(one: Outputs, two: Outputs) -> Outputs:
        found = one | {"value": one["value"] + two["value"]}
        return found | {name: joined((one[name], two[name]), -1) for name in found if name in _PRODUCTS}

    return Identity(problem, parts, combine)


_PRODUCTS = ("grad_input", "grad_weight")
