"""A search for wrong truths: small nasty problems, their truth at several precisions held against another evaluation.

python -m audits.truths --jobs 2 --log truths.jsonl

`nasty` draws the problems, and `independent_losses` evaluates them, in fractions and intervals, without a line of
`softproof.truth` or `softproof.problem.rows`. At 64, 106 (double-double numbers), 128 and 512 bits each element of the
value and of every derivative must be of the right kind, a number, inf, -inf or nan, and a ball must meet the interval;
or it is undecided, and 8192 bits must decide it. Where the judge lets float64 decide, float64 must give the same kind.
A line of the log is one kind in one dtype from one seed, and a run goes on where its log ends.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb
from mpmath import libmp  # type: ignore[import-untyped]  # mpmath ships no types

from benchmarks import text
from softproof import Problem, solve
from softproof.problem.problem import Array
from softproof.verdicts.float64 import float64_decides

from .alarms import Part, Record, read, run, unfinished
from .independent_losses import evaluate
from .nasty import NASTY, draw

BITS, LAST, FLOAT64 = (64, 106, 128, 512), 8192, 53
SHARP = 2.0**-60  # a ball whose radius is below this part of its middle says what the number is
PROBLEMS = {"float64": 500, "float32": 250, "float16": 125, "bfloat16": 125}  # of a kind, from one seed
SEEDS = 10
GOAL = 100_000


def parts(seeds: int, sizes: dict[str, int]) -> Iterator[Part]:
    """All of a search, one seed after the other."""
    for seed in range(seeds):
        for kind in NASTY:
            for dtype, size in sizes.items():
                yield Part(kind, dtype, seed, size)


def ask(part: Part) -> Record:
    """One line of the log."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for number in range(part.problems):
        problem = draw(part.operation, part.dtype, part.seed, number)
        failures += [f"{each}\n{problem!r}" for each in wrong(problem, counts)]
    return {**part._asdict(), **counts, "failures": failures}


def wrong(problem: Problem, counts: Counter[str]) -> list[str]:
    """Where the truth is not what the independent evaluation says, at any precision."""
    other, found = evaluate(problem), []
    counts["asked"] += 1
    for bits in BITS:
        found += _compared(problem, bits, other, counts)
    if counts.pop("open", 0):
        counts["more bits"] += 1
        found += _compared(problem, LAST, other, counts)
        if counts.pop("open", 0):
            found.append(f"{LAST} bits do not decide")
    return found


def _compared(problem: Problem, bits: int, other: dict[str, Array], counts: Counter[str]) -> list[str]:
    truth = {name: each.reshape(-1) for name, each in solve(problem, bits).items()}
    if {name: each.size for name, each in truth.items()} != {name: each.size for name, each in other.items()}:
        return [f"the truth has {sorted(truth)}, the other {sorted(other)}"]
    rough = solve(problem, FLOAT64) if bits == BITS[-1] and float64_decides(problem) else {}
    found = []
    for name, balls in truth.items():
        near = rough[name].reshape(-1) if rough else [None] * len(balls)
        for i, (ball, exact, single) in enumerate(zip(balls, other[name], near, strict=True)):
            if isinstance(ball, arb) and not ball.is_finite():
                counts["open"] += bits in (BITS[-1], LAST)
                counts["undecided"] += bits == BITS[-1]
                continue
            counts[_kind(ball)] += bits == BITS[-1]
            counts["sharp"] += bits == BITS[-1] and isinstance(ball, arb) and _is_sharp(ball)
            if not meets(ball, exact):
                found.append(f"{bits} bits: {name}[{i}] is {ball}, and not {exact}")
            if single is not None and _kind(single) != _kind(ball) and not _overflows(single, ball):
                found.append(f"float64: {name}[{i}] is {single}, and not {ball}")
    return found


def _kind(x: Any) -> str:
    """A number, or which of the three that are none."""
    return "numbers" if isinstance(x, arb) or np.isfinite(x) else repr(float(x))


