"""Other causes than the first: a row that has failed goes on without what failed, while something is left to ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..diagnosis.features import WITH, features
from ..problem.kinds import kinds_of
from ..problem.operations import DIRECTIONAL, OF_REDUCTIONS
from ..problem.problem import Problem
from ..reports.failure import Failure
from .probing import SHAPE

OVERWRITES = "--writes"  # in the advice on a function whose every further answer may come from that
MOST = 3  # failures of a row that are looked for by default
CONVENTIONS = ("empty", "all_ignored", "ignored_nonfinite")  # for which many have an answer of their own
_STRANGE = re.compile(r"(got|exact|is|relation) -?(nan|inf)")


@dataclass(frozen=True)
class LeftOut:
    """What a row is asked no more: checks and relations, problems with some features or kinds, some derivatives."""

    questions: frozenset[tuple[str, str]] = frozenset()
    having: tuple[Callable[[Problem], bool], ...] = ()
    kinds: frozenset[frozenset[str]] = frozenset()
    gradient: bool = False
    tangent: bool = False

    def narrowed(self, problem: Problem) -> Problem | None:
        """What of a problem is still asked; None where nothing is."""
        own = kinds_of(problem) if self.kinds else set()
        with np.errstate(all="ignore"):
            if any(each <= own for each in self.kinds) or any(contains(problem) for contains in self.having):
                return None
        if self.gradient and problem.grad_output is not None:
            return replace(problem, grad_output=None, tangent=None)
        return replace(problem, tangent=None) if self.tangent and problem.tangent is not None else problem

    def and_without(self, failure: Failure) -> LeftOut | None:
        """The same and what failed, by its diagnosis or its smallest problem; None where that is all."""
        problem, output, kind = failure.verdict.problem, failure.verdict.output, failure.diagnosis.without
        if problem is not None and kind == "layouts" and (own := _layouts(problem)):  # others may be another matter
            return replace(self, having=(*self.having, lambda other: not own.isdisjoint(_layouts(other))))
        if problem is not None and kind in kinds_of(problem):
            return replace(self, kinds=self.kinds | {frozenset({kind})})
        if kind in DIRECTIONAL and not self.tangent:
            return replace(self, tangent=True)
        if failure.question is not None:
            return replace(self, questions=self.questions | {failure.question})
        if problem is None:
            return None
        known = features(problem.operation)
        for pattern in failure.diagnosis.patterns:
            if pattern.words.startswith(WITH) and (contains := known.get(pattern.words.removeprefix(WITH))) is not None:
                return replace(self, having=(*self.having, contains))
        if kinds := frozenset(kinds_of(problem) - OF_REDUCTIONS.keys() - {"labels"}):
            return replace(self, kinds=self.kinds | {kinds})
        if output.startswith(("grad_", "hvp")) and not self.gradient:
            return replace(self, gradient=output.startswith("grad_"), tangent=True)
        return replace(self, tangent=True) if output == "jvp" and not self.tangent else None


def is_told(failure: Failure, told: Sequence[Failure]) -> bool:
    """Whether one of those that are told has the same cause: the same kind of input or check is to be left out.

    A wrong number is another one than an error.
    """
    own = failure.diagnosis.without, failure.verdict.is_error
    return bool(own[0]) and any(own == (each.diagnosis.without, each.verdict.is_error) for each in told)


def _layouts(problem: Problem) -> set[str]:
    """Those of its arrays that are not one element after another."""
    return {problem.layout_of(name) for name in problem.inputs} - {"contiguous"}


def is_counted(failure: Failure) -> bool:
    """Whether it is one of those that are looked for; a convention, or a shape, may stand before what is wrong."""
    return failure.diagnosis.without not in CONVENTIONS and SHAPE.search(failure.verdict.explanation) is None


def headline_first(failures: list[Failure]) -> list[Failure]:
    """An ordinary number that is wrong comes first: before errors, other checks, and what is infinite or no number.

    And before derivatives in a direction, which few ask for.
    """
    return sorted(failures, key=lambda failure: not _is_ordinary(failure))


def _is_ordinary(failure: Failure) -> bool:
    verdict = failure.verdict
    if (
        not verdict.output
        or verdict.output.startswith(("jvp", "hvp"))
        or failure.question is not None
        or verdict.problem is None
    ):
        return False
    finite = all(array.size and np.isfinite(array).all() for array in verdict.problem.inputs.values())
    return bool(finite) and _STRANGE.search(verdict.explanation) is None
