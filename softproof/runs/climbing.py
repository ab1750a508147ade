"""The model of a row: the narrowest under which all that it answers agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ..candidates.candidate import Candidate
from ..problem.problem import Problem
from ..verdicts.judgement import narrowed
from ..verdicts.verdict import DISAGREES, NO_GUARANTEE, Verdict
from .criteria import within_reach
from .ladder import LADDER, Recorded

if TYPE_CHECKING:
    from .criteria import Criteria

Judge = Callable[["Criteria", Candidate], Verdict]
Question = tuple[str, str]  # ("judge", ""), or a check or relation by name


def counts(verdict: Verdict) -> bool:
    """Whether it counts in a row. It does not where the arithmetic guarantees nothing; a baseline at fault does."""
    return verdict.outcome != NO_GUARANTEE or verdict.accuracy == "D"


@dataclass(frozen=True)
class Unfounded:
    """An answer that is wrong under the model of the row, and of which a wider `model` promises nothing."""

    model: str
    question: Question
    verdict: Verdict
    judge: Judge
    recorded: Recorded
    source: str  # Python that makes the problem, where it is large


class Climbing:
    """What of a schedule chooses the model."""

    candidate: Candidate
    criteria: Criteria
    pinned: Question | None
    beyond: dict[str, float]
    unfounded: list[Unfounded]
    making: str

    def climbing(
        self,
        judge: Judge,
        problem: Problem,
        question: Question = ("judge", ""),
        shown: Problem | None = None,
    ) -> Verdict:
        """The verdict under the narrowest model, from that of the row on, under which nothing disagrees.

        Where it disagrees under all of them, that under the row's own. The same answers are judged under each. Where a
        wider model promises nothing, the row has to need that model elsewhere, or what was wrong stays so: that is
        told of the problem that is `shown`, and of the question.
        """
        if not self.criteria.auto:
            return judge(self.criteria, self.candidate)
        recorded = Recorded(self.candidate)
        candidate = cast("Candidate", recorded)
        verdict = judge(self.criteria, candidate)
        if verdict.outcome != DISAGREES or not verdict.output:  # no number is what is wrong
            return verdict
        for criteria in self.criteria.wider(problem.dtype):
            recorded.rewind()
            again = judge(criteria, candidate)
            if again.outcome != DISAGREES:
                if counts(again) or self._needs(criteria, problem):
                    self._climb(criteria, verdict)
                elif self.pinned is None and (shown is None or shown.dtype == problem.dtype):
                    # a model that promises nothing here is no reason to allow more elsewhere; a dtype has its own row
                    asked = replace(verdict, problem=shown or verdict.problem or problem)
                    self.unfounded.append(Unfounded(criteria.name, question, asked, judge, recorded, self.making))
                return again
        return verdict

    def _needs(self, criteria: Criteria, problem: Problem) -> bool:
        """Whether it is right under a wider model alone where that promises something: for logits that are smaller."""
        least = within_reach(problem, criteria)
        if least is None or self.criteria.by_stages or self.pinned is not None or not self.candidate.takes(least):
            return False
        least, _ = narrowed(self.candidate, replace(least, tangent=None))
        result = self.candidate.answer(least, criteria.device)
        narrow, wide = (each.judge_result(least, result) for each in (self.criteria, criteria))
        return narrow.outcome == DISAGREES and bool(narrow.output) and wide.ok

    def still_wrong(self) -> Unfounded | None:
        """The first that is wrong under the model of the row as it is now, while a wider one promises nothing."""
        for each in self.unfounded:
            each.recorded.rewind()
            if each.judge(self.criteria, cast("Candidate", each.recorded)).outcome == DISAGREES:
                return each
        return None

    def _climb(self, criteria: Criteria, refused: Verdict) -> None:
        """From here on the row is judged under a wider model; not while a failure is made smaller."""
        if self.pinned is None:
            name = self.criteria.name or LADDER[0]
            self.beyond[name] = max(self.beyond.get(name, 0.0), refused.ratio)
            self.criteria = criteria
