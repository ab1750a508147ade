"""Rows that are repeated until arrays have more elements than float32, or a signed integer of 32 bits, counts.

The number of elements of all rows is odd, so that no index that is off by a power of 2 finds the numbers that belong
there. They are repeated 2^k times, so that gradients of a mean are those of the rows times a power of 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..problem.formats import FORMATS
from ..problem.operations import OF_LAYER, OPERATIONS, PER_ROW, labels_in, reductions
from ..problem.outputs import value_shape
from ..problem.problem import Array, Problem
from ..problem.validation import check_flag, check_mapping, check_name, check_names, check_whole

COUNTED = {"float32": 1 << 24, "int32": 1 << 31}  # by the type of an index, from which on it is wrong
FEATURES, EIGHTHS, LOGITS = 3, 8, 32  # logits are up to 4, and features and weights up to 1


class Repeated(NamedTuple):
    """A problem of rows, and how many times these are repeated."""

    problem: Problem
    times: int


_SIZES = {"float32": (31, 6067, 128), "int32": (33, 128257, 512)}  # rows, classes, and how many times


def reached(count: int) -> str:
    """What a report calls it.

    >>> reached(1 << 24)
    'more than 16,777,216 elements'
    """
    return f"more than {count:,} elements"


def repeated_rows(
    operation: str,
    dtype: str,
    supports: Iterable[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    *,
    index: str = "float32",
    seed: int = 0,
    upstream: bool = True,
) -> Repeated:
    """Rows, and how many times they are repeated so that an index of some type does not count their elements.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be asked; by default all.
        fixed: options that have one value, such as ``{"reduction": "none"}``.
        index: ``"float32"``, for more than 2^24 elements, or ``"int32"``, for more than 2^31.
        seed: makes them; another seed makes others.
        upstream: whether the upstream gradient is other than 1.
    Returns: a problem of two dimensions, and a number, for `softproof.judge_repeated`.
    Raises: ValueError for an unknown argument, or where there is no such question: of rows along another axis, of
        target probabilities alone, or in float16 of a mean alone, whose gradients would underflow.

    >>> rows, times = repeated_rows("softmax", "float32")
    >>> rows.inputs["logits"].size * times
    24073856
    """
    check_name("operation", operation, OPERATIONS)
    check_name("dtype", dtype, FORMATS)
    check_name("index", index, COUNTED)
    check_whole("seed", seed, "a whole number")
    check_flag("upstream", upstream)
    about, fixed = OPERATIONS[operation], dict(check_mapping("fixed", {} if fixed is None else fixed, "{'dim': -1}"))
    extras = frozenset(about.extras if supports is None else check_names("supports", supports, "dim"))
    options = {name: value for name, value in fixed.items() if name in about.options}
    if "dim" in extras:
        options.setdefault("dim", -1)
    if "reduction" in extras:
        options.setdefault("reduction", reductions(extras)[0])
    _check(operation, dtype, options, extras)
    rng, (rows, classes, times) = np.random.default_rng((abs(int(seed)), int(seed < 0), *index.encode())), _SIZES[index]
    problem = Problem(operation, dtype, _inputs(operation, rows, classes, rng), options)
    shape = value_shape(problem)
    size = rng.integers(1, EIGHTHS, shape) / 4 * rng.choice((-1.0, 1.0), shape)
    grads = size if upstream else np.ones(shape)
    return Repeated(Problem(operation, dtype, problem.inputs, options, grad_output=grads), times)


def _check(operation: str, dtype: str, options: Mapping[str, Any], extras: frozenset[str]) -> None:
    """ValueError where there is no such question."""
    if options.get("dim", -1) not in (-1, 1):
        raise ValueError(f"dim is {options['dim']}; expected -1 or 1, rows one after the other")
    if "target" in OPERATIONS[operation].inputs and not labels_in(extras):
        raise ValueError("supports names no labels, and probabilities; expected labels")
    if "target" in OPERATIONS[operation].inputs and (dtype, options.get("reduction", "mean")) == ("float16", "mean"):
        raise ValueError("dtype is float16, and the reduction a mean, whose gradients underflow; expected none or sum")


def _inputs(operation: str, rows: int, classes: int, rng: np.random.Generator) -> dict[str, Array]:
    """Multiples of 1/8, or of 2^-16, which every format has."""
    about = OPERATIONS[operation]
    if about.value == OF_LAYER or "input" in about.inputs:
        layer = "weight" if "weight" in about.inputs else "linear_weight"
        inputs = {"input": _eighths(rng, EIGHTHS, rows, FEATURES), layer: _eighths(rng, EIGHTHS, classes, FEATURES)}
    elif about.value == PER_ROW and "p" in about.inputs:
        return {name: rng.integers(1, 16, (rows, classes)) / 2**16 for name in about.inputs}
    else:
        inputs = {name: np.array(0.5) if name in about.constants else _eighths(rng, LOGITS, rows, classes)
                  for name in about.inputs if name != "target"}  # fmt: skip
    return inputs | ({"target": rng.integers(classes, size=rows)} if "target" in about.inputs else {})


def _eighths(rng: np.random.Generator, most: int, *shape: int) -> Array:
    return np.asarray(rng.integers(-most, most + 1, shape) / EIGHTHS)
