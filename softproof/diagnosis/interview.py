"""A candidate that is asked a few questions more: each answer is kept, and can be judged by any criteria."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..bounds.models import Model
from ..candidates.candidate import Candidate
from ..candidates.implementation import Implementation
from ..problem.interface import Interface
from ..problem.problem import Problem, Result
from ..verdicts.case import BITS
from ..verdicts.judgement import judge
from ..verdicts.verdict import Verdict


@dataclass(frozen=True)
class Given:
    """An implementation that gives one answer, which is known already, whatever it is asked."""

    of: Implementation
    result: Result

    @property
    def name(self) -> str:
        """That of the implementation whose answer it is."""
        return self.of.name

    @property
    def operations(self) -> tuple[str, ...]:
        """As the implementation."""
        return self.of.operations

    @property
    def dtypes(self) -> tuple[str, ...]:
        """As the implementation."""
        return self.of.dtypes

    @property
    def interface(self) -> Interface:
        """As the implementation."""
        return self.of.interface

    def differentiates(self, operation: str) -> bool:
        """As the implementation."""
        return self.of.differentiates(operation)

    def supports(self, operation: str) -> frozenset[str]:
        """As the implementation."""
        return self.of.supports(operation)

    def takes(self, problem: Problem) -> bool:
        """As the implementation."""
        return self.of.takes(problem)

    def answer(self, _problem: Problem, _device: str = "cpu") -> Result:
        """The one that is known."""
        return self.result


@dataclass(frozen=True)
class Reply:
    """A problem, the answer, and what the judge says of it."""

    problem: Problem
    result: Result
    verdict: Verdict


@dataclass
class Interview:
    """Who is asked, and by what the answers are judged; `most` limits the questions."""

    candidate: Candidate
    device: str
    model: Model
    accuracy: str
    most: int
    replies: list[Reply] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether one more question may be asked."""
        return len(self.replies) < self.most and not self.candidate.process.lost

    def ask(self, problem: Problem) -> Reply | None:
        """The answer to a problem; None where it cannot be asked, or not any more."""
        if not self.candidate.differentiates(problem.operation):
            problem = replace(problem, grad_output=None)
        problem = self.candidate.interface.part(problem)
        if not self.open or not self.candidate.takes(problem):
            return None
        with warnings.catch_warnings(action="ignore"):
            result = self.candidate.answer(problem, self.device)
        reply = Reply(problem, result, self.judged(problem, result))
        self.replies.append(reply)
        return reply

    def judged(
        self, problem: Problem, result: Result, model: Model | None = None, bits: Sequence[int] = BITS[1:]
    ) -> Verdict:
        """The verdict on an answer, by this model or another."""
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            return judge(
                Given(self.candidate, result),
                problem,
                device=self.device,
                arithmetic=model or self.model,
                accuracy=self.accuracy,
                bits=bits if problem.dtype == "float64" else BITS,
            )
