"""What is common to failures: with what they come, what stands in the place of the answer, and where."""

from __future__ import annotations

from collections.abc import Sequence

from ..problem.problem import Problem
from .answers import Wrong, relations
from .features import Seen, only_with
from .interview import Interview
from .likeness import Yardstick
from .places import places
from .record import Pattern
from .threshold import thresholds

QUESTIONS = 16  # besides, to count what failures come with


def patterns_of(
    interview: Interview, seen: Sequence[Seen], pool: Sequence[Problem], *, known: bool
) -> tuple[Pattern, ...]:
    """From the problems of a row, and from the answers that a candidate has given since, and gives to some more.

    Where it is `known` what fails, what failures come with is not counted.
    """
    model, answered = interview.model, {each.problem.digest() for each in interview.replies}
    interview.most = len(interview.replies) + QUESTIONS
    for problem in pool:
        if problem.digest() not in answered:
            interview.ask(problem)
    output = interview.replies[0].verdict.output
    disagreeing = [
        each for each in interview.replies if output and each.verdict.output == output and not each.verdict.ok
    ]
    wrong = [Wrong(each, Yardstick.of(each.problem, model), model) for each in disagreeing]
    wrong = [each for each in wrong if each.where]
    sizes = thresholds(interview, interview.replies[0]) if wrong else []
    asked = [(each.problem, each.verdict.ok, each.verdict.output) for each in interview.replies]
    counted = [] if known else only_with([*seen, *asked], output)
    return (*sizes, *counted, *relations(wrong), *places(wrong))
