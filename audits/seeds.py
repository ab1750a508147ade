"""Random seeds of `make test`, one after the other: the suite is green on each, or its failures have names.

python -m audits.seeds --log seeds.jsonl

A line of the log is one run of the suite: its seed, its commit, how long it took, how many tests passed, and which did
not. It stops when somebody stops it, or after --count runs; started again, it goes on counting where its log ends.
One seed again: pytest --hypothesis-seed SEED.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, islice, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

from benchmarks import text

ROOT = Path(__file__).parent.parent
GOAL = 40  # in a row
Record = dict[str, Any]


def commit() -> str:
    """The commit that is tested, and whether something is changed beside it, if git can tell."""
    words = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def ask(seed: int, arguments: Sequence[str]) -> Record:
    """One run of the suite."""
    with TemporaryDirectory() as folder:
        report, start = Path(folder) / "report.xml", time.monotonic()
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=short",
            f"--hypothesis-seed={seed}",
            f"--junitxml={report}",
        ]
        before = commit()
        run = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = round(time.monotonic() - start)
        passed, failed = outcome(report) if report.exists() else (0, {})
    if run.returncode and not failed:
        failed = {"pytest": f"ended with {run.returncode}: {(run.stdout + run.stderr)[-2000:]}"}
    return {"seed": seed, "commit": before, "seconds": seconds, "passed": passed, "failed": failed}


def outcome(report: Path) -> tuple[int, dict[str, str]]:
    """How many tests passed, and what did not, each with the end of its traceback."""
    passed, failed = 0, {}
    for case in ET.parse(report).iter("testcase"):
        bad = [each for each in case if each.tag in ("failure", "error")]
        if bad:
            failed[f"{case.get('classname')}::{case.get('name')}"] = (bad[0].text or "")[-4000:]
        passed += not bad and case.find("skipped") is None
    return passed, failed


def seeds() -> Iterator[int]:
    """Random numbers without end."""
    return (secrets.randbelow(2**32) for _ in count())


def read(log: Path) -> list[Record]:
    """The runs in a log, if there is one; the last line may be torn."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def in_a_row(records: Sequence[Record]) -> int:
    """How many of the last runs were green, one after the other, at one commit."""

    def counts(record: Record) -> bool:
        return not record["failed"] and record["commit"] == records[-1]["commit"]

    return sum(1 for _ in takewhile(counts, reversed(records)))


def summary(records: Sequence[Record]) -> str:
    """Seeds by commit, how often each test failed and on which seed first, and the goal."""
    lines: list[tuple[str, ...]] = [("commit", "seeds", "green", "tests", "seconds")]
    for name in dict.fromkeys(record["commit"] for record in records):
        own = [record for record in records if record["commit"] == name]
        green = sum(not record["failed"] for record in own)
        seconds = sorted(record["seconds"] for record in own)[len(own) // 2]
        lines.append((name, f"{len(own)}", f"{green}", f"{max(record['passed'] for record in own):,}", f"{seconds}"))
    red = Counter(name for record in records for name in record["failed"])
    told = [f"RED: {name}, {times} times, first on seed {_first(records, name)}" for name, times in red.most_common()]
    row = in_a_row(records)
    goal = text.goal(f"{GOAL} seeds in a row are green", [f"{row}"] if row < GOAL else [], 1)
    return "\n".join([text.table("Random seeds of make test", lines, left=1), *told, "", goal])


def _first(records: Sequence[Record], name: str) -> Any:
    return next(record["seed"] for record in records if name in record["failed"])


def main() -> None:
    """Ask seed after seed, write each down, and print the table after each."""
    parser = argparse.ArgumentParser(prog="python -m audits.seeds", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, help="how many runs; by default it does not stop")
    parser.add_argument("--log", type=Path, default=Path("seeds.jsonl"), help="one line for each run (seeds.jsonl)")
    parser.add_argument("arguments", nargs="*", help="of pytest, after --; by default -n auto")
    options = parser.parse_args()
    for seed in islice(seeds(), options.count):
        record = ask(seed, options.arguments or ["-n", "auto"])
        with options.log.open("a") as log:
            print(json.dumps(record), file=log)
        print(f"seed {seed}: {'RED' if record['failed'] else 'green'} in {record['seconds']} s", flush=True)
        print(summary(read(options.log)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
