"""The share of drawn faults that the default run of `verify` kills: a yardstick for the generator of problems.

python -m audits.faults --jobs 2 --log faults.jsonl

A fault (`audits.drawn_faults`) is wrong from some size of one dimension on, in one tile, under one option or in one
format. Each is asked the problems of one row of `verify`, in their order, until one is rejected; those of one operation
and dtype are drawn once for all faults. Then a problem is built for the fault alone: where even that is not rejected
the bounds allow what is wrong, and no generator could show it. The share is that of the killed among all others.

A line of the log is one operation in one dtype from one seed, and a run goes on where its log ends. Faults for building
(--building) may be looked at one by one, with --list; those for reporting may not.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks import text
from softproof.problem.formats import FORMATS

from .alarms import read
from .drawn_faults.asking import ALIVE, HARMLESS, KILLED, NOT_ASKED, VISIBLE, WITHIN, Row, silently
from .drawn_faults.record import BUILDING, BUILDING_LATER, DRAWN_OF, REPORTING, REPORTING_LATER, Fault, drawn

FAULTS, SEEDS, GOAL = 1040, 1, 0.97
DECADES = ("1", "10", "100", "1,000", "10,000", "100,000")
Record = dict[str, Any]


class Part(NamedTuple):
    """What one line of the log is about: the faults of one operation and dtype among the first so many of a family."""

    family: int
    faults: int
    operation: str
    dtype: str
    seed: int


def parts(building: bool, faults: int, seeds: int) -> Iterator[Part]:
    """All of a run, one seed after the other: so many faults of the first family, of the other as many an operation."""
    for seed in range(seeds):
        for family in (BUILDING, BUILDING_LATER) if building else (REPORTING, REPORTING_LATER):
            count = -(-faults * len(DRAWN_OF[family]) // len(DRAWN_OF[BUILDING]))
            for operation in DRAWN_OF[family]:
                for dtype in FORMATS:
                    yield Part(family, count, operation, dtype, seed)


def faults_of(part: Part) -> list[Fault]:
    """Its faults."""
    every = (drawn(part.family, number) for number in range(part.faults))
    return [fault for fault in every if (fault.operation, fault.dtype) == (part.operation, part.dtype)]


def ask(part: Part) -> Record:
    """One line of the log; what a fault's own problem shows does not depend on the seed, and is asked for the first."""
    torch.set_num_threads(1)
    row, found = Row(part.operation, part.dtype, part.seed), []
    for fault in faults_of(part):
        outcome, at = silently(fault, row)
        own = silently(fault, None)[0] if part.seed == 0 and outcome != KILLED else VISIBLE
        found.append({"number": fault.number, "outcome": outcome, "at": at, "own": own})
    return {**part._asdict(), "problems": len(row.problems), "found": found}


def run(todo: Sequence[Part], jobs: int) -> Iterator[Record]:
    """Each part as it is finished."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done, future in enumerate(as_completed([pool.submit(ask, part) for part in todo]), 1):
            record = future.result()
            text.progress(done, len(todo), f"faults: {record['operation']} {record['dtype']}, seed {record['seed']}")
            yield record


def unfinished(wanted: Iterable[Part], records: Sequence[Record]) -> list[Part]:
    """What a log does not hold yet."""
    finished = {tuple(record[name] for name in Part._fields) for record in records}
    return [part for part in wanted if tuple(part) not in finished]


# ---- in words -------------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A fault, what became of it from one seed, and what its own problem shows."""

    fault: Fault
    outcome: str
    own: str


def seen(records: Sequence[Record]) -> list[Seen]:
    """Every fault from every seed; one that was killed from any seed is visible."""
    lines = [(record, line) for record in records for line in record["found"]]
    own: dict[tuple[int, int], str] = {}
    for record, line in lines:
        key = record["family"], line["number"]
        if record["seed"] == 0:
            own[key] = line["own"]
    for record, line in lines:
        if line["outcome"] == KILLED:
            own[record["family"], line["number"]] = VISIBLE
    return [
        Seen(drawn(record["family"], line["number"]), line["outcome"], own[record["family"], line["number"]])
        for record, line in lines
    ]


COLUMNS = ("faults", "the same bits", "within the bounds", "real", "killed", "not reached", "asked, alive", "share")


