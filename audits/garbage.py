"""Garbage: answers that are wrong, on problems of the nastiest kinds; the judge may be content with none.

python -m audits.garbage --jobs 2 --log garbage.jsonl

The problems are drawn as `verify` draws them, or come from `audits.nasty` and `audits.edges`. Each model judges
the exact answer, rounded, and that answer with garbage in one element or in all of one output. A verdict that is
content must have a reason for every element: the exact value is that infinity or NaN, it is a number within twice its
bound, or the verdict cites the row of docs/theory/semantics.md, or Theorem 13 of docs/theory/bounds.md where one of the
numbers that are computed may indeed be so large. A line of the log is one operation in one dtype from one seed, and a
run goes on where its log ends.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import hypothesis
import numpy as np
from flint import arb, ctx
from hypothesis import HealthCheck, Phase

from benchmarks import text
from softproof import MODELS, OPERATIONS, Output, Problem, Result, Verdict, bound, judge_result, problems, solve
from softproof.bounds.models import model
from softproof.problem.checks import check
from softproof.problem.formats import FORMATS
from softproof.problem.losses import class_weights, is_labels, kept
from softproof.problem.problem import Array
from softproof.problem.rows import class_count, reduction_of
from softproof.truth.balls import balls

from . import nasty
from .alarms import Part, Record, read, run, unfinished
from .edges import at_the_edges

PROBLEMS = 40  # of an operation in a dtype, from one seed
SEEDS = 10
VERDICTS_GOAL = 100_000
BITS = 600  # of the truth, so that weights may cancel
NAMES = [name for name in MODELS if name != "float32-inside"]  # which is any-order

GARBAGE: dict[str, Callable[[Array], Array]] = {
    "NaN": lambda x: np.full_like(x, np.nan),
    "inf": lambda x: np.full_like(x, np.inf),
    "-inf": lambda x: np.full_like(x, -np.inf),
    "zero": np.zeros_like,
    "twice": lambda x: 2 * x,
    "the other sign": np.negative,
    "huge": lambda x: np.full_like(x, np.finfo(np.float64).max),
    "minus huge": lambda x: np.full_like(x, -np.finfo(np.float64).max),
}
SPARSE = ("NaN", "inf", "-inf")  # in one element of a right answer


@dataclass(frozen=True)
class Asked:
    """One problem, and what is known of it without the judge's comparison."""

    problem: Problem

    @cached_property
    def truth(self) -> dict[str, Array]:
        """Balls and special floats, of many bits."""
        return solve(self.problem, BITS)

    @cached_property
    def right(self) -> dict[str, Array]:
        """The truth, rounded."""
        return {name: _rounded(each, self.problem.dtype) for name, each in self.truth.items()}

    @cached_property
    def reach(self) -> float:
        """No intermediate result of any evaluation is larger than this: the product of everything that there is."""
        p, size = self.problem, 1.0
        arrays = [each for name, each in p.inputs.items() if name != "target" or not is_labels(p)]
        arrays += [each for each in (p.grad_output, p.tangent) if each is not None]
        with np.errstate(all="ignore"):
            for each in arrays:
                x = np.abs(each[np.isfinite(each)].astype(np.float64))
                size *= 4.0 * max(1.0, float(x.max(initial=0.0))) * max(1, each.size)
            for name in {"p", "q"} & set(p.inputs):
                x = p.inputs[name].astype(np.float64)
                size *= 1000 / min(1.0, float(x[x > 0].min(initial=1.0)))  # logarithms, and quotients
        return float(size * 1000 * self._enlarged)

    @property
    def _enlarged(self) -> float:
        """By what a mean may divide: inf where most digits of the denominator are lost."""
        if reduction_of(self.problem) != "mean" or "weight" not in self.problem.inputs or not is_labels(self.problem):
            return 1.0
        labels = self.problem.inputs["target"].reshape(-1)[kept(self.problem)]
        weights = [Fraction(float(each)) for each in class_weights(self.problem, class_count(self.problem))[labels]]
        exact, size = abs(sum(weights, Fraction())), sum(map(abs, weights), Fraction())
        return np.inf if exact <= size / 4 else float(2 / min(exact, Fraction(1)))

    def unjustified(
        self, arithmetic: str, limits: Mapping[str, Array], verdict: Verdict, answer: dict[str, Array]
    ) -> list[str]:
        """Elements of an answer that a verdict is content with, and has no reason to be."""
        found = []
        for name, values in answer.items() if verdict.ok else ():
            cited = verdict.cited.get(name, np.zeros(values.shape, np.int32))
            by_row = cited > 0
            bad = ~(by_row | self._special(name, values) | self._within(name, values, limits[name]))
            overflows = (cited == -13) & ~np.isfinite(values) & self._may_overflow(arithmetic, name, limits[name])
            for place in np.argwhere(bad & ~overflows)[:1]:
                at = tuple(int(i) for i in place)
                found.append(
                    f"{name}{list(at)} is {values[at]}, exact {self.truth[name][at]}, "
                    f"allowed {limits[name][at]}, cited {cited[at]}"
                )
        return found

    def _special(self, name: str, values: Array) -> Array:
        truth = self.truth[name]
        same = [
            isinstance(x, float) and (x == y or (x != x and y != y))
            for x, y in zip(truth.flat, values.flat, strict=True)
        ]
        return np.array(same, bool).reshape(values.shape)

    def _within(self, name: str, values: Array, limit: Array) -> Array:
        """Numbers within twice the bound, where there is one."""
        found = np.zeros(values.shape, bool)
        for at in np.argwhere(np.isfinite(values) & np.isfinite(limit)):
            exact = self.truth[name][tuple(at)]
            if not isinstance(exact, float):
                distance = abs(balls(values[tuple(at)]).item() - exact)
                found[tuple(at)] = not distance > 2 * arb(float(limit[tuple(at)]))
        return found

    def _may_overflow(self, arithmetic: str, name: str, limit: Array) -> Array:
        """Whether something may be as large as the largest number of its format, or the result is within its bound."""
        chosen = model(arithmetic)(self.problem)
        largest = (chosen.storage if chosen.stored else chosen.compute).largest
        exact = np.abs(np.array([float(x) for x in self.truth[name].flat])).reshape(self.truth[name].shape)
        with np.errstate(over="ignore"):
            near = exact + np.where(np.isfinite(limit), limit, 0.0) >= chosen.storage.largest * (1 - 2.0**-20)
        return np.asarray((self.reach >= largest) | near)