def _is_sharp(ball: arb) -> bool:
    return bool(ball.rad() <= abs(ball.mid()) * SHARP)


def _overflows(single: float, ball: Any) -> bool:
    """Whether float64 is infinite because the number is."""
    return isinstance(ball, arb) and bool(np.isinf(single)) and float(ball.mid()) == single


def meets(ball: Any, exact: Any) -> bool:
    """Whether a ball and an interval have a common point, or two floats are the same; -0 is 0."""
    if not isinstance(ball, arb):
        return isinstance(exact, float) and (ball == exact or (ball != ball and exact != exact))
    low, high = ends(ball)
    least, most = (low, high) if isinstance(exact, float) and exact == 0 else _ends_of(exact)
    if isinstance(exact, float):
        return exact == 0 and ball.contains(0)
    return bool(libmp.mpf_le(low, most) and libmp.mpf_le(least, high))


def _ends_of(exact: Any) -> tuple[Any, Any]:
    return (libmp.fnan, libmp.fnan) if isinstance(exact, float) else exact._mpi_


def ends(ball: arb) -> tuple[Any, Any]:
    """The ends of a ball, rounded outwards."""
    middle, radius = (libmp.from_man_exp(*map(int, part.man_exp())) for part in (ball.mid(), ball.rad()))
    precision = max(4000, middle[3] + 64)
    return (
        libmp.mpf_sub(middle, radius, precision, libmp.round_floor),
        libmp.mpf_add(middle, radius, precision, libmp.round_ceiling),
    )


# ---- in words -------------------------------------------------------------------------------------------------------

COLUMNS = ("asked", "numbers", "sharp", "inf", "-inf", "nan", "undecided", "more bits")


def summary(records: Sequence[Record]) -> str:
    """What was compared at 512 bits of each kind, and every failure."""
    sums: dict[str, Counter[str]] = {kind: Counter() for kind in NASTY}
    for record in records:
        sums[record["operation"]].update({name: record.get(name, 0) for name in COLUMNS})
        sums[record["operation"]]["failures"] += len(record["failures"])
    lines: list[tuple[str, ...]] = [("kind", "problems", *COLUMNS[1:], "failures")]
    names = (*COLUMNS, "failures")
    lines += [(kind, *(f"{found[name]:,}" for name in names)) for kind, found in sums.items()]
    whole = sum(sums.values(), Counter[str]())
    lines.append(("all", *(f"{whole[name]:,}" for name in names)))
    failures = [f"FAILURE: seed {record['seed']}: {each}" for record in records for each in record["failures"]]
    return "\n".join([text.table("Truths held against an independent evaluation", lines, left=1), *failures])


def goals(records: Sequence[Record]) -> list[str]:
    """What the project wants of these tables."""
    asked, failures = (sum(each) for each in zip(*((r["asked"], len(r["failures"])) for r in records), strict=True))
    return [
        text.goal("no truth is wrong", [f"{failures} are"] if failures else [], 1),
        text.goal(f"at least {GOAL:,} problems", [f"{asked:,}"] if asked < GOAL else [], 1),
    ]


def main() -> None:
    """Search, write the log, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m audits.truths", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds, from 0 on ({SEEDS})")
    parser.add_argument("--share", type=float, default=1.0, help="of the problems of each seed: 0.01 for a rough look")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--log", type=Path, default=Path("truths.jsonl"), help="one line for each part (truths.jsonl)")
    options = parser.parse_args()
    sizes = {dtype: max(1, round(size * options.share)) for dtype, size in PROBLEMS.items()}
    wanted = list(parts(options.seeds, sizes))
    for record in run(unfinished(wanted, read(options.log)), options.jobs, ask, "truths"):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
    records = read(options.log)
    print(summary(records), "\n".join(goals(records)), sep="\n\n")


if __name__ == "__main__":
    main()
