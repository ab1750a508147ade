"""With which inputs and options a kernel fails: what all failures have in common, and agreements mostly lack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import comb

import numpy as np

from ..generation.coverage import REGIONS
from ..problem.problem import Problem
from ..problem.slicing import row_count
from .record import Pattern

Seen = tuple[Problem, bool, str]  # whether it agreed, and the output that decided
WITH = "fails only with "  # how a pattern of features begins
BY_CHANCE = 1 / 50  # the largest probability that failures are where they are by chance


def _upstream_is_not_1(problem: Problem) -> bool:
    return problem.grad_output is not None and bool((problem.grad_output != 1).any())


_MORE: dict[str, Callable[[Problem], bool]] = {
    "an upstream gradient that is not 1": _upstream_is_not_1,
    "a gradient": lambda problem: problem.grad_output is not None,
    "more than one row": lambda problem: row_count(problem) > 1,
    "an axis other than the last": lambda problem: (
        "dim" in problem.options
        and isinstance(problem.options["dim"], int)
        and problem.options["dim"] not in (-1, next(iter(problem.inputs.values())).ndim - 1)
    ),
    "more than two dimensions": lambda problem: next(iter(problem.inputs.values())).ndim > 2,
    "logits above 88": lambda problem: "logits" in problem.inputs and bool((problem.inputs["logits"] > 88).any()),
    "an array that is not contiguous": lambda problem: problem.layout != "contiguous",
}
_LEFT_OUT = ("2 to 9 classes", "no batch", "labels")  # which say little


def features(operation: str) -> dict[str, Callable[[Problem], bool]]:
    """By name, the most telling first: those of options before those of sizes."""
    regions = {name: region for name, region in REGIONS[operation].items() if name not in _LEFT_OUT}
    return _MORE | regions


def only_with(seen: Iterable[Seen], output: str) -> list[Pattern]:
    """The feature that separates failures of an output from agreements best, if one does."""
    unlike = {problem.digest(): (problem, ok) for problem, ok, wrong in seen if ok or wrong == output}
    problems = list(unlike.values())
    failed = [ok for _, ok in problems].count(False)
    if not failed:
        return []
    found = [(pattern, chance) for pattern, chance in _candidates(problems, failed) if chance <= BY_CHANCE]
    if not found:
        return []
    return [min(found, key=lambda each: each[1])[0]]


def _candidates(problems: Sequence[tuple[Problem, bool]], failed: int) -> Iterable[tuple[Pattern, float]]:
    """Features that every failure has, and the probability that so many have it by chance."""
    for name, contains in features(problems[0][0].operation).items():
        having = [ok for problem, ok in problems if _has(contains, problem)]
        if having.count(False) == failed and len(having) < len(problems):
            chance = comb(len(having), failed) / comb(len(problems), failed)
            yield Pattern(f"{WITH}{name}", failed, len(having), 0, len(problems) - len(having)), chance


def _has(contains: Callable[[Problem], bool], problem: Problem) -> bool:
    with np.errstate(all="ignore"):
        return bool(contains(problem))
