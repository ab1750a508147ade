"""The loop: draw problems, ask each, and make the first that disagrees as small as it gets."""

from __future__ import annotations

import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.database import ExampleDatabase
from hypothesis.strategies import SearchStrategy

from ..generation.coverage import regions
from ..generation.shrinking import smallest
from ..problem.problem import Problem
from ..verdicts.verdict import AGREES, Verdict
from .failures import Named
from .schedule import Schedule, against

EXAMPLES = 100
BATCH = 10  # problems that Hypothesis draws together
MORE = 4  # times as many are drawn at most for regions that were missed
FEW, ENOUGH = 5, 2  # of these together, all towards one region; of which so many that lie there are asked


class _NotProvenError(Exception):
    """Tells Hypothesis that a problem is worth shrinking."""


Strategy = Callable[..., SearchStrategy[Problem]]


@dataclass(frozen=True)
class Drawn:
    """Problems that are drawn, small ones alone or all."""

    draw: Strategy
    small: bool = False
    towards: str = ""  # a region that was missed

    def strategy(self) -> SearchStrategy[Problem]:
        """What draws them."""
        return self.draw(small=self.small, **({"towards": self.towards} if self.towards else {}))

    def kept(self, schedule: Schedule, everything: ExampleDatabase) -> Named:
        """The failures of these problems in a database, by what it was that failed."""
        towards = (self.towards,) if self.towards else ()
        return Named(everything, lambda: repr((*_name(schedule), self.small, schedule.pinned, *towards)))


def _name(schedule: Schedule) -> tuple[object, ...]:
    """Of a row in a database."""
    candidate = schedule.candidate
    return candidate.name, schedule.criteria.device, schedule.row, sorted(schedule.extras), candidate.interface.words()


def _failed_towards(schedule: Schedule, everything: ExampleDatabase) -> Named:
    """The regions towards which failures were drawn, in a database, under b"towards"."""
    return Named(everything, lambda: repr(_name(schedule)))