def right_answer(problem: Problem) -> dict[str, Array]:
    """The exact answer, each number rounded once."""
    return Asked(problem).right


def _rounded(truth: Array, dtype: str) -> Array:
    with ctx.workprec(BITS):
        numbers = [float(x) if isinstance(x, float) else float(x.mid()) for x in truth.flat]
    return FORMATS[dtype].round(numbers).reshape(truth.shape)


def judged(problem: Problem, answer: dict[str, Array], arithmetic: str) -> Verdict:
    """The verdict of one model."""
    outputs = {name: Output(values, problem.dtype) for name, values in answer.items()}
    return judge_result(problem, Result(outputs), arithmetic=arithmetic)


def spoiled(answer: dict[str, Array], dtype: str, rng: np.random.Generator) -> Iterator[tuple[str, dict[str, Array]]]:
    """The answer with garbage in one output, and what garbage; numbers that the format holds."""
    largest = FORMATS[dtype].largest
    for name, values in answer.items():
        if not values.size:
            continue
        at = tuple(int(rng.integers(size)) for size in values.shape)
        for kind in SPARSE:
            one = values.copy()
            one[at] = GARBAGE[kind](one)[at]
            yield f"{kind} in {name}{list(at)}", {**answer, name: one}
        for kind in rng.choice(list(GARBAGE), 3, replace=False):
            with np.errstate(all="ignore"):
                bad = np.asarray(GARBAGE[kind](values))
                bad = np.where(np.isfinite(bad), np.clip(bad, -largest, largest), bad)
            yield f"{kind} in all of {name}", {**answer, name: np.asarray(bad)}


def failures(asked: Asked, arithmetic: str, rng: np.random.Generator, seen: Counter[str]) -> Iterator[str]:
    """What one model is content with on one problem, and should not be."""
    problem, limits = asked.problem, bound(asked.problem, arithmetic)
    answers = [("the exact answer", asked.right), *spoiled(asked.right, problem.dtype, rng)]
    for what, answer in answers:
        verdict = judged(problem, answer, arithmetic)
        seen[verdict.outcome] += 1
        seen["by Theorem 13"] += any((each < 0).any() for each in verdict.cited.values())
        for words in asked.unjustified(arithmetic, limits, verdict, answer):
            yield f"{arithmetic}, {what}: {words}; {verdict}\n{problem!r}"


# ---- the campaign ---------------------------------------------------------------------------------------------------


def parts(seeds: int, size: int) -> Iterator[Part]:
    """All of a campaign, one seed after the other."""
    for seed in range(seeds):
        for operation in OPERATIONS:
            for dtype in FORMATS:
                yield Part(operation, dtype, seed, size)


