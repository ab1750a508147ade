"""Problems from the nastiest edge cases: numbers at the edges of each format, weights that cancel, sums that overflow.

Everything follows from a seed. Most of these questions are ones that no implementation answers well; what is asked of
them is whether the judge is ever content with garbage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from softproof.problem.formats import FORMATS, Floats, Format
from softproof.problem.operations import OPERATIONS
from softproof.problem.outputs import output_shapes
from softproof.problem.problem import Array, Problem

Rng = np.random.Generator
Shape = tuple[int, ...]


def _signs(rng: Rng, shape: Shape) -> Floats:
    return np.asarray(rng.choice(np.array([-1.0, 1.0]), shape))


def _normal(rng: Rng, shape: Shape, _format: Format) -> Floats:
    return rng.normal(0, 3, shape)


def _near_the_largest(rng: Rng, shape: Shape, storage: Format) -> Floats:
    factors = np.array([1.0, 1 - 2.0**-5, 0.5, 0.25, 2.0**-7, 2.0**-16])
    return storage.largest * rng.choice(factors, shape) * _signs(rng, shape)


def _of_any_size(rng: Rng, shape: Shape, storage: Format) -> Floats:
    return np.exp2(rng.uniform(storage.e_min - storage.precision, storage.e_max, shape)) * _signs(rng, shape)


def _about_the_root(rng: Rng, shape: Shape, storage: Format) -> Floats:
    """Whose products are near the largest number."""
    return np.exp2(storage.e_max / 2 + rng.uniform(-3, 3, shape)) * _signs(rng, shape)


def _subnormal(rng: Rng, shape: Shape, storage: Format) -> Floats:
    return np.asarray(storage.subnormal * rng.integers(-5, 6, shape))


def _cancelling(rng: Rng, shape: Shape, storage: Format) -> Floats:
    """Two sizes far apart, each with both signs."""
    large = 2.0 ** int(rng.integers(0, storage.e_max - 1))
    return np.asarray(rng.choice(np.array([large, -large, 1.0, -1.0, 2.0**-10]), shape))


def _with_an_offset(rng: Rng, shape: Shape, storage: Format) -> Floats:
    return 2.0 ** int(rng.integers(storage.precision - 4, storage.e_max)) + rng.normal(0, 1, shape)


def _few(rng: Rng, shape: Shape, _format: Format) -> Floats:
    return np.asarray(rng.choice(np.array([0.0, 0.0, 1.0, -1.0, 0.5, 2.0]), shape))


STYLES: tuple[Callable[[Rng, Shape, Format], Floats], ...] = (
    _normal,
    _near_the_largest,
    _of_any_size,
    _about_the_root,
    _subnormal,
    _cancelling,
    _with_an_offset,
    _few,
)


def numbers(rng: Rng, shape: Shape, storage: Format, masked: bool = False) -> Floats:
    """One style, or two mixed; `masked` may put -inf among them."""
    first, second = (STYLES[rng.integers(len(STYLES))](rng, shape, storage) for _ in range(2))
    x = np.where(rng.random(shape) < rng.choice([0.0, 0.3]), second, first)
    x = storage.round(np.clip(x, -storage.largest, storage.largest))
    return np.where(rng.random(shape) < 0.2, -np.inf, x) if masked and rng.random() < 0.2 else x


def _shares(rng: Rng, shape: Shape, storage: Format) -> Floats:
    """Probabilities from subnormal ones to 1."""
    x = np.exp2(rng.uniform(storage.e_min - storage.precision, 0, shape))
    x = np.where(rng.random(shape) < 0.3, rng.choice(np.array([0.0, 0.5, 1.0]), shape), x)
    return storage.round(x)


def at_the_edges(operation: str, dtype: str, rng: Rng) -> Problem:
    """One problem, of a few numbers, or of many equal ones that lose all digits of a sum in half precision."""
    storage = FORMATS[dtype]
    rows, classes, features = (int(rng.integers(1, most)) for most in (4, 5, 4))
    if rng.random() < 0.1:
        rows = int(rng.choice([258, 300]))
    problem = Problem(operation, dtype, *_inputs(operation, rng, storage, rows, classes, features))
    shape = output_shapes(problem)["value"]
    upstream = numbers(rng, shape, storage) if rng.random() < 0.8 else None
    directional = "jvp" in OPERATIONS[operation].kinds and rng.random() < 0.6
    tangent = numbers(rng, problem.inputs["logits"].shape, storage) if directional else None
    return Problem(operation, dtype, problem.inputs, problem.options, upstream, tangent=tangent)


def _inputs(
    operation: str, rng: Rng, storage: Format, rows: int, classes: int, features: int
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Inputs and options."""
    if operation in ("softmax", "log_softmax", "logsumexp", "softmax_entropy"):
        return {"logits": _logits(rng, (rows, classes), storage)}, {"dim": -1}
    if operation == "softmax_kl_divergence":
        return {name: numbers(rng, (rows, classes), storage) for name in ("p_logits", "q_logits")}, {"dim": -1}
    if operation in ("entropy", "distribution_cross_entropy", "kl_divergence"):
        names = ("p",) if operation == "entropy" else ("p", "q")
        return {name: _shares(rng, (rows, classes), storage) for name in names}, {"dim": -1}
    layer = {"input": numbers(rng, (rows, features), storage), "weight": numbers(rng, (classes, features), storage)}
    if rng.random() < 0.4:
        layer["bias"] = numbers(rng, (classes,), storage)
    if operation == "linear":
        return layer, {}
    options: dict[str, Any] = {"reduction": str(rng.choice(["mean", "sum", "none"]))}
    if rng.random() < 0.4:
        options["label_smoothing"] = rng.choice([0.1, 0.5, 1.0, 2.0**-40]).item()
    losses = _target(rng, storage, rows, classes, operation == "cross_entropy")
    if operation == "cross_entropy":
        return {"logits": _logits(rng, (rows, classes), storage)} | losses, options
    return {name if name == "input" else f"linear_{name}": each for name, each in layer.items()} | losses, options


def _logits(rng: Rng, shape: Shape, storage: Format) -> Floats:
    return np.zeros(shape) if rng.random() < 0.1 else numbers(rng, shape, storage, masked=True)


def _target(rng: Rng, storage: Format, rows: int, classes: int, probabilities: bool) -> dict[str, Array]:
    """Labels, some of them ignored, or probabilities, some of them negative; and class weights."""
    labels = np.where(rng.random(rows) < rng.choice([0.0, 0.3]), -100, rng.integers(0, classes, rows))
    found: dict[str, Array] = {"target": labels}
    if probabilities and rng.random() < 0.3:
        found["target"] = numbers(rng, (rows, classes), storage)
        if rng.random() < 0.7:
            found["target"] = _shares(rng, (rows, classes), storage)
    if rng.random() < 0.6:
        found["weight"] = numbers(rng, (classes,), storage)
    return found
