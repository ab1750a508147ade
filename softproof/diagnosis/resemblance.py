"""Which known bugs an implementation resembles: it is asked what tells them apart, and those that differ go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..problem.problem import Problem
from .interview import Interview, Reply
from .likeness import RAISED, Answer, Yardstick, answer_of
from .lineup import Lineup
from .record import Resemblance

MOST_NAMED = 3  # that answer alike in everything; more of them say nothing
WRONG, RIGHT = 3, 2  # answers of each kind that are wanted
MOST_COMPARED = 12  # mutants that all problems are put to, to find those that tell them apart


@dataclass
class Comparison:
    """One problem: the truth, and the answers of mutants so far."""

    problem: Problem
    yardstick: Yardstick
    answers: dict[str, Answer] = field(default_factory=dict)

    def largest(self, names: Sequence[str]) -> int:
        """How many of these mutants answer like each other, at most."""
        groups: list[list[Answer]] = []
        for name in names:
            answer = self.answers[name]
            group = next((each for each in groups if self.yardstick.alike(answer, each[0])), None)
            if group is None:
                groups.append([answer])
            else:
                group.append(answer)
        return max(map(len, groups))

    def wrong(self, name: str) -> bool:
        """Whether a mutant answers otherwise than it should."""
        return self.yardstick.wrong(self.answers[name])


class Search:
    """Mutants that are still alike, and what shows it."""

    def __init__(self, interview: Interview, lineup: Lineup, operation: str) -> None:
        self.interview, self.lineup = interview, lineup
        self.records = {each["name"]: each for each in lineup.records(operation)}
        self.alive = list(self.records)
        self.wrong = self.right = 0
        self.shown = False  # whether something is wrong that is no error, which many raise for many reasons

    def compared(self, problem: Problem) -> Comparison:
        """A problem with the answers of those that are left."""
        found = Comparison(problem, Yardstick.of(problem, self.interview.model))
        found.answers.update(self.lineup.answers(problem, self.alive))
        return found

    def add(self, reply: Reply, comparison: Comparison | None = None) -> None:
        """Those that answer otherwise go."""
        comparison = comparison or self.compared(reply.problem)
        own = answer_of(reply.problem, reply.result, self.interview.device)
        wrong = comparison.yardstick.wrong(own)
        self.wrong, self.right = self.wrong + wrong, self.right + (not wrong)
        self.shown |= wrong and own.fault != RAISED
        alike = comparison.yardstick.alike
        self.alive = [name for name in self.alive if alike(own, comparison.answers[name])]

    def misbehaving(self, problem: Problem, check: str) -> None:
        """Those that show no fault under a behaviour check go."""
        self.alive = self.lineup.misbehaving(problem, check, self.alive)
        self.wrong, self.shown = self.wrong + 1, True

    def narrow(self, pool: Iterable[Problem]) -> None:
        """Ask what tells those that are left apart, and then what they do wrong, and right."""
        problems = list(pool)
        while len(self.alive) > MOST_COMPARED and problems and self.interview.open:
            self._ask(self.compared(problems.pop(0)))
        comparisons = [self.compared(problem) for problem in problems] if self.alive else []
        while self.alive and self.interview.open and (chosen := self._telling(comparisons)) is not None:
            comparisons.remove(chosen)
            self._ask(chosen)

    def _telling(self, comparisons: Sequence[Comparison]) -> Comparison | None:
        """The problem that tells most of those that are left apart; or one that shows what they do."""
        if not comparisons:
            return None
        sizes = [each.largest(self.alive) for each in comparisons]
        if min(sizes) < len(self.alive):
            return comparisons[sizes.index(min(sizes))]
        for wanted in (True, False):
            done = self.wrong >= WRONG if wanted else self.right >= RIGHT
            found = (each for each in comparisons if each.wrong(self.alive[0]) is wanted)
            if not done and (chosen := next(found, None)) is not None:
                return chosen
        return None

    def _ask(self, comparison: Comparison) -> None:
        if (reply := self.interview.ask(comparison.problem)) is not None:
            self.add(reply, comparison)

    @property
    def found(self) -> tuple[Resemblance, ...]:
        """What is left, if that is little enough to be told, and more than errors that are alike."""
        if not self.shown or not 1 <= len(self.alive) <= MOST_NAMED:
            return ()
        total = self.wrong + self.right
        return tuple(
            Resemblance(name, self.wrong, self.wrong, total, total, *(self.records[name][each] for each in _TOLD))
            for name in self.alive
        )


_TOLD = ("story", "source", "group")


def resembling(
    interview: Interview, lineup: Lineup, replies: Sequence[Reply], pool: Iterable[Problem], *, check: str = ""
) -> tuple[Resemblance, ...]:
    """The known bugs whose answers are like all that an implementation has given, and to what else it is asked.

    Where the first answer is right and a behaviour `check` shows a fault, it does so in the bug as well.
    """
    search = Search(interview, lineup, replies[0].problem.operation)
    if check:
        search.misbehaving(replies[0].problem, check)
    for reply in replies:
        if not search.alive:
            return ()
        search.add(reply)
    search.narrow(pool)
    return search.found