def ask(part: Part) -> Record:
    """One line of the log."""
    seen: Counter[str] = Counter()
    rng = np.random.default_rng([part.seed, *map(ord, part.operation + part.dtype)])
    asked = [*_nasty(part, rng), *_at_the_edges(part, rng), *_drawn(part)]
    found = [words for problem in asked for words in _quietly(problem, rng, seen)]
    return {**part._asdict(), "verdicts": dict(seen), "failures": found}


def _quietly(problem: Problem, rng: np.random.Generator, seen: Counter[str]) -> list[str]:
    """What all models are content with; an exception of the judge is a failure as well."""
    asked = Asked(problem)
    seen["problems"] += 1
    with warnings.catch_warnings(action="ignore"):
        try:
            return [words for name in NAMES for words in failures(asked, name, rng, seen)]
        except Exception as error:  # whatever it is, it is told
            return [f"raised {type(error).__name__}: {error}\n{problem!r}"]


def _nasty(part: Part, rng: np.random.Generator) -> Iterator[Problem]:
    """A quarter of the problems; of those operations that a kind has at random."""
    left = part.problems // 4
    while left:
        kind = str(rng.choice(list(nasty.NASTY)))
        problem = nasty.draw(kind, part.dtype, part.seed, int(rng.integers(2**32)))
        if problem.operation == part.operation:
            left -= 1
            yield problem


def _at_the_edges(part: Part, rng: np.random.Generator) -> Iterator[Problem]:
    for _ in range(part.problems - part.problems // 4 - max(1, part.problems // 4)):
        problem = at_the_edges(part.operation, part.dtype, rng)
        check(problem)
        yield problem


def _drawn(part: Part) -> list[Problem]:
    """Problems as `verify` draws them, small ones."""
    drawn: list[Problem] = []

    @hypothesis.seed(f"garbage {part.operation} {part.dtype} {part.seed}")
    @hypothesis.settings(
        max_examples=max(1, part.problems // 4),
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(problem=problems(part.operation, part.dtype, small=True))
    def draw(problem: Problem) -> None:
        drawn.append(problem)

    draw()
    return drawn


# ---- in words -------------------------------------------------------------------------------------------------------


def summary(records: Sequence[Record]) -> str:
    """Problems, verdicts and outcomes of each operation, and every failure."""
    columns = ("problems", "verdicts", *OUTCOMES, "by Theorem 13")
    lines: list[tuple[str, ...]] = [("operation", *columns, "failures")]
    for operation in OPERATIONS:
        own = [record for record in records if record["operation"] == operation]
        lines.append((operation, *_cells(own, columns)))
    lines.append(("all", *_cells(records, columns)))
    told = [f"FAILURE: seed {record['seed']}: {words}" for record in records for words in record["failures"]]
    return "\n".join([text.table("Garbage before every model of arithmetic", lines, left=1), *told])


OUTCOMES = ("agrees", "unspecified", "no guarantee", "undecided", "disagrees")


def _cells(records: Sequence[Record], columns: Sequence[str]) -> Iterator[str]:
    seen = sum((Counter(record["verdicts"]) for record in records), Counter[str]())
    seen["verdicts"] = sum(seen[outcome] for outcome in OUTCOMES)
    yield from (f"{seen[column]:,}" for column in columns)
    yield f"{sum(len(record['failures']) for record in records):,}"


def goals(records: Sequence[Record]) -> list[str]:
    """What the project wants of these tables."""
    wrong = sum(len(record["failures"]) for record in records)
    verdicts = sum(record["verdicts"].get(outcome, 0) for record in records for outcome in OUTCOMES)
    return [
        text.goal("no verdict content with garbage", [f"{wrong} failures"] if wrong else [], 1),
        text.goal(f"at least {VERDICTS_GOAL:,} verdicts", [f"{verdicts:,}"] if verdicts < VERDICTS_GOAL else [], 1),
    ]


def main() -> None:
    """Ask, write the log, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m audits.garbage", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds, from 0 on ({SEEDS})")
    parser.add_argument("--size", type=int, default=PROBLEMS, help=f"problems of an operation in a dtype ({PROBLEMS})")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument(
        "--log", type=Path, default=Path("garbage.jsonl"), help="one line for each part (garbage.jsonl)"
    )
    options = parser.parse_args()
    wanted = list(parts(options.seeds, options.size))
    for record in run(unfinished(wanted, read(options.log)), options.jobs, ask, "garbage"):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
    records = read(options.log)
    print(summary(records), "\n".join(goals(records)), sep="\n\n")


if __name__ == "__main__":
    main()
