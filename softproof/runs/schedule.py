"""What each problem is asked besides its answer: checks and relations in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings

from ..bounds.accuracy import Accuracy
from ..candidates.candidate import Candidate
from ..diagnosis.diagnose import Failed
from ..generation.coverage import regions
from ..generation.regions.usual import is_usual
from ..problem.kinds import kinds_of
from ..problem.losses import is_labels
from ..problem.problem import Problem, Result
from ..problem.rows import main_input, reduction_of
from ..properties.behaviour import asked_at_the_end, check_answers
from ..properties.checks import CHECKS, LIFETIMES, OF_LARGE
from ..properties.metamorphic import RELATIONS, Asker, compared, compared_problems, fits, identity_of
from ..properties.questions import DTYPES, Question, question_of
from ..verdicts.verdict import DISAGREES, NO_GUARANTEE, Verdict
from .climbing import Climbing, Unfounded, counts

if TYPE_CHECKING:
    from .criteria import Criteria
    from .further import LeftOut

LEFT_OUT = "left out"  # of what is not asked
REPEATED = "repeated"  # in place of a check or a relation: rows, so many times
SHARE = 9  # each question is asked of one problem in nine; not ten, which Hypothesis draws together, the first trivial
SMALL = 1 << 12  # numbers of a problem that is kept
AGAIN = "its first answer agreed: what is kept between calls builds up, which the same seed shows again"
MIDDLE = 1 << 16  # numbers of a problem that is asked again at the end
MOST = 7  # questions besides, of one problem


def against(verdict: Verdict) -> bool:
    """Whether it counts, and is no agreement: then it is the last of its row."""
    return counts(verdict) and not verdict.ok


def _kind(problem: Problem) -> tuple[Any, ...]:
    """Its size, to a factor of two, its inputs, and how it is reduced."""
    labels = "target" in problem.inputs and is_labels(problem)
    return main_input(problem).size.bit_length(), *problem.inputs, reduction_of(problem), labels


@dataclass
class Schedule(Climbing):
    """The questions of one row: each problem that agrees is also asked by some checks and some relations, in turn.

    A call as it is made most is asked all of them, since state is often kept for such calls alone. The questions that
    were asked least come first. Once something disagrees, smaller problems are asked that alone.
    """

    candidate: Candidate
    criteria: Criteria
    extras: frozenset[str]
    row: str = ""  # its operation and dtype
    problems: int = 0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)  # how often each question was asked
    differ: dict[str, None] = field(default_factory=dict)  # checks, in the order found
    regions: dict[str, int] = field(default_factory=dict)  # how many problems lay in each
    slow: dict[str, float] = field(default_factory=dict)  # seconds of large problems, by the dimension that is long
    unbounded: int = 0  # problems of which no derivative was asked, since none is promised
    pinned: tuple[str, str] | None = None  # what disagreed first, ("judge", "") or a check or relation
    failed: tuple[str, str] | None = None  # what disagreed last
    first: Problem | None = None  # that disagreed, before smaller ones were looked for
    seen: list[tuple[Problem, bool, str]] = field(default_factory=list)  # small problems, and how each ended
    usual: set[str] = field(default_factory=set)  # reductions of usual calls that were asked everything
    start: dict[tuple[Any, ...], Question] = field(default_factory=dict)  # the first problem of each size and kind
    lost: Verdict | None = None  # on the problem that the candidate did not survive
    late: str = ""  # what to do, where a large problem was not answered in time
    beyond: dict[str, float] = field(default_factory=dict)  # models that were too narrow: the worst error/bound
    unfounded: list[Unfounded] = field(default_factory=list)  # wrong, where a wider model promises nothing
    making: str = ""  # Python that makes the problem that is asked, where it is large
    left: LeftOut | None = None  # what has failed before, and is asked no more
    digest: Any = field(default_factory=sha256)  # over the digests of the problems, a line each, until something fails

    def __post_init__(self) -> None:
        if not self.criteria.by_stages and self.criteria.accuracy != "D":
            checks = [name for name in CHECKS if name not in self.candidate.interface.without]
            self.counts = {("check", name): 0 for name in checks} | {("relation", name): 0 for name in RELATIONS}
        for question in () if self.left is None else self.left.questions:
            self.counts.pop(question, None)

    def verdict(self, problem: Problem) -> Verdict:
        """On the problem itself and, if it agrees, on what is asked besides; what was lost stays so."""
        if self.lost is None:
            self.sign(problem)
            verdict = self._verdict(problem)
            if verdict.ok and self.candidate.process.lost:  # in a question that may be answered by an error
                verdict = self._ended(problem)
            self.lost = verdict if self.candidate.process.lost else None
            return verdict
        return self.lost

    def sign(self, problem: Problem) -> None:
        """It is among the problems of the row, unless it is asked because another has failed."""
        if self.pinned is None:
            self.digest.update(f"{problem.digest()}\n".encode())

    def _ended(self, problem: Problem) -> Verdict:
        """Nothing that was not asked agrees."""
        text = f"it gives no answers any more: {self.candidate.process.lost}"
        return Verdict(DISAGREES, inf, inf, explanation=text, problem=problem, accuracy=self.criteria.accuracy)

    def narrowed(self, problem: Problem) -> Problem | None:
        """What of a large problem is asked, where something is left out: if not all of it, its value; or nothing."""
        found: Problem | None = problem
        if self.left is not None:
            value = replace(problem, grad_output=None, tangent=None)
            found = self.left.narrowed(problem) or self.left.narrowed(value)
        return found if found is not None and self.candidate.takes(found) else None

    def asks(self, problem: Problem) -> bool:
        """Whether what another problem was made smaller to is asked whole, and of no kind that is left out."""
        own = self.candidate.interface.without
        return self.narrowed(problem) is problem and (not own or own.isdisjoint(kinds_of(problem)))

    def _verdict(self, problem: Problem) -> Verdict:
        narrowed = problem if self.left is None else self.left.narrowed(problem)
        if narrowed is None or not self.candidate.takes(narrowed):
            return Verdict(NO_GUARANTEE, explanation=LEFT_OUT, problem=problem)  # which does not count
        problem = narrowed
        asked, problem = problem, self.criteria.promised(problem)
        dropped = (asked.grad_output is None, asked.tangent is None) != (
            problem.grad_output is None,
            problem.tangent is None,
        )
        self.unbounded += dropped and self.pinned is None
        for region in regions(problem) if self.pinned is None else ():
            self.regions[region] = self.regions.get(region, 0) + 1
        verdict = self.climbing(lambda criteria, candidate: criteria.verdict(candidate, problem), problem)
        if not counts(verdict):
            return verdict
        self._see(problem, verdict)
        if not verdict.ok:
            self._fail(("judge", ""), verdict.problem or problem)
            return verdict
        if verdict.unspecified:
            return verdict  # two answers that no document fixes need not be the same
        self.problems += 1
        return self._besides(problem) or verdict

    def _see(self, problem: Problem, verdict: Verdict) -> None:
        """Keep it for a diagnosis, if there may be one."""
        if self.criteria.diagnosing is not None and sum(each.size for each in problem.inputs.values()) <= SMALL:
            self.seen.append((problem, verdict.ok, verdict.output))

    def _besides(self, problem: Problem) -> Verdict | None:
        """What disagrees, if anything."""
        if self.pinned is None and is_usual(problem) and reduction_of(problem) not in self.usual:
            self.usual.add(reduction_of(problem))
            return self._ask_besides(problem, list(self.counts), most=len(self.counts))
        always = LIFETIMES[self.problems % len(LIFETIMES)]
        return self._ask_besides(problem, [*([("check", always)] if self.pinned is None else []), *self._todo()])

    def of_large(self, problem: Problem) -> Verdict | None:
        """What disagrees of a large problem, if anything, by checks that need no second truth."""
        return self._ask_besides(problem, [("check", name) for name in OF_LARGE])

    def without_a_model(self) -> tuple[Verdict, str] | None:
        """What is wrong, and excused by no model that the row needs, if anything; and Python that makes the problem."""
        found = self.still_wrong()
        if found is None or found.verdict.problem is None:
            return None
        self._fail(found.question, found.verdict.problem)
        text = f"{found.verdict.explanation}; {found.model} promises nothing there, and no other answer needs it"
        return replace(found.verdict, explanation=text, accuracy=self.criteria.accuracy), found.source

    def at_the_end(self) -> Verdict | None:
        """What disagrees of the problems of the start, asked again, if anything: state may have built up."""
        for question in self.start.values():
            with catch_warnings(action="ignore"):
                verdict, same = asked_at_the_end(question, self.criteria.judge_result)
            self.differ |= {} if same else {"asked twice": None}
            if verdict.outcome == DISAGREES:
                self._fail(("judge", ""), question.problem)
                text = f"{verdict.explanation}; {AGAIN}"
                return replace(verdict, explanation=text, problem=question.problem, accuracy=self.criteria.accuracy)
        return None

    def _ask_besides(self, problem: Problem, questions: Sequence[tuple[str, str]], most: int = MOST) -> Verdict | None:
        todo = [question for question in dict.fromkeys(questions) if question in self.counts]
        criteria, count = self.criteria, 0
        if not todo:
            return None
        question = question_of(self.candidate, problem, criteria.device, criteria.dtypes)
        if self.pinned is None and main_input(problem).size <= MIDDLE:
            self.start.setdefault(_kind(problem), question)
        problem, accuracy = question.problem, Accuracy(criteria.accuracy)
        answers = Asker(self.candidate, problem, criteria.device, criteria.model, accuracy, question.first)
        for kind, name in todo:
            verdict = self._relation(name, answers) if kind == "relation" else self._check(name, question)
            if verdict is None:
                continue
            self.counts[kind, name] += 1
            count += 1
            if verdict.outcome == DISAGREES:
                self._fail((kind, name), problem)
                return replace(verdict, problem=problem, accuracy=criteria.accuracy)
            if count == most:
                break
        return None

    def _fail(self, question: tuple[str, str], problem: Problem) -> None:
        self.pinned, self.failed, self.first = self.pinned or question, question, self.first or problem

    def _todo(self) -> list[tuple[str, str]]:
        """The questions whose turn it is."""
        if self.pinned is not None:
            return [self.pinned] if self.pinned in self.counts else []
        behind = [
            question
            for place, (question, count) in enumerate(self.counts.items())
            if count < (self.problems + place) // SHARE
        ]
        return sorted(behind, key=self.counts.__getitem__)

    def _relation(self, name: str, answers: Asker) -> Verdict | None:
        """The verdict of a relation, if it applies."""
        identity = identity_of(name, answers.problem, self.extras)
        if identity is None or not fits(identity, self.candidate):
            return None
        if not self.criteria.auto:
            return compared(name, identity, answers)
        return self.climbing(
            lambda criteria, candidate: compared(
                name, identity, replace(answers, candidate=candidate, model=criteria.model)
            ),
            identity.problem,
            ("relation", name),
            answers.problem,
        )

    def _check(self, name: str, question: Question) -> Verdict | None:
        """The verdict of a check, if it applies."""
        if not CHECKS[name].applies(question):
            return None
        verdict, same = check_answers(question, name, partial(self._judge_result, ("check", name), question.problem))
        self.differ |= {} if same else {name: None}
        return verdict

    def _judge_result(self, asked: tuple[str, str], shown: Problem, problem: Problem, result: Result) -> Verdict:
        """The verdict on an answer that is there, to a check of the problem that is shown."""
        return self.climbing(lambda criteria, _candidate: criteria.judge_result(problem, result), problem, asked, shown)

    def asked(self, kind: str) -> tuple[str, ...]:
        """The checks, or the relations, that were asked."""
        return tuple(name for (each, name), count in self.counts.items() if each == kind and count)

    @property
    def call(self) -> str:
        """The function that shows the failure again."""
        return {"check": "check_behaviour", "relation": "check_relations", REPEATED: "judge_repeated"}.get(
            self.failed[0] if self.failed else "", "judge"
        )

    def words(self, operation: str) -> str:
        """Its keyword arguments."""
        words = self.criteria.words(operation)
        if self.call == "judge" or self.failed is None:
            return words
        if self.failed[0] == REPEATED:
            return f"times={self.failed[1]}, {words}"
        dtypes = (
            f"dtypes={self.criteria.dtypes!r}, "
            if self.call == "check_behaviour" and self.criteria.dtypes != DTYPES
            else ""
        )
        return f"{self.failed[0]}={self.failed[1]!r}, {dtypes}{words}"

    def failure(self, verdict: Verdict, question: tuple[str, str] | None) -> Failed:
        """What is known of a failure of this row, by the check or the relation that was asked, if it was one."""

        def problems() -> Sequence[Problem]:
            if question is None or verdict.problem is None:
                return ()
            return compared_problems(question[1], verdict.problem, self.candidate)

        return Failed(verdict, question, self.first, self.seen, problems)
