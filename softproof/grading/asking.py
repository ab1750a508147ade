"""One candidate and the questions of a bank: what came of each, and of the smallest failure in words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from ..bounds.models import MODELS
from ..candidates.ahead import answers
from ..candidates.candidate import Candidate
from ..candidates.plain_text import plain
from ..diagnosis.diagnose import QUESTIONS, Diagnosing, Failed
from ..diagnosis.features import Seen
from ..diagnosis.lineup import Lineup
from ..problem.outputs import gradient_names, output_shapes
from ..problem.problem import Problem
from ..reports.failure import Failure
from ..reports.required import missing
from ..verdicts.compiled import judge_compiled
from ..verdicts.judgement import narrowed
from ..verdicts.together import Answered, ratios_if_right
from ..verdicts.verdict import DISAGREES, NO_GUARANTEE, Verdict
from .kept import Kept, size_of

LONGEST = 4000  # characters of Python that asks a question again
AT_ONCE = 1 << 15  # numbers of answers that are compared together
_Asked = tuple[Kept, Problem, frozenset[str]]  # what is asked of the problem, and the outputs that are not
OVER = "its budget was spent"


@dataclass
class Count:
    """How often an output, or a question in a region, was asked and passed, and the worst error/bound."""

    questions: int = 0
    asked: int = 0
    passed: int = 0
    ratio: float = 0.0


@dataclass
class Score:
    """What came of the questions so far."""

    questions: int = 0
    asked: int = 0
    passed: int = 0
    failed: int = 0
    uncounted: int = 0  # of which nothing is guaranteed
    outputs: dict[str, Count] = field(default_factory=dict)
    regions: dict[str, Count] = field(default_factory=dict)
    failed_on: Kept | None = None  # the smallest question that failed
    verdict: Verdict | None = None  # on that
    seen: list[Seen] = field(default_factory=list)
    lacks: str = ""  # why the first of those that could not be asked could not
    over: bool = False


def ask(
    candidate: Candidate,
    questions: Sequence[Kept],
    device: str,
    require: Sequence[str],
    deadline: float = inf,
) -> Score:
    """Each question, until the deadline; what is not asked is not passed.

    `require` names the kinds of output without which a question is not passed.
    """
    score, asked = Score(), list[_Asked]()
    for kept in questions:
        score.questions += 1
        for name in kept.outputs:
            score.outputs.setdefault(name, Count()).questions += 1
        for name in kept.regions:
            score.regions.setdefault(name, Count()).questions += 1
        if why := _cannot_ask(candidate, kept):
            score.lacks = score.lacks or why
        else:
            asked.append((kept, *_fitting(candidate, kept.problem)))
    for some in _together(_answered(score, candidate, asked, device, deadline)):
        found = ratios_if_right([answered for _, answered in some], device)
        for (kept, answered), ratios in zip(some, found, strict=True):
            passed, ratio = _add(score, kept, answered, ratios, device, require)
            score.asked += 1
            score.passed += passed
            for name in kept.regions:
                _count(score.regions[name], ratio, passed=passed)
    return score


def _answered(
    score: Score, candidate: Candidate, asked: Sequence[_Asked], device: str, deadline: float
) -> Iterator[tuple[Kept, Answered]]:
    """Each question with its answer, until the deadline."""
    with closing(answers(candidate, [problem for _, problem, _ in asked], device)) as found:
        for kept, problem, unasked in asked:
            score.over = time.monotonic() >= deadline
            if score.over:
                return
            limit(candidate, deadline - time.monotonic())
            result = next(found)
            if unasked:
                given = {name: each for name, each in result.outputs.items() if name not in unasked}
                result = replace(result, outputs=given)
            yield kept, Answered(problem, result, kept.outputs, kept.model, unasked)


def _together(answered: Iterator[tuple[Kept, Answered]]) -> Iterator[list[tuple[Kept, Answered]]]:
    """Some at a time, which are compared at once."""
    some, size = list[tuple[Kept, Answered]](), 0
    for kept, each in answered:
        some.append((kept, each))
        size += sum(output.values.size for output in each.result.outputs.values())
        if size >= AT_ONCE:
            yield some
            some, size = [], 0
    yield some


def limit(candidate: Candidate, seconds: float) -> None:
    """Let no question take longer, where the candidate can be stopped."""
    if seconds < inf:
        candidate.process.limit(max(0.001, seconds))


def _add(
    score: Score, kept: Kept, answered: Answered, ratios: dict[str, float] | None, device: str, require: Sequence[str]
) -> tuple[bool, float]:
    """Whether one question is passed, and its worst error/bound; `ratios` has those of its outputs if all are right."""
    problem, unasked = answered.problem, answered.unasked
    names = output_shapes(problem).keys() - unasked
    if ratios is None:
        verdict = judge_compiled(problem, answered.result, kept.outputs, kept.model, device=device, unasked=unasked)
        _count_wrong(score, names, verdict)
        score.uncounted += verdict.outcome == NO_GUARANTEE
        if not verdict.ok:
            _keep(score, kept, verdict)
            return False, verdict.ratio
        ratios = verdict.ratios
    else:
        for name, ratio in ratios.items():
            _count(score.outputs[name], ratio, passed=True)
    score.seen.append((kept.problem, True, ""))
    lacks = missing(require, problem.operation, names | _without(kept.problem))
    if lacks:
        why = f"no {', '.join(lacks)}, which was required; --require value asks for values alone"
        score.lacks = score.lacks or f"{problem.operation}: {why}"
    return not lacks, max(ratios.values(), default=0.0)


def _keep(score: Score, kept: Kept, verdict: Verdict) -> None:
    """One that is not passed, and what the smallest of those was that failed."""
    if verdict.outcome == NO_GUARANTEE:
        return
    score.failed += 1
    score.seen.append((kept.problem, False, verdict.output))
    if score.failed_on is None or size_of(kept.problem) < size_of(score.failed_on.problem):
        score.failed_on, score.verdict = kept, verdict


def _count_wrong(score: Score, names: set[str], verdict: Verdict) -> None:
    """Of an answer without outputs none passes; of another one those that are not as the verdict says."""
    for name in names:
        ratio = verdict.ratios.get(name, inf)
        ratio = max(ratio, verdict.ratio) if name == verdict.output else ratio
        _count(score.outputs[name], ratio, passed=verdict.ok or (bool(verdict.output) and ratio <= 1))


def _count(count: Count, ratio: float, *, passed: bool) -> None:
    count.asked += 1
    count.passed += passed
    count.ratio = max(count.ratio, ratio)


def _without(problem: Problem) -> set[str]:
    """Outputs that a question does not ask of anybody, which nobody can lack."""
    absent = {"grad_"} if problem.grad_output is None or not gradient_names(problem) else set()
    absent |= {"jvp"} if problem.tangent is None else set()
    return absent | ({"hvp_"} if problem.tangent is None or problem.grad_output is None else set())


def _fitting(candidate: Candidate, problem: Problem) -> tuple[Problem, frozenset[str]]:
    """What of a problem the candidate can be asked, and the outputs that it does not have; as `judge` does it."""
    if not _layouts(problem) <= set(candidate.layouts):
        problem = replace(problem, layout="contiguous")
    takes = candidate.supports(problem.operation) | candidate.interface.fixed.keys()
    if unknown := problem.options.keys() - takes:  # which have their defaults, or the question could not be asked
        problem = replace(
            problem, options={name: each for name, each in problem.options.items() if name not in unknown}
        )
    return narrowed(candidate, problem)


def _layouts(problem: Problem) -> set[str]:
    return {problem.layout} if isinstance(problem.layout, str) else {"contiguous", *problem.layout.values()}


def _cannot_ask(candidate: Candidate, kept: Kept) -> str:
    """Why a question is none for this candidate, as far as its interface and its signature say; or nothing."""
    problem = kept.problem
    if problem.operation not in candidate.operations:
        return f"it has no {problem.operation}"
    if problem.dtype not in candidate.dtypes:
        return f"it has no {problem.dtype}"
    if lacks := sorted(kept.kinds - candidate.supports(problem.operation) - candidate.interface.fixed.keys()):
        return f"{problem.operation} takes no {lacks[0]}"
    return "" if candidate.takes(problem) else f"{problem.operation}: its interface does not take such a problem"


# ---- in words -------------------------------------------------------------------------------------------------------


def failure_text(candidate: Candidate, score: Score, device: str, secret: bool) -> str:
    """What went wrong on the smallest question that failed, and Python that asks it again where that is short.

    A `secret` one is not shown.
    """
    kept, verdict = score.failed_on, score.verdict
    if kept is None or verdict is None:
        return ""
    about = f"{kept.problem.operation} {kept.problem.dtype}"
    if secret:
        by = f" {verdict.ratio:.3g} times outside the allowed error" if np.isfinite(verdict.ratio) else ""
        return f"{about}: {DISAGREES}: {verdict.output or 'no answer that can be compared'}{by}"
    words = f"device={device!r}, arithmetic={kept.arithmetic!r}"
    again = Failure(
        verdict, candidate.source, candidate.adapter, candidate.interface.words(), device, 0, words=words
    ).snippet
    text = f"{about}: {plain(str(verdict), LONGEST)}"
    return f"{text}\n\n{again}" if len(again) <= LONGEST else f"{text}\n\n{_shapes(verdict.problem or kept.problem)}"


def diagnosis_text(candidate: Candidate, score: Score, device: str, lineup: Lineup, seconds: float = inf) -> str:
    """What the failure may come from, a line for each thing that is known; nothing after so many seconds."""
    if score.failed_on is None or score.verdict is None or seconds <= 0:
        return ""
    limit(candidate, seconds / QUESTIONS)
    failed = Failed(score.verdict, seen=score.seen)
    model = MODELS[score.failed_on.arithmetic]
    return "\n".join(Diagnosing(device, "C", lineup).diagnosis(candidate, failed, model).lines)


def _shapes(problem: Problem) -> str:
    """A problem that is too large to be shown, in words."""
    shapes = ", ".join(f"{name} {each.shape}" for name, each in problem.inputs.items())
    return f"inputs: {shapes}; options: {dict(problem.options)}; layout: {problem.layout}"
