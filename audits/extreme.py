"""Extreme mutation: each function of the judge is replaced by a stub, and the tests that call it have to notice.

python -m audits.extreme --only '^(compare|judge|rows)' --jobs 2   # some files; without --only all, in hours
python -m audits.extreme --sample 30 --seed 1   # whether tests that are known to miss 30 functions still do

First each test is run once by itself, and which functions it calls is kept in a file (extreme.calls.jsonl). Then a
function at a time gives its way to a stub (audits/stubs.py), in a forked child that runs tests which call it, the
cheapest first, until one fails. Last, each test that no stub has failed yet is run with further stubs of what it
calls. Two lists come of it: functions that no test misses, and tests that no stub fails. A line of the log is one
function with one stub, and a run goes on where its log ends. docs/generated/judge_mutants.md holds what was found.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import text

from .stubs import functions
from .survivors import State, report, version
from .warm import ASSERTED, DIED, PASSED, SKIPPED, Job, Warm, collected

WINDOWS = (8, 50, 5000)  # how many tests of a function are run with a stub at first, and then
ENOUGH = 60.0  # seconds of tests, as they took without a stub, in one child
NOTICED = Path(__file__).with_name("noticed.json")  # for each function a stub and a test that it fails
TESTS = ("tests", "softproof", "docs", "README.md")


# ---- what is tried next ---------------------------------------------------------------------------------------------


def first_rounds(state: State, wanted: list[str]) -> Iterator[list[Job]]:
    """One stub for each function that no test has missed yet; more tests once all stubs were tried with few."""
    most = max(len(functions()[name].stubs) for name in wanted)
    for window in WINDOWS:
        for number in range(most):
            missed, jobs = state.missed().keys(), []
            for name in wanted:
                stubs = list(functions()[name].stubs)
                if name in missed or number >= len(stubs):
                    continue
                jobs += _job(state, name, stubs[number], state.callers(name)[:window])
            yield jobs


def further_rounds(state: State, wanted: list[str], width: int) -> Iterator[list[Job]]:
    """Stubs that most tests meet which no stub has made fail an assertion; until all of them were tried."""
    pairs = [(name, stub) for name in wanted for stub in functions()[name].stubs]
    while True:
        open_tests = {test for test in state.calls if state.failed.get(test) != ASSERTED and test not in state.broken}
        callers: dict[str, list[str]] = defaultdict(list)
        for test in open_tests:
            for name in state.calls[test]:
                callers[name].append(test)
        ahead = {pair: [test for test in callers[pair[0]] if test not in state.tried[pair]] for pair in pairs}
        best = sorted(filter(ahead.__getitem__, pairs), key=lambda pair: -len(ahead[pair]))[:width]
        if not best:
            return
        yield [job for pair in best for job in _job(state, *pair, sorted(ahead[pair], key=state.seconds.__getitem__))]


def _job(state: State, name: str, stub: str, tests: list[str]) -> list[Job]:
    """Those of the tests that were not run with this stub yet, as many as there is time for."""
    todo, total = list[str](), 0.0
    for test in tests:
        if test not in state.tried[name, stub] and (not todo or total + state.seconds[test] <= ENOUGH):
            todo.append(test)
            total += state.seconds[test]
    return [Job(tuple(todo), name, stub, {test: state.seconds[test] for test in todo})] if todo else []


# ---- the run --------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One run, with what it was asked."""

    options: argparse.Namespace
    state: State = field(default_factory=State)

    def __call__(self, warm: Warm) -> None:
        """Called once everything is collected."""
        self._read(warm)
        self._record(warm)
        wanted = [name for name in functions() if re.search(self.options.only, name)]
        deadline = time.monotonic() + 60 * self.options.minutes
        for rounds in (first_rounds(self.state, wanted), further_rounds(self.state, wanted, 4 * self.options.jobs)):
            for jobs in rounds:
                if not self._try(warm, jobs, deadline):
                    return

    def _read(self, warm: Warm) -> None:
        """What earlier runs have left, of functions and tests that are still the same."""
        for record in _lines(self.options.calls):
            if record["test"] in warm.items and record["version"] == version(record["test"]):
                self.state.note_calls(record)
        for record in _lines(self.options.log):
            now = functions().get(record["function"])
            if now is not None and now.source == record["source"] and record["stub"] in now.stubs:
                versions = record["versions"]
                own = {test: outcome for test, outcome in record["tests"].items()
                       if test in warm.items and versions[test.split("::")[0]] == version(test)}  # fmt: skip
                self.state.note(record | {"tests": own})

    def _record(self, warm: Warm) -> None:
        """Which functions each test calls, where that is not known."""
        todo = [Job((test,)) for test in warm.items if test not in self.state.calls]
        with self.options.calls.open("a") as out:
            for number, (_, records) in enumerate(warm.run(todo, self.options.jobs), 1):
                text.progress(number, len(todo), "extreme: what each test calls")
                for record in records:
                    self.state.note_calls(record)
                    print(json.dumps(record | {"version": version(record["test"])}), file=out, flush=True)

    def _try(self, warm: Warm, jobs: list[Job], deadline: float) -> bool:
        """Whether there is time for more."""
        with self.options.log.open("a") as out:
            for number, (job, records) in enumerate(warm.run(_until(deadline, jobs), self.options.jobs), 1):
                text.progress(number, len(jobs), f"extreme: {job.function} {job.stub}")
                versions = {test.split("::")[0]: version(test) for test in job.tests}
                line = {"function": job.function, "stub": job.stub, "source": functions()[job.function].source,
                        "seconds": round(sum(each["seconds"] for each in records), 3), "versions": versions,
                        "tests": {each["test"]: each["outcome"] for each in records}}  # fmt: skip
                self.state.note(line)
                print(json.dumps(line), file=out, flush=True)
        return time.monotonic() < deadline