def verdicts(schedule: Schedule, draw: Strategy, wanted: Iterable[str], examples: int, seed: int) -> list[Verdict]:
    """Verdicts on drawn problems, until one is against the candidate.

    With the default number of them, or more, others follow that are drawn towards the regions that they have missed.
    """
    given = _kept(schedule, draw, wanted)
    if given and against(given[-1]):
        return given
    for number, (small, count) in enumerate(batches(examples)):
        given += _ask(schedule, Drawn(draw, small), count, f"{seed} {number}")
        if against(given[-1]):
            return given
    for number in range(MORE * (examples // EXAMPLES) * EXAMPLES // FEW):
        missed = sorted(set(wanted) - schedule.regions.keys())
        if not missed:
            break
        drawn = Drawn(draw, towards=missed[number % len(missed)])
        given += _ask(schedule, drawn, FEW, f"{seed} more {number}", set(missed))
        if against(given[-1]):
            break
    return given


def _kept(schedule: Schedule, draw: Strategy, wanted: Iterable[str]) -> list[Verdict]:
    """Verdicts on what failed in an earlier run, each asked what it failed then; what agrees is forgotten."""
    verdicts: list[Verdict] = []
    if schedule.criteria.database is None:
        return verdicts
    towards = _failed_towards(schedule, schedule.criteria.database)
    missed = sorted({name.encode() for name in wanted} & set(towards.fetch(_TOWARDS)))
    steered = [Drawn(draw, towards=name.decode()) for name in missed]
    for drawn in (Drawn(draw, small=True), Drawn(draw), *steered):
        for question in (("judge", ""), *schedule.counts):
            schedule.pinned = question
            agreed, refused = _run(schedule, drawn, EXAMPLES, "kept", None, _AGAIN)
            verdicts += [*agreed, *refused[-1:]]
            if refused:
                return verdicts
        if drawn.towards:
            towards.delete(_TOWARDS, drawn.towards.encode())
    schedule.pinned = None
    return verdicts


def batches(examples: int) -> Iterator[tuple[bool, int]]:
    """(small, count): those of `apart`, and a fifth drawn together, to be mutated towards larger errors."""
    yield from apart(examples)
    if together := examples // 5:
        yield False, together


def apart(examples: int) -> Iterator[tuple[bool, int]]:
    """(small, count): small problems first, since where one of them fails nobody needs a large one.

    After ten examples Hypothesis turns to mutating what it has drawn; ten at a time keeps the problems independent.
    """
    for small, share in ((True, examples // 3), (False, examples - examples // 3 - examples // 5)):
        for start in range(0, share, BATCH):
            yield small, min(BATCH, share - start)


@dataclass
class _Listener:
    """Takes the place of a schedule, and agrees with every problem."""

    problems: list[Problem]
    criteria: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(database=None))

    def verdict(self, problem: Problem) -> Verdict:
        """Nothing is asked of anybody."""
        self.problems.append(problem)
        return Verdict(AGREES, 0.0, 0.0)


def planned(draw: Strategy, examples: int, seed: int) -> list[Problem]:
    """The problems that the seed alone decides, in the order in which they are asked until something disagrees.

    Those that are drawn together are not among them: a candidate's answers decide how they are mutated.
    """
    listener = _Listener([])
    for number, (small, count) in enumerate(apart(examples)):
        _run(cast("Schedule", listener), Drawn(draw, small), count, f"{seed} {number}", None, _FIRST)
    return listener.problems


def _ask(
    schedule: Schedule,
    drawn: Drawn,
    examples: int,
    seed: str,
    missed: Set[str] | None = None,
) -> list[Verdict]:
    """Verdicts on drawn problems, or on those in regions that were `missed`.

    If one is against the candidate, it is the last. The same problems are then asked what disagreed, and nothing else,
    so that each has one answer only, and the smallest problem found takes its place.
    """
    agreed, refused = _run(schedule, drawn, examples, seed, missed, _FIRST)
    if not refused:
        return agreed
    if not schedule.criteria.shrink or schedule.lost is not None:
        return [*agreed, refused[-1]]
    again = _run(schedule, drawn, examples, seed, missed, (*_FIRST, Phase.shrink))[1]
    return [*agreed, _smallest(schedule, again[-1]) if again else _flaky_verdict(refused[-1])]


def _smallest(schedule: Schedule, verdict: Verdict) -> Verdict:
    """The verdict on a problem that is smaller still; the stages of a classifier are problems of their own."""
    if schedule.criteria.by_stages or verdict.problem is None:
        return verdict
    failing, question = [verdict], schedule.failed

    def fails(problem: Problem) -> bool:
        if not schedule.asks(problem):
            return False
        with warnings.catch_warnings(action="ignore"):
            again = schedule.verdict(problem)
        same = against(again) and schedule.failed == question and bool(again.output) == bool(verdict.output)
        failing.extend([again] if same else [])
        return same  # what disagrees stays what it is: no number becomes an error

    smallest(verdict.problem, fails)
    schedule.failed = question
    return failing[-1]


def _flaky_verdict(verdict: Verdict) -> Verdict:
    text = f"{verdict.explanation}; not deterministic: the same problem agreed when asked again"
    return replace(verdict, explanation=text)


_TOWARDS = b"towards"
_FIRST = (Phase.generate, Phase.target)
_AGAIN = (Phase.reuse, Phase.shrink)


def _run(
    schedule: Schedule,
    drawn: Drawn,
    examples: int,
    seed: str,
    missed: Set[str] | None,
    phases: tuple[Phase, ...],
) -> tuple[list[Verdict], list[Verdict]]:
    """What agreed before something else came, and what came: the last is on the smallest problem found."""
    agreed: list[Verdict] = []
    refused: list[Verdict] = []
    kept, met = schedule.criteria.database, Counter[str]()

    @hypothesis.settings(
        max_examples=int(examples),  # which may be NumPy's
        database=kept and drawn.kept(schedule, kept),
        deadline=None,
        derandomize=False,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.seed(seed)  # which would leave out the database, were it the last
    @hypothesis.given(problem=drawn.strategy())
    def ask(problem: Problem) -> None:
        if missed is not None and not refused:
            found = missed & set(regions(problem))
            if all(met[region] >= ENOUGH for region in found):
                return
            met.update(found)
        verdict = schedule.verdict(problem)
        if against(verdict):
            refused.append(verdict)
            raise _NotProvenError(verdict.explanation)
        if not refused:
            agreed.append(verdict)
        hypothesis.target(min(verdict.ratio, 1.0), label="error/bound")

    ask._hypothesis_internal_database_key = b"problem"  # type: ignore[attr-defined]  # or pytest's --hypothesis-seed has none
    try:
        with warnings.catch_warnings(action="ignore"):  # what a candidate warns about shows in its answers
            ask()
    except _NotProvenError:
        pass  # Hypothesis ends with the smallest
    except unittest.SkipTest:
        pass  # nothing was kept
    except hypothesis.errors.Flaky:
        refused.append(_flaky_verdict(refused[-1]))
    if refused and kept and drawn.towards:
        _failed_towards(schedule, kept).save(_TOWARDS, drawn.towards.encode())
    return agreed, refused
