"""Problems that are built for one fault: the smallest size at which it is active, its option, its mask, and numbers of
which much depends on where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from softproof import OPERATIONS, Problem
from softproof.problem.formats import FORMATS
from softproof.problem.outputs import value_shape
from softproof.problem.problem import Array

from .places import index_along, smallest_size, within
from .record import Fault

STYLES = ("plain", "in the region", "far apart", "above")
_SCALES = {"far apart": 8.0}
ABOVE = 1000.0  # no exponential of it is a float64


def tailored(fault: Fault) -> Iterator[Problem]:
    """One problem of each style, as long as anybody asks; of steps in losses one by one and in a mean."""
    loss = "target" in OPERATIONS[fault.operation].inputs and fault.step and not fault.when.startswith("reduction")
    for style in STYLES:
        for reduction in ("none", "mean") if loss else ("none",):
            rng = np.random.default_rng((fault.family, fault.number, STYLES.index(style)))
            yield _problem(fault, style, reduction, rng)


def _shape(fault: Fault) -> tuple[tuple[int, ...], str]:
    """Of the logits or the input, and what its axes are."""
    size = smallest_size(fault.region, fault.threshold, fault.tile)
    if fault.kind == "mask":
        size = max(size, 2 * fault.tile + 1)
    classes = {"rows": 3, "classes": 3, "features": 2} | {fault.dimension: size}
    if fault.kind == "option" or fault.when:
        classes["rows"] = max(classes["rows"], 4)
    last = "f" if fault.operation.startswith("linear") else "c"
    of_last = classes["features" if last == "f" else "classes"]
    if fault.dimension in ("batch", "positions"):
        sides = {"batch": 2, "positions": 2} | {fault.dimension: size}
        if fault.operation == "cross_entropy" or (fault.when == "dim not last" and last == "c"):
            return (sides["batch"], of_last, sides["positions"]), "bcp"
        return (sides["batch"], sides["positions"], of_last), f"bp{last}"
    if fault.when == "dim not last" and last == "c":
        return (of_last, classes["rows"]), "cb"
    return (classes["rows"], of_last), f"b{last}"


class _Numbers:
    """Where the region lies in an array, and numbers that stand out there."""

    def __init__(self, fault: Fault, style: str, rng: np.random.Generator) -> None:
        self.fault, self.style, self.rng = fault, style, rng

    def region(self, labels: str, shape: tuple[int, ...]) -> Array:
        """True there."""
        index = index_along(labels, shape, self.fault.dimension)
        if index is None:
            return np.zeros(shape, bool)
        return within(self.fault.region, int(index.max()) + 1, self.fault.threshold, self.fault.tile)[index]

    def draw(self, labels: str, shape: tuple[int, ...], scale: float = 1.0) -> Array:
        """Normal numbers, eight times as large in the region if that is the style."""
        x = self.rng.normal(size=shape) * scale
        if self.style == "in the region":
            x = np.where(self.region(labels, shape), 8 * x, x)
        return x

    def logits(self, labels: str, shape: tuple[int, ...]) -> Array:
        """A region of classes has most of the probability, if that is the style."""
        scale = _SCALES.get(self.style, 1.0)
        if self.style == "above":
            return self.draw(labels, shape) + np.where(self.region(labels, shape), ABOVE, 0.0)
        if self.fault.dimension != "classes" or self.style != "in the region":
            return self.draw(labels, shape, scale)
        there = self.region(labels, shape)
        rest = np.log(max(1.0, (there.size - there.sum()) / max(1, there.sum())))
        return self.draw(labels, shape, 1 / 8) + np.where(there, rest + 3, 0.0)

    def shares(self, labels: str, shape: tuple[int, ...]) -> Array:
        """Distributions."""
        e = np.exp(np.clip(self.logits(labels, shape), -20, 20))
        return np.asarray(e / e.sum(labels.index("c"), keepdims=True))


def _problem(fault: Fault, style: str, reduction: str, rng: np.random.Generator) -> Problem:
    shape, labels = _shape(fault)
    numbers, fmt = _Numbers(fault, style, rng), FORMATS[fault.dtype]
    others = _Numbers(fault, "plain", rng)
    arrays: dict[str, Array] = {}
    options: dict[str, Any] = {}
    about = OPERATIONS[fault.operation]
    if "dim" in about.options:
        options["dim"] = labels.index("c")
        options["dim"] -= len(labels) if fault.when != "dim not last" else 0
    if labels[-1] == "f":
        arrays |= _classifier(fault, numbers, shape, labels)
    else:
        for name in about.inputs:
            if name != "target":
                of = others if name == "q" else numbers
                x = of.shares(labels, shape) if name in "pq" else of.logits(labels, shape)
                arrays[name] = fmt.round(np.maximum(x, fmt.tiny if name in "pq" else -np.inf))
    if "target" in about.inputs:
        arrays |= _target(fault, numbers, arrays)
        options |= _options(fault, reduction)
    if fault.kind == "mask" and fault.dimension == "classes":
        arrays["logits"] = _masked(fault, arrays["logits"], labels.index("c"))
    layout = {next(iter(arrays)): "strided"} if fault.when == "strided" else "contiguous"
    ordered = {name: arrays[name] for name in (*about.inputs, *about.optional) if name in arrays}
    problem = Problem(fault.operation, fault.dtype, ordered, options, layout=layout)
    upstream = fmt.round(rng.normal(size=value_shape(problem)))
    tangent = fmt.round(rng.normal(size=shape)) if fault.output in ("jvp", "hvp_logits") else None
    return replace(problem, grad_output=upstream, tangent=tangent)


def _classifier(fault: Fault, numbers: _Numbers, shape: tuple[int, ...], labels: str) -> dict[str, Array]:
    size = smallest_size(fault.region, fault.threshold, fault.tile) if fault.dimension == "classes" else 3
    prefix, fmt = "linear_" if fault.operation == "linear_cross_entropy" else "", FORMATS[fault.dtype]
    scale = 1 / np.sqrt(max(1.0, shape[-1] / 16))
    arrays = {"input": numbers.draw(labels, shape), f"{prefix}weight": numbers.draw("cf", (size, shape[-1]), scale)}
    if fault.when == "bias" or fault.step:
        arrays[f"{prefix}bias"] = numbers.draw("c", (size,))
    return {name: fmt.round(x) for name, x in arrays.items()}


def _target(fault: Fault, numbers: _Numbers, arrays: dict[str, Array]) -> dict[str, Array]:
    """Labels, in the region of classes where there is one; or probabilities."""
    fmt, rng = FORMATS[fault.dtype], numbers.rng
    if "logits" in arrays:
        shape, axis = arrays["logits"].shape, 1
        classes, rows = shape[1], (shape[0], *shape[2:])
    else:
        classes, rows, axis = len(arrays["linear_weight"]), arrays["input"].shape[:-1], -1
        shape = (*rows, classes)
    found: dict[str, Array] = {}
    if fault.when == "weight":
        found["weight"] = fmt.round(rng.uniform(0.5, 4.0, classes))
    if fault.when == "probabilities":
        e = rng.exponential(size=shape)
        return found | {"target": fmt.round(e / e.sum(axis, keepdims=True))}
    of_classes = within(fault.region, classes, fault.threshold, fault.tile)
    among = np.flatnonzero(of_classes) if fault.dimension == "classes" and of_classes.any() else np.arange(classes)
    labels = rng.choice(among, rows)
    if fault.when == "ignored labels":
        labels.reshape(-1)[:: max(2, labels.size // 2)] = -100
    if fault.kind == "mask" and fault.dimension == "rows":
        flat, size = labels.reshape(-1), fault.tile
        flat[{"first": slice(size), "last": slice(-size, None), "any": slice(size, 2 * size)}.get(
            fault.run, slice(1, None))] = -100  # fmt: skip
    return found | {"target": labels}


def _options(fault: Fault, reduction: str) -> dict[str, Any]:
    """Losses one by one unless the fault wants something else: a mean hides rows."""
    kind, _, how = fault.when.partition(" ")
    reduction = how if kind == "reduction" else reduction
    if fault.kind == "mask" and (fault.effect == "counted" or (fault.effect == "NaN" and fault.dimension == "rows")):
        reduction = "mean"
    return {"reduction": reduction} | ({"label_smoothing": 0.125} if fault.when == "label_smoothing" else {})


def _masked(fault: Fault, logits: Array, axis: int) -> Array:
    size, tile = logits.shape[axis], fault.tile
    place = {"first": slice(tile), "last": slice(size - tile, size), "any": slice(tile, 2 * tile)}[fault.run]
    found = np.moveaxis(logits.copy(), axis, 0)
    found[place] = -np.inf
    return np.moveaxis(found, 0, axis)


def elements(problem: Problem) -> int:
    """How many numbers a problem has."""
    return sum(prod(array.shape) for array in problem.inputs.values())