def _cells(faults: Sequence[Seen]) -> tuple[str, ...]:
    """One line of a table, as COLUMNS say."""
    own, real = Counter(each.own for each in faults), [each for each in faults if each.own == VISIBLE]
    ends = Counter(each.outcome for each in real)
    share = f"{100 * ends[KILLED] / len(real):.1f} %" if real else "-"
    counts = (len(faults), own[HARMLESS], own[WITHIN], len(real), ends[KILLED], ends[NOT_ASKED], ends[ALIVE])
    return (*(f"{count:,}" for count in counts), share)


def by(title: str, faults: Sequence[Seen], of: Callable[[Fault], str]) -> str:
    """A table with a line for each value of something, and one for all."""
    groups: dict[str, list[Seen]] = defaultdict(list)
    for each in faults:
        groups[of(each.fault)].append(each)
    lines: list[tuple[str, ...]] = [(title, *COLUMNS)]
    lines += [(name, *_cells(group)) for name, group in sorted(groups.items())]
    return text.table(f"Drawn faults by {title}", [*lines, ("all", *_cells(faults))], left=1)


def decade(fault: Fault) -> int:
    """That of the size from which on it is wrong."""
    return len(str(fault.threshold)) - 1


def sizes(faults: Sequence[Seen]) -> str:
    """The share of the real faults that is killed, by dimension and decade."""
    lines: list[tuple[str, ...]] = [("dimension", *(f"from {name}" for name in DECADES))]
    for dimension in sorted({each.fault.dimension for each in faults}):
        cells = []
        for power in range(len(DECADES)):
            own = [each for each in faults if each.fault.dimension == dimension and decade(each.fault) == power]
            real = [each for each in own if each.own == VISIBLE]
            killed = sum(each.outcome == KILLED for each in real)
            cells.append(f"{killed}/{len(real)}" if real else "-")
        lines.append((dimension, *cells))
    return text.table("Real faults killed, by dimension and by the size from which on they are wrong", lines, left=1)


def summary(records: Sequence[Record]) -> str:
    """All tables, and the goal."""
    faults = seen(records)
    groups: dict[str, Callable[[Fault], str]] = {
        "kind": lambda fault: fault.kind,
        "effect": lambda fault: f"{fault.kind}: {fault.effect}",
        "region": lambda fault: fault.region,
        "option": lambda fault: fault.when or "none",
        "operation": lambda fault: fault.operation,
        "dtype": lambda fault: fault.dtype,
        "output": lambda fault: fault.output or (fault.step.split()[0] if fault.step else "several"),
    }
    real = [each for each in faults if each.own == VISIBLE]
    share = sum(each.outcome == KILLED for each in real) / max(1, len(real))
    goal = text.goal(f"{GOAL:.0%} of the real faults killed", [f"{share:.1%}"] if not share >= GOAL else [], 1)
    return "\n\n".join([sizes(faults), *(by(title, faults, of) for title, of in groups.items()), goal])


def alive(records: Sequence[Record]) -> list[str]:
    """The faults for building that live though their own problem shows them."""
    return sorted(f"{each.outcome}: {each.fault.name}" for each in seen(records)
                  if each.own == VISIBLE and each.outcome != KILLED
                  and each.fault.family in (BUILDING, BUILDING_LATER))  # fmt: skip


def main() -> None:
    """Ask, write the log, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m audits.faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--faults", type=int, default=FAULTS, help=f"how many of the first family ({FAULTS})")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds of the generator ({SEEDS})")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--log", type=Path, default=Path("faults.jsonl"), help="one line for each part (faults.jsonl)")
    parser.add_argument("--building", action="store_true", help="the faults to build with, not those to report")
    parser.add_argument("--list", action="store_true", help="which of those to build with live")
    options = parser.parse_args()
    wanted = list(parts(options.building, options.faults, options.seeds))
    for record in run(unfinished(wanted, read(options.log)), options.jobs):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
    finished = {tuple(part) for part in wanted}
    records = [each for each in read(options.log) if tuple(each[name] for name in Part._fields) in finished]
    print("\n".join(([*alive(records), ""] if options.list else []) + [summary(records)]))


if __name__ == "__main__":
    main()