def _until(deadline: float, jobs: list[Job]) -> Iterator[Job]:
    for job in jobs:
        if time.monotonic() < deadline:
            yield job


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


# ---- a sample -------------------------------------------------------------------------------------------------------


def sample(count: int, seed: str, jobs: int) -> int:
    """Whether tests that are known to notice some functions still do; the exit status."""
    known: dict[str, list[str]] = json.loads(NOTICED.read_text())
    there = sorted(name for name in known if name in functions() and known[name][0] in functions()[name].stubs)
    asked = {name: known[name] for name in random.Random(seed).sample(there, min(count, len(there)))}
    results: dict[str, str] = {}

    def work(warm: Warm) -> None:
        todo = [Job((test,), name, stub) for name, (stub, test) in asked.items() if test in warm.items]
        for job, records in warm.run(todo, jobs):
            results[job.function] = records[0]["outcome"] if records else DIED

    collected(work, sorted({test.split("::")[0] for _, test in asked.values()}))
    silent = [name for name in asked if results.get(name) in (PASSED, SKIPPED, None)]
    for name, (stub, test) in asked.items():
        print(f"{results.get(name, 'not there'):14} {name} by {stub}: {test}")
    rest = f"no such test is known of {len(functions()) - len(there)} of {len(functions())}"
    print(f"{len(asked) - len(silent)} of {len(asked)} are missed by the test that is known to, at seed {seed}; {rest}")
    return int(bool(silent))


def main() -> int:
    """Try, write the log, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m audits.extreme", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="functions whose name this pattern matches: '^compare|Verdict'")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files of tests (all)")
    parser.add_argument("--sample", type=int, metavar="N", help="ask again what is known of N functions")
    parser.add_argument("--seed", default="0", help="which functions a sample takes (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--minutes", type=float, default=1e6, help="end after so many, and go on the next time")
    parser.add_argument(
        "--log", type=Path, default=Path("extreme.jsonl"), help="one line for each stub (extreme.jsonl)"
    )
    parser.add_argument("--calls", type=Path, default=Path("extreme.calls.jsonl"), help="what each test calls")
    parser.add_argument("--write", action="store_true", help=f"write {NOTICED.name}, which --sample asks")
    options = parser.parse_args()
    if options.sample is not None:
        return sample(options.sample, options.seed, options.jobs)
    run = Run(options)
    collected(run, options.tests)
    words, open_names = report(run.state, options.only)
    if options.write:
        known = json.loads(NOTICED.read_text()) if NOTICED.exists() else {}
        known = {name: pair for name, pair in known.items() if name in functions()} | run.state.missed()
        NOTICED.write_text(json.dumps(known, indent=0, sort_keys=True) + "\n")
    print(words, text.goal("every function is missed, and every test fails by some stub, or has a reason",
                           open_names, len(open_names)), sep="\n\n")  # fmt: skip
    return int(bool(open_names))


if __name__ == "__main__":
    raise SystemExit(main())
