"""What `verify` asks of one operation in one dtype from one seed, drawn once, and which faults that kills.

The judge is asked in this process, of value and gradients alone; what is asked by checks and relations, is
left to the faults that no single answer shows. The last fifth of the problems is drawn without a target: there is no
error to drive it towards.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from softproof import OPERATIONS, Candidate, Problem, load
from softproof.bounds.models import model
from softproof.generation.coverage import REGIONS, regions
from softproof.generation.large import large_problems
from softproof.generation.strategies import problems
from softproof.mutants.record import left_out
from softproof.runs.criteria import Criteria
from softproof.runs.schedule import Schedule
from softproof.runs.search import EXAMPLES, verdicts
from softproof.truth.solver import FLOAT64
from softproof.verdicts.case import BITS
from softproof.verdicts.judgement import judge_result
from softproof.verdicts.verdict import AGREES, DISAGREES, Verdict

from .answers import active, asked, result, right, wrong
from .lifetimes import Living, survives_its_own, survives_verify
from .record import Fault
from .steps import STEPPED, Answer
from .tailored import tailored

KILLED, ALIVE, NOT_ASKED = "killed", "alive", "alive, no problem reaches it"
VISIBLE, WITHIN, HARMLESS = "rejected", "within the bounds", "the same bits"


@dataclass
class _Listening(Schedule):
    """Asks nobody, and keeps what would be asked."""

    asked_problems: list[Problem] = field(default_factory=list)

    def verdict(self, problem: Problem) -> Verdict:
        problem = self.criteria.promised(problem)
        for region in regions(problem):
            self.regions[region] = self.regions.get(region, 0) + 1
        self.asked_problems.append(problem)
        return Verdict(AGREES)


def criteria() -> Criteria:
    """Those of `verify` by default."""
    return Criteria("cpu", model(None), "", "C", None, 1.0)


def candidate(operation: str) -> Candidate:
    """The right implementation, as a target of `verify`."""
    return load(STEPPED[operation], operation=operation, adapter="torch").leaving_out(left_out(operation))


def questions(operation: str, dtype: str, seed: int, examples: int = EXAMPLES) -> list[Problem]:
    """The problems of one row of `verify`, the large ones last."""
    supports = frozenset(OPERATIONS[operation].extras) - set(left_out(operation))
    listening = _Listening(candidate(operation), criteria(), supports, f"{operation} {dtype}")
    draw = partial(problems, operation, dtype, supports=supports)
    verdicts(listening, draw, REGIONS[operation], examples, seed)
    large = [*large_problems(operation, dtype, supports, seed=seed)] if examples >= EXAMPLES else []
    return listening.asked_problems + large


def rejected(problem: Problem, answer: Answer) -> bool:
    """Whether the judge says *disagrees*: by float64, and by more bits where that cannot tell."""
    outcome = ""
    for bits in ((FLOAT64,), BITS):
        outcome = judge_result(problem, result(problem, answer), bits=bits).outcome
        if outcome != "undecided":
            break
    return outcome == DISAGREES


def _differ(one: Answer, two: Answer) -> bool:
    return any(not np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def _caught(fault: Fault, problem: Problem, answer: Answer) -> bool:
    """Whether the problem shows the fault; an answer with the same bits as the right one is not judged again."""
    spoiled = wrong(fault, problem, answer)
    return _differ(answer, spoiled) and rejected(problem, spoiled)


class Row:
    """The problems of one row, with their right answers as soon as somebody needs them."""

    def __init__(self, operation: str, dtype: str, seed: int, examples: int = EXAMPLES) -> None:
        self.operation, self.dtype, self.seed = operation, dtype, seed
        self.problems = questions(operation, dtype, seed, examples)
        self._right: dict[tuple[int, bool], Answer] = {}

    def outcome(self, fault: Fault) -> tuple[str, int]:
        """What becomes of a fault, and at which problem, counted from 1; 0 where it lives."""
        if fault.kind == "lifetime":
            return self._lived(fault), 0
        reached = False
        for number, problem in enumerate(self.problems, 1):
            own = asked(fault, problem)
            if not active(fault, own):
                continue
            reached = True
            if _caught(fault, own, self._answer(number, own)):
                return KILLED, number
        return (ALIVE if reached else NOT_ASKED), 0

    def _answer(self, number: int, problem: Problem) -> Answer:
        key = number, problem.tangent is not None
        if key not in self._right:
            self._right[key] = right(problem)
        return self._right[key]

    def _lived(self, fault: Fault) -> str:
        if not any(Living.size(problem) > fault.threshold for problem in self.problems):
            return NOT_ASKED
        return ALIVE if survives_verify(fault, self.seed) else KILLED


def seen_by_its_own(fault: Fault) -> str:
    """What the judge makes of problems that are built for the fault, and for nothing else."""
    if fault.kind == "lifetime":
        return WITHIN if survives_its_own(fault) else VISIBLE
    found = HARMLESS
    for problem in (asked(fault, each) for each in tailored(fault)):
        answer = right(problem)
        spoiled = wrong(fault, problem, answer)
        if _differ(answer, spoiled):
            found = WITHIN
            if rejected(problem, spoiled):
                return VISIBLE
    return found


def silently(fault: Fault, row: Row | None) -> tuple[str, int]:
    """Either of both, without what torch and NumPy say about overflows."""
    with warnings.catch_warnings(action="ignore"):
        return row.outcome(fault) if row else (seen_by_its_own(fault), 0)
