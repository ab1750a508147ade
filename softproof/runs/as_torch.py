"""Who fails as torch itself does is judged on all the rest, and the finding about torch is cited.

A loss that is made of torch's functions has its faults, too. Where a fault is a NaN for a 0, all other numbers of the
same answers can be judged, and are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from ..bounds.models import Model
from ..candidates.candidate import Candidate
from ..diagnosis.interview import Interview
from ..diagnosis.known import KNOWN, known_finding
from ..problem.problem import Output, Problem, Result
from ..reports.row import Row
from .harmless import kinds, plain

Zeroed = Callable[[Problem, str, Output], Output]
ALL_BUT = {each.finding: each.zeroed for each in KNOWN if each.zeroed is not None}  # what leaves the rest to judge
OPERATIONS_OF = {name for each in KNOWN if each.zeroed is not None for name in each.operations}
QUESTIONS = 2  # that, and the same without what it is about


class AsTorch:
    """A candidate in whose answers NaN is 0 where a finding has it NaN, and is right at 0."""

    def __init__(self, candidate: Candidate, zeroed: Zeroed) -> None:
        self._candidate, self._zeroed = candidate, zeroed

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        """As `Candidate.answer`."""
        return self.ask(problem, device)

    def ask(self, problem: Problem, device: str, directive: str = "answer", *arguments: str) -> Result:
        """As `Candidate.ask`."""
        result = self._candidate.ask(problem, device, directive, *arguments)
        return replace(
            result, outputs={name: self._zeroed(problem, name, each) for name, each in result.outputs.items()}
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._candidate, name)


def finding_of(row: Row) -> str:
    """The finding that a row failed by first, if all the rest of its answers can be judged; empty for others."""
    found = row.failure.diagnosis.finding if row.failure is not None else ""
    return found if found in ALL_BUT else ""


def shows_at_once(candidate: Candidate, operation: str, dtype: str, device: str, model: Model) -> str:
    """A finding whose smallest question is answered as torch does, if all the rest can be judged; or empty."""
    usual = plain(operation, dtype, candidate.supports(operation), fixed=candidate.interface.fixed)
    if operation not in OPERATIONS_OF or usual is None:
        return ""
    about = kinds(operation, dtype, candidate.supports(operation), usual)
    asked = next((each.problem for each in about if each.option == "ignored_nonfinite"), None)
    interview = Interview(candidate, device, model, "C", QUESTIONS)
    reply = None if asked is None else interview.ask(asked)
    found = None if reply is None or reply.verdict.ok else known_finding(interview, reply)
    return found.finding if found is not None and found.finding in ALL_BUT else ""


def but_for(candidate: Candidate, finding: str) -> Candidate:
    """The candidate, judged on all but a finding."""
    return cast("Candidate", AsTorch(candidate, ALL_BUT[finding]))


def with_finding(rest: Row, finding: str) -> Row:
    """The row of all the rest, which agrees; it names the finding."""
    return replace(rest, outcome=replace(rest.outcome, findings=(finding,)))


def with_failure(rest: Row, row: Row) -> Row:
    """The row of all the rest; it names the finding of another if it agrees, and otherwise fails by that as well."""
    rest = replace(rest, outcome=replace(rest.outcome, seconds=row.outcome.seconds + rest.outcome.seconds))
    if rest.ok:
        return with_finding(rest, finding_of(row))
    return replace(rest, failures=(*rest.failures, *row.failures[:1]))
