"""Property × mutant: each property is asked alone of every mutant that it may concern; python -m audits.matrix.

Every property has to kill a mutant that no cheaper one kills, or to say why it is kept; every mutant is to be killed by
two. A line of the log is one mutant, or one right implementation, from one seed. A run goes on where its log ends;
`make matrix` removes it when nothing is missing, and whoever changes an implementation in between removes it as well.
The exit status is 1 where something is missing. docs/generated/matrix.md holds one run's tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks import text
from softproof.mutants.catalogue import MUTANTS
from softproof.mutants.record import Mutant
from softproof.reports.environment import versions

from .properties import PROPERTIES, RIGHT, Drawing, kill

EXAMPLES = 50
MORE = 100  # of a mutant that fewer than two properties kill: as many as verify draws
AT_LEAST = 2  # properties that kill a mutant
INNOCENT = {mutant.name: mutant for mutant in RIGHT}

_NO_TRUTH = "needs no truth, which might share an error with who is judged"
_ANY_SIZE = "needs no truth, so that it can be asked at any size; says that"
_CLASS_B = "class B has one mutant, which other properties kill as well; this one asks"
_BITS = "tells, within the bounds too, whether the bits of a row depend on"

KEPT = {  # properties that kill no mutant that no cheaper one kills, and why they are kept
    "jvp": "no mutant has a wrong one; tests/wrong/directions.py has three, which it tells by this name",
    "softmax rows sum to one": _NO_TRUTH,
    "gradient rows sum to zero": _NO_TRUTH,
    "a one-hot target is its label": f"{_NO_TRUTH}; it is no relation of the judge",
    "Gibbs' inequality": _NO_TRUTH,
    "near the other half": _NO_TRUTH,
    "near the other half in a direction": f"{_NO_TRUTH}; no mutant has both derivatives and one of them wrong",
    "a Hessian is symmetric": f"{_NO_TRUTH}; the one wrong Hessian among the mutants is 0, which is symmetric",
    "a convex function has a Hessian >= 0": f"{_NO_TRUTH}; no mutant of a convex function has a Hessian",
    "derivatives are linear in the direction": f"{_NO_TRUTH}; no mutant has both derivatives and one of them wrong",
    "small losses keep their digits": f"{_CLASS_B} losses from 0.1 to 1e-30, by a bound of its own",
    "any loss keeps its digits": f"{_CLASS_B} any label and any offset, by a bound of its own",
    "all options keep class B": f"{_CLASS_B} class weights, ignored rows and every reduction",
    "relation: common shift": f"{_ANY_SIZE} an answer depends on an offset",
    "relation: permuted classes": f"{_ANY_SIZE} a class depends on its place",
    "relation: permuted rows": f"{_ANY_SIZE} a row depends on its place",
    "relation: flattened": f"{_ANY_SIZE} axes are mixed up",
    "relation: split batch": f"{_ANY_SIZE} a sum or a mean over rows is wrong",
    "relation: split classes": f"{_ANY_SIZE} a sum over classes is wrong",
    "relation: split features": f"{_ANY_SIZE} a sum over features is wrong",
    "relation: label smoothing": f"{_ANY_SIZE} smoothing is wrong",
    "relation: class weights": f"{_ANY_SIZE} class weights are",
    "relation: upstream gradient": f"{_ANY_SIZE} a gradient does not follow its upstream gradient",
    "relations of large problems": "the second to kill what large problems alone show, and without the truth",
    "check: asked twice": "tells, within the bounds too, whether answers have the same bits every time",
    "check: overwritten answers": "tells an answer that shares memory with an input, whatever its numbers are",
    "check: after other values": "asks one shape twice, where a cache would answer; other properties do so by chance",
    "check: after another dtype": "asks one shape in two dtypes in a row; other properties do so by chance",
    "check: after another shape": "no mutant keeps what its workspace held; one in tests/wrong/misbehaving.py does",
    "check: value dropped": "takes gradients when nobody holds the value; other checks overwrite it while it is held",
    "check: value detached": "tells a gradient that is written where the value is, which is held; so do other checks",
    "check: no gradients": "no mutant needs an input that requires a gradient; one in tests/wrong/misbehaving.py does",
    "check: no_grad": "no mutant asks autograd in its forward pass; one in tests/wrong/misbehaving.py does",
    "check: inference_mode": "no mutant fails there; one in tests/wrong/misbehaving.py does",
    "check: scaled loss": "takes gradients by backward(), which may store them twice: tests/wrong/misbehaving.py",
    "check: summed loss": "gives the upstream gradient that .sum() hands back, of stride 0, whatever layouts are drawn",
    "check: invalid labels": "asks every label problem; verify does not ask the edge cases, which have three of them",
    "check: labels of another type": "no mutant computes in the type of labels; one in tests/wrong/misbehaving.py does",
    "check: rows alone": f"{_BITS} the batch",
    "check: rows permuted": f"{_BITS} its place",
    "check: padding rows": f"{_BITS} the size of the batch",
    "check: another layout": f"{_BITS} how it lies in memory",
}

BY_ONE: dict[str, str] = {  # mutants that one property kills, and why that is no gap
    "weights-by-address": "keeps weights by address, and is wrong where they are updated in place, as that check does",
    "frozen-inputs": "raises where some gradients are asked and others not, which is the one question of that check",
    "value-kept-unwatched": "is wrong where its value is overwritten before the backward pass, as that one check does",
    "input-kept-unwatched": "is wrong where its input is overwritten before the backward pass, as that one check does",
    "one-workspace-for-all-threads": "is wrong where two threads ask at once, as that one check does",
    "tuned-after-some-calls": "is wrong from the n-th call with the same arrays on, as that one check asks",
    "saved-gradient-scaled-in-place": "is wrong in a second backward pass on one graph, which is what that check asks",
}

Record = dict[str, Any]


@dataclass(frozen=True)
class Matrix:
    """Which properties, in the order in which they are named, were asked of which mutants, and which they killed.

    `cost` of a property is how many numbers it gives to a right implementation in one dtype until it lets it pass, the
    median over the operations; `seconds` is what that takes. `rejected` names those that some property stopped.
    """

    asked: Mapping[str, frozenset[str]]
    kills: Mapping[str, frozenset[str]]
    cost: Mapping[str, float]
    seconds: Mapping[str, float]
    mutants: tuple[str, ...]
    rejected: tuple[str, ...] = ()

    @cached_property
    def by_cost(self) -> tuple[str, ...]:
        """The cheapest first; of two that cost the same, the one that is named first."""
        return tuple(sorted(self.asked, key=lambda name: self.cost[name]))

    def first(self, name: str) -> frozenset[str]:
        """The mutants that this property kills, and no cheaper one."""
        cheaper = self.by_cost[: self.by_cost.index(name)]
        return self.kills[name].difference(*(self.kills[each] for each in cheaper))

    def alone(self, name: str) -> frozenset[str]:
        """The mutants that this property kills, and no other one."""
        return self.kills[name].difference(*(self.kills[each] for each in self.asked if each != name))

    def killers(self, mutant: str) -> list[str]:
        """The properties that kill a mutant, the cheapest first."""
        return [name for name in self.by_cost if mutant in self.kills[name]]


def faults(matrix: Matrix, kept: Mapping[str, str], by_one: Mapping[str, str]) -> list[str]:
    """What is missing: a reason, or a property; and reasons that are out of date."""
    found = [f"{each}, which is right, is rejected" for each in matrix.rejected]
    for name in matrix.asked:
        if not matrix.first(name) and not kept.get(name):
            found.append(f"{name} kills no mutant that no cheaper property kills, and nothing says why it is kept")
        if matrix.first(name) and name in kept:
            found.append(f"{name} is kept for a reason that it does not need: it is the first that kills "
                         f"{', '.join(sorted(matrix.first(name)))}")  # fmt: skip
    found += [f"a reason is given for {name}, which is no property" for name in kept if name not in matrix.asked]
    for mutant in matrix.mutants:
        killers = matrix.killers(mutant)
        if not killers or (len(killers) < AT_LEAST and not by_one.get(mutant)):
            found.append(f"{mutant} is killed by {' and '.join(killers) or 'nothing'} alone")
        if len(killers) >= AT_LEAST and mutant in by_one:
            found.append(f"{mutant} is said to be killed by one property; it is killed by {', '.join(killers)}")
    return found + [
        f"a reason is given for {name}, which is no mutant" for name in by_one if name not in matrix.mutants
    ]


# ---- the run --------------------------------------------------------------------------------------------------------


def point(mutant: Mutant, drawing: Drawing, names: Iterable[str] = PROPERTIES) -> Record:
    """One line of the log: what each property made of one implementation; seconds are those of the processor."""
    record: Record = {"name": mutant.name, "examples": drawing.examples, "seed": drawing.seed,
                      "asked": {}, "killed": [], "cost": {}, "seconds": {}}  # fmt: skip
    for name in names:
        start = time.process_time()
        found = kill(PROPERTIES[name], mutant, drawing)
        if found.questions:
            record["asked"][name], record["cost"][name] = found.questions, found.numbers / len(mutant.dtypes)
            record["seconds"][name] = round(time.process_time() - start, 3)
            record["killed"] += [name] if found.killed else []
    return record


def line(name: str, drawing: Drawing) -> Record:
    """One line of the log, of an implementation by its name; a mutant that fewer than two properties kill gets more."""
    mutant = INNOCENT.get(name) or MUTANTS[name]
    record = point(mutant, drawing)
    if name in INNOCENT or len(record["killed"]) >= AT_LEAST:
        return record
    return {**point(mutant, replace(drawing, examples=MORE)), "examples": drawing.examples}


def run(
    todo: Sequence[tuple[str, Drawing]], progress: Callable[[int, int, str], None], jobs: int = 1
) -> Iterator[Record]:
    """Each implementation as it is finished, in this process or in several."""
    for done, record in enumerate(_in_turn(todo) if jobs == 1 else _side_by_side(todo, jobs), 1):
        killed, asked = len(record["killed"]), len(record["asked"])
        progress(done, len(todo), f"{record['name']}: killed by {killed} of {asked}")
        yield record


def _in_turn(todo: Sequence[tuple[str, Drawing]]) -> Iterator[Record]:
    return (line(name, drawing) for name, drawing in todo)


def _side_by_side(todo: Sequence[tuple[str, Drawing]], jobs: int) -> Iterator[Record]:
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for future in as_completed([pool.submit(line, name, drawing) for name, drawing in todo]):
            yield future.result()


def gathered(records: Sequence[Record]) -> Matrix:
    """The matrix of all seeds together; what one seed kills is killed."""
    innocent = [record for record in records if record["name"] in INNOCENT]
    tried = [record for record in records if record["name"] not in INNOCENT]
    asked = {name: frozenset(each["name"] for each in tried if name in each["asked"]) for name in PROPERTIES}
    kills = {name: frozenset(each["name"] for each in tried if name in each["killed"]) for name in PROPERTIES}
    cost, seconds = (
        {name: statistics.median([each[what][name] for each in innocent if name in each[what]] or [0])
         for name in PROPERTIES}
        for what in ("cost", "seconds")
    )  # fmt: skip
    rejected = [f"{each['name']} ({', '.join(each['killed'])})" for each in innocent if each["killed"]]
    mutants = tuple(dict.fromkeys(each["name"] for each in tried))
    return Matrix(asked, kills, cost, seconds, mutants, tuple(rejected))


# ---- in words -------------------------------------------------------------------------------------------------------

INTRODUCTION = """# Properties and mutants

