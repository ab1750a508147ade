"""What the judge says of released implementations: written to docs/generated/conformance.md.

examples/candidates/pyproject.toml says what is asked, and how; what is not installed is passed over, and said. A target
that agrees in class C is also asked for A and B. A line of the log is one target; a run goes on where its log ends.
Each disagreement has to be explained in `audits/disagreements.py`, and no other; the exit status is 1 where not.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import text
from softproof import verify
from softproof.reports.environment import versions
from softproof.runs.config import settings

from .disagreements import DISAGREEMENTS

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "examples/candidates/pyproject.toml"
PACKAGES = ("torch", "triton", "liger-kernel", "cut-cross-entropy", "jax", "optax", "onnxruntime", "onnx", "scipy",
            "tinygrad", "scikit-learn", "mlx", "tensorflow-cpu")  # fmt: skip
FEWER = 20  # problems for the classes A and B

Record = dict[str, Any]


def asked(arguments: dict[str, Any], seed: int | None) -> Record:
    """What became of one target; of a module that cannot be imported, why."""
    given = dict(arguments)
    target = given.pop("target")
    if missing := _missing(target):
        return {"target": target, "missing": missing}
    started = time.perf_counter()
    report = verify(target, seed=seed, **given, progress=_progress)
    rows = json.loads(report.to_json())["rows"]
    better = _better(target, given, seed) if any(found.ok for found in report.rows) else {}
    for row, found in zip(rows, report.rows, strict=True):
        row["class"], row["name"] = better.get(found.name, "C") if found.ok else "-", found.name
    return {"target": target, "seconds": time.perf_counter() - started, "rows": rows}


def _missing(target: str) -> str:
    """The package that is not installed, if one is not."""
    try:
        importlib.import_module(target.partition(":")[0])
    except ModuleNotFoundError as error:
        return str(error.name)
    return ""


def _better(target: str, given: dict[str, Any], seed: int | None) -> dict[str, str]:
    """Rows that some problems agree in a better class than C of, and which; what is not in B is not asked for A."""
    found: dict[str, str] = {}
    for accuracy in ("B", "A"):
        report = verify(target, seed=seed, **{**given, "accuracy": accuracy, "examples": FEWER, "shrink": False})
        better = {row.name: accuracy for row in report.rows if row.ok}
        if not better:
            break
        found |= better
    return found


def _progress(row: Any, number: int, total: int) -> None:
    print(f"  [{number}/{total}] {row.name}: {row.verdict}", file=sys.stderr, flush=True)


def document(records: Iterable[Record], seed: int | None) -> str:
    """docs/generated/conformance.md."""
    records = list(records)
    rows = [row for record in records for row in record.get("rows", ())]
    used = {**versions(), **{name: number for name in PACKAGES if (number := _version(name))}}
    absent = {record["target"]: record["missing"] for record in records if "missing" in record}
    failing = [row["name"] for row in rows if row["verdict"] != "agrees"]
    known = [each for each in DISAGREEMENTS if any(name.startswith(each.rows) for name in failing)]
    parts = [
        _HEAD,
        ", ".join(f"{name} {number}" for name, number in used.items()) + f"; seed {seed}.",
        f"{len(records) - len(absent)} targets, {len(rows)} rows: {len(rows) - len(failing)} agree.",
        "Not installed: " + ", ".join(f"{target} ({name})" for target, name in absent.items()) + "." if absent else "",
        "```text\n" + text.table("Rows", [_HEADERS, *map(_cells, count(1), rows)], 4) + "\n```",
        "Not tested, because the implementation does not take it or the table says `without`:",
        "\n".join(_not_asked(rows)),
        f"Seconds for each target, its classes included: {', '.join(_seconds(records))}.",
        "## Disagreements" if known else "",
        *(each.markdown for each in known),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


_HEADERS = (
    "row",
    "implementation",
    "operation",
    "dtype",
    "problems",
    "error/bound",
    "class",
    "arithmetic",
    "seconds",
    "verdict",
)


def _cells(number: int, row: Record) -> tuple[str, ...]:
    name, ratio = _short(row["implementation"]), "-" if row["ratio"] is None else f"{float(row['ratio']):.3g}"
    arithmetic = row["arithmetic"].removeprefix("examples.candidates.arithmetics:")
    return (str(number), name, row["operation"], row["dtype"], str(row["problems"]), ratio, row["class"], arithmetic,
            f"{row['seconds']:.0f}", row["verdict"])  # fmt: skip


def _seconds(records: Iterable[Record]) -> list[str]:
    found = [(_short(record["target"]), record["seconds"]) for record in records if "rows" in record]
    return [f"{target} {seconds:.0f}" for target, seconds in found]


def _short(name: str) -> str:
    return name.removeprefix("examples.candidates.")


def _not_asked(rows: Iterable[Record]) -> list[str]:
    """What was left out, with the numbers of the rows that it was left out of."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(rows, start=1):
        left_out = ", ".join(row["not_tested"]) or "nothing"
        found.setdefault((f"{_short(row['implementation'])} {row['operation']}", left_out), []).append(number)
    return [f"- {', '.join(map(str, numbers))}, {name}: {each}" for (name, each), numbers in found.items()]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def unexplained(records: Iterable[Record]) -> list[str]:
    """Rows that disagree and nobody has explained, and explanations of what agrees by now."""
    rows = [row for record in records for row in record.get("rows", ())]
    failing = [row["name"] for row in rows if row["verdict"] != "agrees"]
    told = [name for name in failing if not any(name.startswith(each.rows) for each in DISAGREEMENTS)]
    found = [f"disagrees, and nothing says why: {name}" for name in told]
    for each in DISAGREEMENTS:
        asked_of = [row["name"] for row in rows if row["name"].startswith(each.rows)]
        if asked_of and not set(asked_of) & set(failing):
            found.append(f"agrees by now: {each.name}")
    return found


def main() -> int:
    """Ask all targets that the log does not have."""
    parser = argparse.ArgumentParser(prog="python -m audits.conformance", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--log", type=Path, default=Path("conformance.jsonl"), help="one line for each (%(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the document")
    options = parser.parse_args()
    found = settings(CONFIG)
    lines = options.log.read_text().splitlines() if options.log.exists() else []
    records = [json.loads(line) for line in lines]
    for number, arguments in enumerate(found.targets, start=1):
        if number <= len(records):
            continue
        print(f"[{number}/{len(found.targets)}] {arguments['target']}", file=sys.stderr, flush=True)
        records.append(asked(arguments, found.seed))
        with options.log.open("a") as log:
            log.write(json.dumps(records[-1]) + "\n")
    if options.write is not None:
        options.write.write_text(document(records, found.seed))
    problems = unexplained(records)
    print("\n".join(problems) or "every disagreement is explained")
    return 1 if problems else 0


_HEAD = """\
# Conformance

These are verdicts on released implementations. A few lines in `examples/candidates/` call each of them. The table in
`examples/candidates/pyproject.toml` names its arithmetic and what is left out. `make conformance` installs them in
pinned versions and writes this file. It fails if a disagreement is not explained below, or an explanation has
nothing to explain.

*error/bound* is the largest error in units of what the arithmetic allows. *class* is the best accuracy class that a
further 20 problems agree in: A correctly rounded, B forward-accurate, C backward-stable. Agreement is about the
problems tried, not about all. For example, the float32 Softmax of ONNX Runtime 1.32 gives [0, 1] at [0, 89]. That is
right if subnormal numbers count as 0 (`flush-to-zero`), and wrong in any order; no problem of its row met it."""


if __name__ == "__main__":
    sys.exit(main())
