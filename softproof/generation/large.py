"""Large problems, part of every run without being drawn: more classes, or more rows, than a counter of 16 bits holds.

They are made from a fixed seed, so that a number names one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..problem.formats import FORMATS, Floats
from ..problem.interface import check_option
from ..problem.operations import OPERATIONS
from ..problem.problem import Array, Problem
from ..problem.validation import check_mapping, check_name, check_names

CLASSES, ROWS = 131072, 65537  # 2^17, and one more than 2^16
_OF_LOGITS = ("softmax", "log_softmax", "logsumexp")


def large_problems(
    operation: str, dtype: str, supports: Iterable[str] | None = None, fixed: Mapping[str, Any] | None = None
) -> list[Problem]:
    """One problem of many classes, and one of many rows; losses of many rows summed up, and one by one.

    In the last row of many classes the first half of them is masked, and the last logit stands far above the others.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be asked; by default all.
        fixed: options that have one value, such as ``{"reduction": "none"}``.
    Raises: ValueError for an unknown operation or dtype.

    >>> [problem.inputs["logits"].shape for problem in large_problems("softmax", "float32")]
    [(3, 131072), (65537, 3)]
    """
    check_name("operation", operation, OPERATIONS)
    check_name("dtype", dtype, FORMATS)
    for name, value in check_mapping("fixed", {} if fixed is None else fixed, "{'reduction': 'none'}").items():
        check_option(name, value)
    extras = (
        frozenset(OPERATIONS[operation].extras)
        if supports is None
        else frozenset(check_names("supports", supports, "dim"))
    )
    sizes = [(3, CLASSES, "sum"), (ROWS, 3, "sum")]
    if "reduction" in extras:
        sizes.append((ROWS, 3, "none"))
    options = OPERATIONS[operation].options
    given = {name: value for name, value in (fixed or {}).items() if name in options}
    if "reduction" in given:
        sizes = [(rows, classes, given["reduction"]) for rows, classes, _ in sizes]
        extras |= {"reduction"}
    found = [_problem(operation, dtype, extras, *size) for size in sizes]
    return [replace(each, options={**each.options, **given}) for each in found]


def _numbers(rng: np.random.Generator, dtype: str, *shape: int) -> Floats:
    return FORMATS[dtype].round(rng.normal(size=shape))


GAP = 200.0  # no exponential of it is a float32


def _logits(rng: np.random.Generator, dtype: str, rows: int, classes: int) -> Floats:
    x = _numbers(rng, dtype, rows, classes)
    if classes == CLASSES:
        x[-1, : classes // 2] = -np.inf
        x[-1, -1] = GAP
    return x


def _problem(operation: str, dtype: str, extras: frozenset[str], rows: int, classes: int, reduction: str) -> Problem:
    rng = np.random.default_rng(rows)
    dim: dict[str, Any] = {"dim": -1} if "dim" in extras else {}
    x, g = _logits(rng, dtype, rows, classes), _numbers(rng, dtype, rows)
    if operation in _OF_LOGITS:
        upstream = g if operation == "logsumexp" else _numbers(rng, dtype, rows, classes)
        return Problem(operation, dtype, {"logits": x}, dim, upstream)
    if operation in ("linear", "linear_cross_entropy"):
        return _classifier(rng, operation, dtype, extras, rows, classes, reduction)
    if operation == "cross_entropy":
        inputs = {"logits": x} | _targets(rng, rows, classes)
        return Problem(operation, dtype, inputs, _reduction(extras, reduction), g if reduction == "none" else 0.5)
    inputs = {name: _distribution(rng, dtype, rows, classes) for name in OPERATIONS[operation].inputs}
    return Problem(operation, dtype, inputs, dim, g)


def _distribution(rng: np.random.Generator, dtype: str, rows: int, classes: int) -> Floats:
    e = np.exp(rng.normal(size=(rows, classes)))
    return np.maximum(FORMATS[dtype].round(e / e.sum(-1, keepdims=True)), FORMATS[dtype].tiny)


def _targets(rng: np.random.Generator, rows: int, classes: int) -> dict[str, Array]:
    """Labels; of the last row of many classes one that is not masked."""
    labels = rng.integers(0, classes, rows)
    labels[-1] = classes // 2 + labels[-1] // 2 if classes == CLASSES else labels[-1]
    return {"target": labels}


def _reduction(extras: frozenset[str], reduction: str) -> dict[str, Any]:
    return {"reduction": reduction} if "reduction" in extras else {}


def _classifier(
    rng: np.random.Generator,
    operation: str,
    dtype: str,
    extras: frozenset[str],
    rows: int,
    classes: int,
    reduction: str,
) -> Problem:
    """Of two features; as many classes as there are."""
    x, w = _numbers(rng, dtype, rows, 2), _numbers(rng, dtype, classes, 2)
    if operation == "linear":
        return Problem(operation, dtype, {"input": x, "weight": w}, {}, _numbers(rng, dtype, rows, classes))
    inputs = {"input": x, "linear_weight": w} | _targets(rng, rows, classes)
    upstream = _numbers(rng, dtype, rows) if reduction == "none" else 0.5
    return Problem(operation, dtype, inputs, _reduction(extras, reduction), upstream)
