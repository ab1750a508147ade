"""Large problems, part of every run: each dimension in its turn is long, up to more than 16 bits count.

They follow from a seed. Of each dimension there is a problem in every range of sizes, and several in the last; among
these are all options that the operation has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload
from zlib import crc32

import numpy as np

from ..problem.formats import FORMATS
from ..problem.interface import check_dimensions, check_option
from ..problem.operations import DIRECTIONAL, OPERATIONS, reductions
from ..problem.problem import COMMON_LAYOUTS, Problem
from ..problem.validation import check_mapping, check_name, check_names, check_whole
from .large_arrays import LOOKS
from .large_making import Plan, made
from .sizes import size_between, strata

_ROWS = ("batch", "positions", "classes")
DIMENSIONS = dict.fromkeys(OPERATIONS, _ROWS) | dict.fromkeys(("linear", "linear_cross_entropy"), (*_ROWS, "features"))
TOPS = 3  # problems of each dimension above all limits
OFTEN, SOMETIMES = 2, 1  # in so many of them
_OPTIONS = {"weight": OFTEN, "label_smoothing": SOMETIMES, "ignored": OFTEN, "bias": OFTEN, "strided": OFTEN,
            "keepdim": SOMETIMES, "probabilities": SOMETIMES, "tangent": SOMETIMES, "alike": OFTEN}  # fmt: skip


class LargeProblems(Sequence[Problem]):
    """Large problems by number, each made when it is asked for."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.plans = tuple(plans)

    def __len__(self) -> int:
        return len(self.plans)

    @overload
    def __getitem__(self, number: int) -> Problem: ...
    @overload
    def __getitem__(self, number: slice) -> LargeProblems: ...
    def __getitem__(self, number: int | slice) -> Problem | LargeProblems:
        if isinstance(number, slice):
            return LargeProblems(self.plans[number])
        return made(self.plans[number])

    def resized(self, number: int, size: int) -> Problem:
        """The problem with that number, and another size of its long dimension."""
        return made(replace(self.plans[number], size=check_whole("size", size, "a whole number above 0", 1)))


