"""Bugs named: a diagnosis should name a known bug that is written anew, and nothing where there is none.

python -m audits.naming --log naming.jsonl

Three kinds of implementation are asked: bugs written anew (audits/rewritten/), each mutant with its own record
taken out, and right variants under a model that is too narrow for them. A line of the log is one of them, and a run
goes on where its log ends.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch

from softproof import Candidate, Interface, judge, load, problems
from softproof.bounds.models import model
from softproof.candidates.implementation import HERE
from softproof.diagnosis.diagnose import Diagnosing, Failed
from softproof.diagnosis.lineup import Lineup
from softproof.generation.coverage import REGIONS
from softproof.mutants.catalogue import MUTANTS
from softproof.mutants.record import Mutant, left_out
from softproof.mutants.right.catalogue import VARIANTS
from softproof.mutants.right.record import Right
from softproof.mutants.right.trial import drawn
from softproof.runs.criteria import Criteria
from softproof.runs.schedule import Schedule, against
from softproof.runs.search import verdicts

from .rewritten import losses, rows

EXAMPLES, SEED = 60, 0
FIRST_GOAL, WRONG_GOAL = 0.85, 0.02  # shares of the rewritings that are found wrong
KINDS = ("rewritten", "taken out", "right")


class Part(NamedTuple):
    """One implementation: its kind, the name of the bug, and whether that is in the line-up."""

    kind: str
    name: str
    operation: str
    dtype: str


Record = dict[str, Any]


def parts(kinds: Sequence[str]) -> Iterator[Part]:
    """All that are asked."""
    for each in (*losses.rewritings(), *rows.rewritings()) if "rewritten" in kinds else ():
        if each.name:
            yield Part("rewritten", each.name, each.operation, "float32")
    for mutant in MUTANTS.values() if "taken out" in kinds else ():
        yield Part("taken out", mutant.name, mutant.operation, mutant.dtypes[0])
    for name, variant in VARIANTS.items() if "right" in kinds else ():
        if variant.needs:
            yield Part("right", name, variant.operation, "float32")


def of_mutant(mutant: Mutant) -> Candidate:
    """One that has not been asked anything."""
    return load(mutant.make(), mutant.operation, "torch", without=left_out(mutant.operation))


class Variant:
    """A right variant as a candidate that lives in this process."""

    def __init__(self, variant: Right) -> None:
        self.variant, self.interface, self.layouts, self.process = variant, Interface(), ("contiguous",), HERE

    def __getattr__(self, name: str) -> Any:
        return getattr(self.variant, name)


def candidate_of(part: Part) -> Candidate:
    """Who is asked."""
    if part.kind == "right":
        return cast("Candidate", Variant(VARIANTS[part.name]))
    if part.kind == "taken out":
        return of_mutant(MUTANTS[part.name])
    found = (each for each in (*losses.rewritings(), *rows.rewritings()) if each.name == part.name)
    return next(found).candidate


def refused(candidate: Candidate, part: Part) -> Failed | None:
    """The first drawn problem on which a right variant is outside the model that is too narrow for it."""
    for problem in drawn(part.operation, part.dtype, EXAMPLES, str(SEED)):
        asked = replace(problem, tangent=None)
        if candidate.takes(asked) and (verdict := judge(candidate, asked)).outcome == "disagrees":
            return Failed(verdict, None, asked)
    return None


def failure(candidate: Candidate, part: Part, arithmetic: str = "any-order") -> Failed | None:
    """What a run finds, as `verify` does; None where it finds nothing."""
    if part.kind == "right":
        return refused(candidate, part)
    accuracy = MUTANTS[part.name].accuracy if part.kind == "taken out" else "C"
    criteria = Criteria(
        "cpu", model(arithmetic), arithmetic, accuracy, None, 1.0, diagnosing=Diagnosing("cpu", accuracy)
    )
    schedule = Schedule(candidate, criteria, candidate.supports(part.operation), part.operation)
    fixed, ndim = candidate.interface.fixed, candidate.interface.ndim
    draw = partial(problems, part.operation, part.dtype, supports=schedule.extras, layouts=candidate.layouts,
                   fixed=fixed, ndim=ndim)  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        found = verdicts(schedule, draw, REGIONS[part.operation], EXAMPLES, SEED)
    if not against(found[-1]):
        return None
    question = schedule.failed if schedule.call != "judge" else None
    return schedule.failure(found[-1], question)


def ask(part: Part, lineup: Lineup) -> Record:
    """One line of the log."""
    lineup.without = frozenset([part.name] if part.kind == "taken out" else [])
    failed = failure(candidate_of(part), part)
    if failed is None:
        return {**part._asdict(), "end": "not found", "named": []}
    accuracy = MUTANTS[part.name].accuracy if part.kind == "taken out" else "C"
    started = time.process_time()
    found = Diagnosing("cpu", accuracy, lineup).diagnosis(candidate_of(part), failed, model("any-order"))
    named = [each.name for each in found.resembles]
    said = {"patterns": [str(each) for each in found.patterns], "models": str(found.models), "fault": found.fault}
    counts = {"asked": found.asked, "seconds": round(time.process_time() - started, 2)}
    return {**part._asdict(), "end": end(part, named), "named": named, **said, **counts}


def end(part: Part, named: Sequence[str]) -> str:
    """How it ended."""
    if not named:
        return "nothing"
    if part.kind == "right":
        return "wrong"
    if part.name in named:
        return "first" if named[0] == part.name else "among three"
    groups = {MUTANTS[each].group for each in named}
    return "family" if part.kind == "taken out" and MUTANTS[part.name].group in groups else "wrong"


def table(records: Sequence[Record]) -> str:
    """What came of each kind, and the goals."""
    lines = []
    for kind in KINDS:
        ends = Counter(each["end"] for each in records if each["kind"] == kind)
        asked = sum(ends.values()) - ends["not found"]
        if asked:
            words = ", ".join(f"{name} {count}" for name, count in ends.most_common())
            lines.append(f"{kind}: {asked} that disagree: {words}")
    ends = Counter(each["end"] for each in records if each["kind"] == "rewritten")
    asked = max(1, sum(ends.values()) - ends["not found"])
    met = ends["first"] / asked >= FIRST_GOAL and ends["wrong"] / asked <= WRONG_GOAL
    lines.append(f"goal: {FIRST_GOAL:.0%} first, at most {WRONG_GOAL:.0%} wrong: {'met' if met else 'NOT met'}")
    return "\n".join(lines)


def main() -> None:
    """Ask what the log lacks, and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, default=Path("naming.jsonl"))
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one in so many of each kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    done = {(each["kind"], each["name"]) for each in records}
    lineup = Lineup()
    for number, part in enumerate(parts(options.kinds)):
        if number % options.every or (part.kind, part.name) in done:
            continue
        records.append(ask(part, lineup))
        with options.log.open("a") as log:
            log.write(json.dumps(records[-1]) + "\n")
        print(f"[{len(records)}] {part.kind} {part.name}: {records[-1]['end']} {records[-1]['named']}", flush=True)
    lineup.close()
    print(table(records))


if __name__ == "__main__":
    main()
