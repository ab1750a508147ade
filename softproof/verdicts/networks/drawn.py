"""Problems about a network, drawn by a seed: few rows and few digits first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...problem.formats import FORMATS, Floats
from ...problem.problem import Array, Problem
from ...problem.validation import shown
from .layers import Layers, Linear, linear_layers

Arrays = dict[str, Array]
ROWS = (1, 2, 3, 5, 8, 13)
FARTHEST = 30.0  # two logits of a row, so that no probability underflows
OFFSET = {"float64": 800.0, "float32": 100.0}  # of all logits: e to that overflows
STEEP = {"float64": 400.0, "float32": 60.0}  # what a tanh is taken of: e to twice that overflows


def logits(layers: Layers, inputs: Mapping[str, Array]) -> list[Floats]:
    """What the layers make of x in float64, one after the other."""
    found = [inputs["x"]]
    for layer in layers:
        h = found[-1]
        if isinstance(layer, Linear):
            weight, bias = layer.names
            found.append(h @ inputs[weight].T + inputs[bias])
        else:
            found.append(np.tanh(h) if layer == "tanh" else np.maximum(h, 0.0))
    return found[1:]


def _few_digits(layers: Layers, drawn: Arrays, rng: np.random.Generator, _: str) -> None:
    """Quarters, and biases that bring no sum of products of these to 0."""
    for name, array in drawn.items():
        drawn[name] = rng.integers(-4, 5, array.shape) / 4
    for layer in linear_layers(layers):
        bias = drawn[layer.names[1]]
        drawn[layer.names[1]] = (2 * rng.integers(-4, 4, bias.shape) + 1) / 4.0 ** (layer.number + 1) / 2


def _ordinary(layers: Layers, drawn: Arrays, rng: np.random.Generator, dtype: str) -> None:
    """As they are."""


def _confident(layers: Layers, drawn: Arrays, _: np.random.Generator, _dtype: str) -> None:
    """Logits that are far apart."""
    _scale(layers, drawn, -1, FARTHEST)


def _offset(layers: Layers, drawn: Arrays, rng: np.random.Generator, dtype: str) -> None:
    """Logits that are all large."""
    *_, last = linear_layers(layers)
    drawn[last.names[1]] += OFFSET[dtype] * rng.choice([-1, 1])


def _steep(layers: Layers, drawn: Arrays, rng: np.random.Generator, dtype: str) -> None:
    """A layer whose outputs are large, with one sign or the other: one that a tanh is taken of, or the first."""
    before = [len([*linear_layers(layers[:place])]) - 1 for place, each in enumerate(layers) if each == "tanh"]
    _scale(layers, drawn, int(rng.choice(before or [0])), STEEP[dtype] * (-1) ** len(drawn["x"]))


def _zeros(layers: Layers, drawn: Arrays, rng: np.random.Generator, _: str) -> None:
    """A unit of each layer that gets nothing, but for the last, and an input of 0."""
    for layer in [*linear_layers(layers)][:-1]:
        unit, (weight, bias) = rng.integers(layer.outputs), layer.names
        drawn[weight][unit], drawn[bias][unit] = 0.0, 0.0
    drawn["x"][:, rng.integers(drawn["x"].shape[1])] = 0.0


STYLES: tuple[Callable[[Layers, Arrays, np.random.Generator, str], None], ...] = (
    _few_digits,
    _ordinary,
    _confident,
    _offset,
    _steep,
    _zeros,
)


def _scale(layers: Layers, drawn: Arrays, place: int, size: float) -> None:
    """Make a linear layer's outputs, less those of the first class where it is the last one, as large as `size`."""
    layer, outputs = [
        (layer, found) for layer, found in zip(layers, logits(layers, drawn), strict=True) if isinstance(layer, Linear)
    ][place]
    beside = (outputs - outputs[:, :1] * (layer is layers[-1])).reshape(-1)
    largest = beside[np.abs(beside).argmax()] or 1.0
    for name in layer.names:
        drawn[name] *= size / largest


def problem_of(layers: Layers, dtype: str, number: int, seed: int) -> Problem:
    """The problem of this number; the seed of a run gives each its own."""
    rng = np.random.default_rng([seed, number])
    rows, style = ROWS[number // len(STYLES) % len(ROWS)], STYLES[number % len(STYLES)]
    first, *_ = linear_layers(layers)
    *_, last = linear_layers(layers)
    drawn: Arrays = {"x": rng.normal(size=(rows, first.features))}
    for layer in linear_layers(layers):
        for name, shape in layer.shapes.items():
            drawn[name] = rng.normal(size=shape) * (0.5 if len(shape) == 1 else layer.features**-0.5)
    style(layers, drawn, rng, dtype)
    outputs = logits(layers, drawn)[-1]
    if (apart := np.ptp(outputs, axis=-1).max()) > FARTHEST:
        for name in last.names:
            drawn[name] *= FARTHEST / apart
    rounded = {name: FORMATS[dtype].round(array) for name, array in drawn.items()}
    return Problem("network", dtype, rounded | {"target": rng.integers(last.outputs, size=rows)})


def check_problem(layers: Layers, problem: Any) -> Problem:
    """A problem that somebody else states. Raises: TypeError or ValueError where it is none about this network."""
    if not isinstance(problem, Problem) or problem.operation != "network" or problem.dtype not in OFFSET:
        raise TypeError(
            f"problems has {shown(problem)}; expected a softproof.Problem about a network in {' or '.join(OFFSET)}"
        )
    first, *_ = linear_layers(layers)
    *_, last = linear_layers(layers)
    labels = problem.inputs.get("target", np.zeros(0))
    rows = labels.size
    shapes = {"x": (rows, first.features), "target": (rows,)}
    for layer in linear_layers(layers):
        shapes |= layer.shapes
    given = {name: array.shape for name, array in problem.inputs.items()}
    if given != shapes or not rows:
        raise ValueError(f"a problem has inputs of the shapes {given}; expected {shapes}")
    if not ((labels >= 0) & (labels < last.outputs)).all() or labels.dtype.kind != "i":
        raise ValueError(f"target has {labels.tolist()}; expected labels from 0 to {last.outputs - 1}")
    for name, array in problem.inputs.items():
        if not np.isfinite(array).all() or FORMATS[problem.dtype].first_not_held(array) is not None:
            raise ValueError(f"{name} has numbers that are infinite, or none of {problem.dtype}")
    _check_probabilities(layers, problem)
    return problem


def _check_probabilities(layers: Layers, problem: Problem) -> None:
    """Of a probability that underflows, and of its logarithm, Theorem 26 promises nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        z = logits(layers, problem.inputs)[-1]
        l = z - np.logaddexp.reduce(z, axis=-1, keepdims=True)  # noqa: E741  # (N, C)
    least = l[np.arange(len(l)), problem.inputs["target"]] + l.min(-1)
    if not (least >= np.log(2 * FORMATS[problem.dtype].tiny)).all():
        row = int(np.argmin(least))
        raise ValueError(
            f"the logits of row {row} are {np.ptp(z[row]):.4g} apart; expected so few that no product of its "
            f"probabilities underflows in {problem.dtype}"
        )
