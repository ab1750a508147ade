"""Failures of all rows, grouped by what they come from: each cause is told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..diagnosis.features import WITH
from ..problem.kinds import kinds_of

if TYPE_CHECKING:
    from .failure import Failure
    from .row import Row


@dataclass(frozen=True)
class Cause:
    """A failure, the row that it is of, and all rows in which there is one like it, each once."""

    row: Row
    failure: Failure | None  # None where the row has a reason alone
    rows: tuple[Row, ...]

    @property
    def check(self) -> str:
        """What failed, in a word or two."""
        return self.row.verdict if self.failure is None else self.failure.check


def causes(rows: Sequence[Row]) -> list[Cause]:
    """The causes of rows that fail: what stands first in some row comes before what was found after it."""
    everything = [(row, row.failure) for row in rows]
    everything += [(row, failure) for row in rows for failure in row.failures[1:]]
    distinct: list[Cause] = []
    for row, failed in everything:
        if not row.outcome.reason and failed is None:
            continue
        failure = None if row.outcome.reason else failed
        like = next((place for place, cause in enumerate(distinct) if _is_like(cause, row, failure)), None)
        if like is None:
            distinct.append(Cause(row, failure, (row,)))
        elif row not in distinct[like].rows:
            known = distinct[like]
            distinct[like] = Cause(known.row, known.failure, (*known.rows, row))
    return distinct


def _is_like(cause: Cause, row: Row, failure: Failure | None) -> bool:
    """Whether a failure comes from what a cause is."""
    if (cause.row.implementation, cause.row.operation) != (row.implementation, row.operation):
        return False
    if failure is None or cause.failure is None:
        return failure is cause.failure and row.outcome.reason == cause.row.outcome.reason
    return _alike(cause.failure, failure)


def _alike(one: Failure, two: Failure) -> bool:
    """By the check that failed; and by a known bug, what failures come with, where they are raised, or the problem."""
    if (one.question, bool(one.verdict.output)) != (two.question, bool(two.verdict.output)):
        return False
    if one.question is not None:
        return True
    if not one.verdict.output:
        return _error_of(one) == _error_of(two)
    bugs = [{each.name for each in failure.diagnosis.resembles[:1]} for failure in (one, two)]
    if all(bugs):
        return bugs[0] == bugs[1]
    if _models_of(one) & _models_of(two) or _features_of(one) & _features_of(two):
        return True
    return one.check == two.check and _kinds_of(one) == _kinds_of(two)


def _error_of(failure: Failure) -> str:
    """What was raised and where, without the words, in which numbers and formats may stand."""
    text = failure.verdict.explanation
    return (
        ":".join(text[text.find("raised ") :].split(":")[: 2 if " at " in text else 1])
        if "raised " in text
        else (failure.check)
    )


def _models_of(failure: Failure) -> set[str]:
    """Models under which it would agree: with one in common, two failures come from the arithmetic."""
    return set() if failure.diagnosis.models is None else set(failure.diagnosis.models.agrees)


def _features_of(failure: Failure) -> set[str]:
    return {each.words for each in failure.diagnosis.patterns if each.words.startswith(WITH)}


def _kinds_of(failure: Failure) -> set[str]:
    return set() if failure.verdict.problem is None else kinds_of(failure.verdict.problem)