def large_problems(
    operation: str,
    dtype: str,
    supports: Iterable[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    ndim: Collection[int] = (),
    layouts: Sequence[str] = COMMON_LAYOUTS,
) -> LargeProblems:
    """Problems of many rows, positions, classes or features, in ascending order of their sizes.

    Args:
        operation: a key of `softproof.OPERATIONS`.
        dtype: a format, such as ``"float32"``.
        supports: the optional inputs and options that may be asked; by default all.
        fixed: options that have one value, such as ``{"reduction": "none"}``.
        seed: makes them; another seed makes others.
        ndim: how many dimensions the logits, probabilities or features may have; by default any number.
        layouts: the layouts that arrays may have.
    Raises: ValueError for an unknown operation, dtype or option.

    >>> found = large_problems("softmax", "float32", seed=1)
    >>> max(problem.inputs["logits"].size for problem in found) > 2**18
    True
    """
    check_name("operation", operation, OPERATIONS)
    check_name("dtype", dtype, FORMATS)
    for name, value in check_mapping("fixed", {} if fixed is None else fixed, "{'reduction': 'none'}").items():
        check_option(name, value)
    about = OPERATIONS[operation]
    extras = about.extras if supports is None else check_names("supports", supports, "dim")
    ndim = check_dimensions(ndim)
    check_names("layouts", layouts, "strided")
    check_whole("seed", seed, "a whole number")
    known = {name: value for name, value in (fixed or {}).items() if name in about.options}
    plans = _plans(operation, dtype, frozenset(extras), known, int(seed), frozenset(ndim), tuple(layouts))
    return LargeProblems(sorted(plans, key=lambda plan: plan.elements))


# ---- what is asked --------------------------------------------------------------------------------------------------


def _plans(
    operation: str,
    dtype: str,
    extras: frozenset[str],
    fixed: Mapping[str, Any],
    seed: int,
    ndim: frozenset[int],
    layouts: tuple[str, ...],
) -> Iterator[Plan]:
    """Of each dimension one in every range of sizes, and TOPS in the last."""
    for dimension in DIMENSIONS[operation]:
        key = (seed % 2**64, crc32(f"{operation} {dtype} {dimension}".encode()))
        rng = np.random.default_rng(key)
        *lower, top = strata(dimension)
        shapes, turn = _shapes(operation, dimension, extras, fixed, ndim), int(rng.integers(3))
        if not shapes:
            continue
        own = [shapes[(turn + number) % len(shapes)] for number in range(len(lower) + TOPS)]
        many = {number for number, (lead, _) in enumerate(own) if lead}
        options = _chosen(rng, operation, extras, len(lower), fixed, many)
        may = [name for name in ("none", "mean", "sum") if name in reductions(extras)]
        reduced = [*rng.choice(may, len(lower)), *np.resize(rng.permutation(may), TOPS)]
        looks, rows = rng.permutation(list(LOOKS)), 0
        for number, (lead, axis) in enumerate(own):
            size = size_between(rng, dimension, *(lower[number] if number < len(lower) else top))
            has = frozenset(name for name, where in options.items() if number in where)
            count = 2 if lead else 1
            mine = tuple(str(looks[(rows + row) % len(looks)]) for row in range(count))
            rows += count
            yield Plan(operation, dtype, dimension, size, (*key, number), has, str(reduced[number]), lead, axis,
                       mine, layouts, dict(fixed), extras)  # fmt: skip


def _chosen(
    rng: np.random.Generator,
    operation: str,
    extras: frozenset[str],
    lower: int,
    fixed: Mapping[str, Any],
    many: set[int],
) -> dict[str, set[int]]:
    """Which problems have which option: half of the lower ones, and of the last each some.

    Some rows are ignored where there are `many`, and labels.
    """
    last, found = np.arange(lower, lower + TOPS), dict[str, set[int]]()
    for name, count in _OPTIONS.items():
        found[name] = {number for number in range(lower) if rng.random() < 0.5}
        found[name] |= set(rng.choice(last, count, replace=False).tolist())
    known = {"ignored": "ignore_index", "bias": "linear_bias" if operation == "linear_cross_entropy" else "bias"}
    for name in ("weight", "label_smoothing", "ignored", "bias", "keepdim", "probabilities"):
        own = known.get(name, name)
        if own not in extras and not (name == "ignored" and own in fixed):
            found[name] = set()
    if not extras & set(DIRECTIONAL):
        found["tangent"] = set()
    if found["probabilities"] and found["ignored"]:
        lower_ones = {number for number in found["probabilities"] if number < lower}
        may = [number for number in last if number not in many] or last
        found["probabilities"] = lower_ones | {int(rng.choice(may))}
    if found["ignored"]:
        found["ignored"].add(int(rng.choice([each for each in last if each in many - found["probabilities"]])))
    return found


def _shapes(
    operation: str, dimension: str, extras: frozenset[str], fixed: Mapping[str, Any], ndim: frozenset[int]
) -> list[tuple[int, int]]:
    """(axes besides the last dimension of a row, where the classes are): the last place, then all others."""
    least, most = {"batch": (1, 2), "positions": (2, 2)}.get(dimension, (0, 2))
    if operation == "linear_cross_entropy":
        least, most = (2, 2) if dimension == "positions" else (least, 1)
        if dimension == "positions" and "k_dimensional" not in extras:
            return []
    if "cross_entropy" in operation and operation != "distribution_cross_entropy" and "unbatched" not in extras:
        least = max(least, 1)
    found = []
    for lead in range(most, least - 1, -1):
        axes = [0 if not lead else 1] if operation == "cross_entropy" else [lead]
        if "dim" in extras:
            axes = [(lead - turn) % (lead + 1) for turn in range(lead + 1)]
        if "dim" in fixed:
            axes = [fixed["dim"] % (lead + 1)] if -lead - 1 <= fixed["dim"] <= lead else []
        dimensions = lead + 1 if operation != "linear_cross_entropy" else min(lead, 1) + 1
        found += [(lead, axis) for axis in axes if not ndim or dimensions in ndim]
    return found
