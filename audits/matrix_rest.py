"""What docs/generated/matrix.md lacks: new properties before all mutants, and all properties before new mutants.

python -m audits.matrix_rest docs/generated/matrix.md --jobs 2

It asks no pair that the document has, and writes both together. A run goes on where its log ends. `make matrix` asks
all of them anew: that is for a change of what a property asks, or of what a mutant does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import text
from softproof.mutants.catalogue import MUTANTS

from . import matrix
from .matrix import BY_ONE, KEPT, Matrix, Record
from .properties import PROPERTIES, Drawing

PROPERTY = re.compile(r"^(\d+) +(\S.*?) +(\d+) +(\d+) +(\d+) +(\d+) +([\d.]+) +([\d.]+)$", re.MULTILINE)
KILLED = re.compile(r"^([a-z][a-z0-9-]+) {2,}([\d ]+)$", re.MULTILINE)
TERMS = re.compile(r"^(.+): \d+ mutants, \d+ properties; each mutant", re.MULTILINE)
DRAWING = Drawing(matrix.EXAMPLES, 0)


class Part(NamedTuple):
    """Who is asked, by which properties, and how many others kill it."""

    name: str
    properties: tuple[str, ...]
    killers: int


def shown(document: str) -> Matrix:
    """The matrix that a document shows; how many were asked is a number there, and so are they named."""
    lines = PROPERTY.findall(document)
    names = {number: name for number, name, *_ in lines}
    killers = {mutant: [names[each] for each in numbers.split()] for mutant, numbers in KILLED.findall(document)}
    order = [name for name in PROPERTIES if name in names.values()]
    counts = {name: int(count) for _, name, count, *_ in lines}
    asked = {name: frozenset(map(str, range(counts[name]))) for name in order}
    kills = {name: frozenset(mutant for mutant, found in killers.items() if name in found) for name in order}
    cost = {name: float(each) for _, name, *_, each, _ in lines}
    return Matrix(asked, kills, cost, {name: float(each) for _, name, *_, each in lines}, tuple(killers))


def missing(have: Matrix) -> list[Part]:
    """What a document does not show; right implementations are asked by the new properties alone, for their cost."""
    new = tuple(name for name in PROPERTIES if name not in have.asked)
    fresh = [Part(name, tuple(PROPERTIES), 0) for name in MUTANTS if name not in have.mutants]
    if not new:
        return fresh
    known = [Part(name, new, len(have.killers(name))) for name in MUTANTS if name in have.mutants]
    return [*fresh, *(Part(name, new, 0) for name in matrix.INNOCENT), *known]


def ask(part: Part) -> Record:
    """A line of the log; a mutant that fewer than two properties kill gets more problems, as it does in a whole run."""
    mutant = matrix.INNOCENT.get(part.name) or MUTANTS[part.name]
    record = matrix.point(mutant, DRAWING, part.properties)
    if part.name in matrix.INNOCENT or part.killers + len(record["killed"]) >= matrix.AT_LEAST:
        return record
    return {**matrix.point(mutant, replace(DRAWING, examples=matrix.MORE), part.properties),
            "examples": DRAWING.examples}  # fmt: skip


def run(todo: Sequence[Part], jobs: int) -> Iterator[Record]:
    """Each part as it is finished."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for done, future in enumerate(as_completed([pool.submit(ask, part) for part in todo]), 1):
            record = future.result()
            text.progress(done, len(todo), f"{record['name']}: killed by {len(record['killed'])} more")
            yield record


def joined(have: Matrix, records: Iterable[Record]) -> Matrix:
    """The document's matrix with what was asked besides; the cost of a property that it has stays."""
    found = matrix.gathered(list(records))
    cost, seconds = _later(have.cost, found.cost), _later(have.seconds, found.seconds)
    asked = {name: found.asked[name] | have.asked.get(name, frozenset()) for name in PROPERTIES}
    kills = {name: found.kills[name] | have.kills.get(name, frozenset()) for name in PROPERTIES}
    mutants = tuple(name for name in MUTANTS if name in {*have.mutants, *found.mutants})
    return Matrix(asked, kills, cost, seconds, mutants, found.rejected)


def _later(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: before.get(name, after[name]) for name in PROPERTIES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask what is missing, and write the document where nothing is any more."""
    parser = argparse.ArgumentParser(prog="python -m audits.matrix_rest")
    parser.add_argument("document", type=Path, help="docs/generated/matrix.md")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--log", type=Path, default=Path("matrix_rest.jsonl"), help="one line for each of them")
    options = parser.parse_args(arguments)
    written = options.document.read_text()
    have = shown(written)
    wanted = missing(have)
    finished = {record["name"]: record for record in matrix.read(options.log)}
    for record in run([part for part in wanted if part.name not in finished], options.jobs):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
        finished[record["name"]] = record
    whole = joined(have, (finished[part.name] for part in wanted))
    (terms,) = TERMS.findall(written)
    later = f"{len(whole.asked) - len(have.asked)} properties and {len(whole.mutants) - len(have.mutants)} mutants"
    options.document.write_text(matrix.document(whole, KEPT, BY_ONE, f"{terms}; {later} in a later run"))
    told = matrix.faults(whole, KEPT, BY_ONE)
    print("\n".join(told) or "nothing is missing", file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
