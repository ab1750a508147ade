"""False alarms: problems drawn as `verify` draws them, from many seeds, answered by both halves; none may disagree.

python -m audits.alarms --jobs 2 --log alarms.jsonl

A line of the log is one operation in one dtype from one seed, and a run goes on where its log ends. It takes hours. An
answer is what one half makes of one problem, value and gradients judged together; in one problem of five it is also
asked by behaviour checks, and by relations, in turn (docs/theory/behaviour.md). Large problems, which `verify` asks
besides, have lines of their own, in which both halves are asked for value and gradients. The right variants
(docs/generated/right_variants.md) answer one batch of problems in ten; with --right they answer all, and their wrong
twins are hunted. docs/generated/figures.md holds one run's tables.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import torch
from hypothesis import HealthCheck, Phase

from benchmarks import text
from softproof import OPERATIONS, Candidate, Problem, Verdict, load, problems
from softproof.bounds.models import model
from softproof.generation.coverage import REGIONS, regions, sizes_of
from softproof.generation.large import large_problems
from softproof.runs.criteria import Criteria
from softproof.runs.schedule import Schedule, against
from softproof.runs.search import BATCH

from .campaign import finding
from .right import Variants, by_model, twins_of

PROBLEMS = {"float64": 500, "float32": 1000, "float16": 1000, "bfloat16": 600}  # of an operation, from one seed
SEEDS = 20
ANSWERS_GOAL = 1_000_000
FULLY = 5  # one batch in five is asked by checks as well
RIGHT = 10  # one batch in ten is also answered by the right variants


class Part(NamedTuple):
    """What one line of the log is about."""

    operation: str
    dtype: str
    seed: int
    problems: int
    right: bool = False  # whether it is for the right variants alone
    large: bool = False  # whether it is of the large problems of the seed, all of them, and of no other


Record = dict[str, Any]


def parts(seeds: int, sizes: dict[str, int], *, right: bool = False) -> Iterator[Part]:
    """All of a campaign, one seed after the other."""
    for seed in range(seeds):
        for operation in OPERATIONS:
            for dtype, size in sizes.items():
                yield Part(operation, dtype, seed, size, right)
                if not right:
                    yield Part(operation, dtype, seed, 0, large=True)


def halves(dtype: str) -> list[tuple[Candidate, str]]:
    """Who answers, and the model of arithmetic that each should fit."""
    by_torch = load("reference", adapter="torch"), "torch-cpu" if dtype in ("float16", "bfloat16") else "any-order"
    return [by_torch] if dtype == "bfloat16" else [(load("manual", adapter="numpy"), "any-order"), by_torch]


def ask(part: Part, who: Sequence[tuple[Candidate, str]] | None = None) -> Record:
    """One line of the log."""
    torch.set_num_threads(1)
    pairs = [] if part.right else who or halves(part.dtype)
    asked = [_Asked(candidate, name, part) for candidate, name in pairs]
    right = [] if who or part.large else by_model(part.operation, part.dtype)
    seen: Counter[str] = Counter()
    for number, start in enumerate(range(0, part.problems, BATCH)):
        chosen = [*asked, *(right if part.right or number % RIGHT == 0 else ())]
        _ask_batch(part, number, min(BATCH, part.problems - start), chosen, seen)
    problems = _ask_large(part, asked, seen) if part.large else part.problems
    answers = {"halves": [each.record() for each in asked], "variants": [each.record() for each in right]}
    return {
        **part._asdict(),
        "asked": problems,
        "regions": dict(seen),
        **answers,
        "twins": twins_of(part.operation, part.dtype, part.seed) if part.right else {},
    }


def _ask_batch(part: Part, number: int, count: int, asked: Sequence[_Asked | Variants], seen: Counter[str]) -> None:
    """Ten problems; one batch in three is of small ones."""

    @hypothesis.seed(f"{part.operation} {part.dtype} {part.seed} {number}")
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(problem=problems(part.operation, part.dtype, small=number % 3 == 0))
    def draw(problem: Problem) -> None:
        seen.update(regions(problem))
        for each in asked:
            each.ask(problem, fully=number % FULLY == 0)

    draw()


def _ask_large(part: Part, asked: Sequence[_Asked], seen: Counter[str]) -> int:
    """All that `verify` asks a candidate that takes every option; how many they are."""
    large = large_problems(part.operation, part.dtype, seed=part.seed)
    for problem in large:
        seen.update(sizes_of(problem))
        for each in asked:
            each.ask(problem, fully=False)
    return len(large)


class _Asked:
    """What one half has answered so far."""

    def __init__(self, candidate: Candidate, name: str, part: Part) -> None:
        self.candidate, self.name, self.part = candidate, name, part
        self.criteria = Criteria("cpu", model(name), name, "C", None, 1.0)
        self.schedule = Schedule(candidate, self.criteria, candidate.supports(part.operation))
        self.counts: Counter[str] = Counter()
        self.alarms: list[str] = []

    def ask(self, problem: Problem, fully: bool) -> None:
        """One problem, by checks as well or not."""
        with warnings.catch_warnings(action="ignore"):
            verdict = self.schedule.verdict(problem) if fully else self.criteria.judge(self.candidate, problem)
        self.counts["answers"] += 1
        self.counts["unspecified"] += bool(verdict.unspecified)
        if against(verdict):
            self._disagrees(problem, verdict)

    def _disagrees(self, problem: Problem, verdict: Verdict) -> None:
        if finding(self.candidate, problem):
            self.counts["findings"] += 1
        else:
            question = " ".join(self.schedule.failed or ("judge",)).strip()
            self.alarms.append(f"{question}: {verdict}\n{verdict.problem or problem!r}")
        self.schedule.pinned = self.schedule.failed = None  # ask the next problem everything again

    def record(self) -> Record:
        """For the log."""
        besides = sum(self.schedule.counts.values())
        return {"name": self.candidate.name, "model": self.name, **self.counts, "besides": besides,
                "alarms": self.alarms}  # fmt: skip


# ---- in words -------------------------------------------------------------------------------------------------------


def summary(records: Sequence[Record]) -> str:
    """Answers and alarms of each half in each dtype, and every alarm."""
    columns = ("answers", "besides", "unspecified", "findings")
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    alarms: list[str] = []
    for record in records:
        for half in _all(record):
            key = half["name"], half["model"], record["dtype"]
            found = sums.setdefault(key, Counter())
            found.update({column: half.get(column, 0) for column in columns})
            found["alarms"] += len(half["alarms"])
            alarms += [f"ALARM: {half['name']}, seed {record['seed']}: {alarm}" for alarm in half["alarms"]]
    lines: list[tuple[str, ...]] = [("implementation", "model", "dtype", *columns, "alarms")]
    lines += [(*key, *(f"{found[column]:,}" for column in lines[0][3:])) for key, found in sorted(sums.items())]
    total = sum(sums.values(), Counter[str]())
    lines.append(("all", "", "", *(f"{total[column]:,}" for column in lines[0][3:])))
    seeds = len({record["seed"] for record in records})
    return "\n".join([text.table(f"False alarms on drawn problems, {seeds} seeds", lines, left=3), *alarms])


def _all(record: Record) -> list[Record]:
    """Both halves, and the right variants."""
    return [*record["halves"], *record.get("variants", ())]


def reached(records: Sequence[Record]) -> str:
    """How often each region was visited: those visited least, for each operation."""
    lines = [("operation", "problems", "regions", "visited", "rarest", "problems in it")]
    for operation in OPERATIONS:
        own = [record for record in records if record["operation"] == operation]
        seen = sum((Counter(record["regions"]) for record in own), Counter[str]())
        rarest = min(REGIONS[operation], key=seen.__getitem__)
        drawn = sum(record["asked"] for record in own)
        visited = sum(region in seen for region in REGIONS[operation])
        lines.append((operation, f"{drawn:,}", f"{len(REGIONS[operation])}", f"{visited}", rarest, f"{seen[rarest]:,}"))
    return text.table("Regions visited", lines, left=1)


def goals(records: Sequence[Record]) -> list[str]:
    """What the project wants of these tables."""
    own = [half for record in records for half in _all(record)]
    twins = [record["twins"] for record in records if record.get("twins")]
    accepted = [name for each in twins for name in each["accepted"]]
    alarms, answers = sum(len(half["alarms"]) for half in own), sum(half.get("answers", 0) for half in own)
    seeds = len({record["seed"] for record in records})
    hunted = sum(each["hunted"] for each in twins)
    none = text.goal("no false alarm besides named findings", [f"{alarms} alarms"] if alarms else [], 1)
    if twins:  # of a run for the right variants alone
        return [text.goal(f"each of {hunted:,} twins of right variants rejected", accepted, 1), none]
    return [
        none,
        text.goal(f"at least {ANSWERS_GOAL:,} answers", [f"{answers:,}"] if answers < ANSWERS_GOAL else [], 1),
        text.goal(f"at least {SEEDS} seeds", [f"{seeds}"] if seeds < SEEDS else [], 1),
    ]


# ---- the run --------------------------------------------------------------------------------------------------------


def run(
    todo: Sequence[Part], jobs: int, asking: Callable[[Part], Record] = ask, name: str = "alarms"
) -> Iterator[Record]:
    """Each part as it is finished, by what asks it."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done, future in enumerate(as_completed([pool.submit(asking, part) for part in todo]), 1):
            record = future.result()
            text.progress(done, len(todo), f"{name}: {record['operation']} {record['dtype']}, seed {record['seed']}")
            yield record


def read(log: Path) -> list[Record]:
    """The lines of a log, if there is one."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def unfinished(wanted: Iterable[Part], records: Sequence[Record]) -> list[Part]:
    """What a log does not hold yet."""
    finished = {tuple(record.get(name, False) for name in Part._fields) for record in records}
    return [part for part in wanted if tuple(part) not in finished]


def main() -> None:
    """Ask, write the log, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m audits.alarms", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds, from 0 on ({SEEDS})")
    parser.add_argument("--share", type=float, default=1.0, help="of the problems of each seed: 0.01 for a rough look")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--log", type=Path, default=Path("alarms.jsonl"), help="one line for each part (alarms.jsonl)")
    parser.add_argument("--right", action="store_true", help="the right variants alone, and their wrong twins")
    options = parser.parse_args()
    sizes = {dtype: max(1, round(size * options.share)) for dtype, size in PROBLEMS.items()}
    wanted = list(parts(options.seeds, sizes, right=options.right))
    for record in run(unfinished(wanted, read(options.log)), options.jobs):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
    records = read(options.log)
    print(summary(records), reached(records), "\n".join(goals(records)), sep="\n\n")


if __name__ == "__main__":
    main()