Each property of the judge, and each property test of tests/ that takes an implementation, alone tries every mutant
([mutants.md](mutants.md)) that it may concern (`audits/properties.py`). A property kills a mutant if it finds an
error in one of its answers. Tests of the judge itself concern no mutant.

Problems are drawn as `softproof.verify` draws them; a test that draws its own draws as many. A mutant that fewer
than two properties kill gets 100 problems, the default of `verify`.

*Cost* is how many numbers a property gives to a right implementation, in each dtype, until it passes: the median
over the operations. It is the same in every run. *Seconds* is the time that takes on one processor in this run. The
cheapest property comes first; of two with the same cost, the one that `audits/properties.py` names first.
*First* counts the mutants that it kills and no cheaper property does. *Alone* counts those that no other property
kills. A property that is never the first has a reason to stay, below the table.

`make matrix` writes this file. It fails if a reason is missing or superfluous, or if fewer than two properties kill a
mutant and nothing says why. `tests/test_matrix.py` checks that the file is up to date."""


def _count(numbers: Iterable[str]) -> str:
    return str(len(frozenset(numbers)))


def document(matrix: Matrix, kept: Mapping[str, str], by_one: Mapping[str, str], terms: str) -> str:
    """docs/generated/matrix.md."""
    numbers = {name: str(number) for number, name in enumerate(matrix.by_cost, 1)}
    lines: list[tuple[str, ...]] = [("", "property", "asked", "kills", "first", "alone", "cost", "seconds")]
    for name, number in numbers.items():
        counts = [_count(each) for each in (matrix.asked[name], matrix.kills[name], matrix.first(name))]
        cost, seconds = f"{matrix.cost[name]:.0f}", f"{matrix.seconds[name]:.2f}"
        lines.append((number, name, *counts, _count(matrix.alone(name)), cost, seconds))
    killers = {mutant: matrix.killers(mutant) for mutant in matrix.mutants}
    rows = [("mutant", "killed by"),
            *((mutant, " ".join(numbers[name] for name in found)) for mutant, found in killers.items())]  # fmt: skip
    missing = faults(matrix, kept, by_one)
    few = min(map(len, killers.values()), default=0)
    sizes = f"{len(matrix.mutants)} mutants, {len(matrix.asked)} properties"
    parts = [
        INTRODUCTION,
        f"{terms}: {sizes}; each mutant is killed by at least {few}.",
        f"```text\n{text.table('Properties', lines, left=2)}\n```",
        "## Why the others are kept",
        "\n".join(f"- {numbers[name]}, **{name}**: {kept[name]}." for name in matrix.by_cost if name in kept),
        "## Mutants, and the properties that kill them",
        f"```text\n{text.table('By the number in the table above', rows, left=2)}\n```",
        "## Mutants that one property kills",
        "\n".join(f"- **{mutant}**: {reason}." for mutant, reason in by_one.items()) or "None.",
        "## What is missing",
        "\n".join(f"- {each}" for each in missing) or "Nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def read(log: Path) -> list[Record]:
    """The lines of a log, if there is one."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, write the log and the document, and say what is missing."""
    parser = argparse.ArgumentParser(prog="python -m audits.matrix", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on (1)")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"problems drawn for each property ({EXAMPLES})")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--log", type=Path, default=Path("matrix.jsonl"), help="one line for each (matrix.jsonl)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the document")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)

    drawings = [Drawing(options.examples, seed) for seed in range(options.seeds)]
    wanted = [(name, drawing) for drawing in drawings for name in (*INNOCENT, *MUTANTS)]
    finished = {(each["name"], each["examples"], each["seed"]): each for each in read(options.log)}
    todo = [(name, drawing) for name, drawing in wanted if (name, *_key(drawing)) not in finished]
    for record in run(todo, text.progress, options.jobs):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
        finished[record["name"], record["examples"], record["seed"]] = record

    matrix = gathered([finished[name, *_key(drawing)] for name, drawing in wanted])
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    terms = f"{used}; {options.examples} problems, seeds {', '.join(map(str, range(options.seeds)))}"
    written = document(matrix, KEPT, BY_ONE, terms)
    if options.write is None:
        print(written, end="")
    else:
        options.write.write_text(written)
    missing = faults(matrix, KEPT, BY_ONE)
    print("\n".join(missing) or "nothing is missing", file=sys.stderr)
    return 1 if missing else 0


def _key(drawing: Drawing) -> tuple[int, int]:
    return drawing.examples, drawing.seed


if __name__ == "__main__":
    sys.exit(main())
