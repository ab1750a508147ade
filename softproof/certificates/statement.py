"""From a report to a certificate: one statement of in-toto, unsigned, with everything that is needed to judge again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..bounds.arithmetic import Arithmetic
from ..bounds.models import arithmetic_of, model
from ..bounds.theorems import theorems
from ..candidates.plain_text import plain
from ..problem.arrangements import ARRANGEMENTS
from ..problem.formats import FORMATS
from ..problem.problem import Problem
from ..reports.environment import gpus, machine, now, versions
from ..reports.report import Report
from ..reports.row import Row
from ..reports.terminal import left_out
from ..runs.drawing import BY_STAGES, digests
from ..runs.search import EXAMPLES
from .form import FAILED, PASSED, PREDICATE_TYPE, SAMPLED, STATEMENT_TYPE, level
from .sources import Source

OWN = Path(__file__).resolve().parents[1]  # the files of the judge

A = (
    "A1 to A7 of docs/theory/bounds.md: rounding to nearest, exp and log as accurate as stated, exponentials of what "
    "remains after the row's maximum is subtracted, sums by additions in some order, no overflow on the way"
)
FILES_ALONE = "what the target loads besides the files of the subject is as environment.versions say"
BUILT = "what was judged was made from the files of the subject, which were the same before and after the run"
OTHER_PROBLEMS = "problems that were not drawn: agreement on those that were tried is no proof for all"
LESS = f"fewer than {EXAMPLES} problems were drawn of each row: large problems, and some regions, were not asked"
BESIDES = "speed, memory, and whatever the target does besides its answers"


def statement(report: Report, arguments: Mapping[str, Any], files: Sequence[Source]) -> dict[str, Any]:
    """The certificate of a report.

    Args:
        report: with at least one row, every one of which was judged.
        arguments: those of `softproof.verify` that made it, with the names of a device and of a model, and `examples`.
        files: of the target, as they were judged.
    """
    examples = arguments["examples"]
    rows = [_row(row, arguments, report.seed) for row in report.rows]
    predicate = {
        "result": PASSED if all(row.ok for row in report.rows) else FAILED,
        "level": level(examples),
        "asked": arguments_of_run(arguments, report.seed),
        "rows": sorted(rows, key=lambda row: (row["operation"], list(FORMATS).index(row["dtype"]), row["device"])),
        "not_tested": _not_tested(report.rows, arguments["device"], examples),
        "assumptions": _assumptions(report.rows, arguments["arithmetic"]),
        "reported": sorted({f"{row.operation}: {plain(words)}" for row in report.rows for words in row.basis.reported}),
        "verifier": {"name": "softproof", "version": versions()["softproof"], "sha256": _own_digest()},
        "environment": _environment(report),
    }
    subject = [{"name": plain(each.name), "digest": {"sha256": each.sha256}} for each in files]
    return {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": PREDICATE_TYPE, "predicate": predicate}


def arguments_of_run(arguments: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What repeats the run; the values of options are written as Python writes them."""
    literals = {
        name: {key: repr(value) for key, value in arguments.get(name, {}).items()}
        for name in ("fixed", "extra", "gradients")
    }
    supports = arguments.get("supports")
    interface = {
        **literals,
        "supports": None if supports is None else sorted(supports),
        "names": dict(arguments.get("names", {})),
        "without": sorted(arguments.get("without", ())),
        "writes": sorted(arguments.get("writes", ())),
        "transposed": sorted(arguments.get("transposed", ())),
        "keepdim": sorted(arguments.get("keepdim", ())),
        "ndim": sorted(arguments.get("ndim", ())),
        "output": arguments.get("output"),
        "negative": arguments.get("negative", False),
        **{name: arguments.get(name, False) for name in ARRANGEMENTS},
    }
    return {
        "target": arguments["target"],
        "operation": arguments.get("operation"),
        "adapter": arguments.get("adapter"),
        "device": arguments["device"],
        "dtypes": list(arguments.get("dtypes") or ()),
        "examples": arguments["examples"],
        "seed": str(seed),
        "arithmetic": arguments["arithmetic"],
        "accuracy": arguments.get("accuracy", "C"),
        "require": list(arguments.get("require", ())),
        "sandbox": arguments.get("sandbox", "off"),
        "interface": interface,
    }


def _row(row: Row, arguments: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One row, failed or not; `drawn` are the problems that follow from the seed alone."""
    how = {name: list(row.coverage.drawing.get(name, ())) for name in ("supports", "layouts", "fixed", "ndim")}
    operation = row.operation.removesuffix(BY_STAGES)
    count, digest = drawn(row.operation, row.dtype, how, seed, arguments["examples"])
    return {
        "operation": row.operation,
        "dtype": row.dtype,
        "device": row.device,
        "arithmetic": row.basis.arithmetic,
        "accuracy": row.basis.accuracy,
        "theorems": list(theorems(operation, _of(arguments, row.dtype), row.basis.accuracy)),
        "result": PASSED if row.ok else FAILED,
        "verdict": row.verdict,
        "reason": plain(row.outcome.lost or row.outcome.reason or _failure(row)),
        "problems": row.coverage.problems,
        "drawn": {"count": count, "sha256": digest, **how},
        "worst": {"error_over_bound": _hex(row.errors.ratio), "ulps": _hex(row.errors.ulps)},
        "detectable": {output: _hex(error) for output, error in row.errors.detectable.items()},
        "vacuous": {output: max(wrong.values(), default=0) for output, wrong in row.errors.vacuous.items()},
        "behaviour": list(row.asked.checks),
        "other_bits": list(row.asked.differ),
        "relations": list(row.asked.relations),
        "not_tested": _in_row(row),
        "unspecified": list(row.outcome.unspecified),
        "isolated": row.basis.isolated,
    }


def drawn(operation: str, dtype: str, how: Mapping[str, Sequence[str]], seed: int, examples: int) -> tuple[int, str]:
    """How many problems a seed draws, and the SHA-256 of their digests, a line each; none where there is no layout."""
    found = digests(operation, dtype, how, seed, examples) if how["layouts"] else []
    return len(found), sha256("\n".join(found).encode()).hexdigest()


def _failure(row: Row) -> str:
    return f"{row.failure.check}: {row.failure.verdict.explanation}" if row.failure is not None else ""


def _hex(value: float) -> str:
    return float(value).hex()


def _of(arguments: Mapping[str, Any], dtype: str) -> Arithmetic:
    """What the model assumes of a dtype."""
    return arithmetic_of(model(arguments["arithmetic"]), Problem("softmax", dtype, {"logits": [0.0]}, {"dim": 0}))


def _in_row(row: Row) -> list[str]:
    """What this row was not asked."""
    found, unbounded, uncounted = left_out(row), row.coverage.unbounded, row.coverage.uncounted
    found += [f"no derivative promised by the model, nor asked: {unbounded} problems"] if unbounded else []
    found += [f"no guarantee by the model, nor counted: {uncounted} problems"] if uncounted else []
    return [*found, *map(plain, row.asked.hints)]


def _not_tested(rows: Iterable[Row], device: str, examples: int) -> list[str]:
    """What holds of the certificate as a whole; each row has its own list."""
    rows = list(rows)
    dtypes = [name for name in FORMATS if name not in {row.dtype for row in rows}]
    found = [OTHER_PROBLEMS, *([LESS] if level(examples) != SAMPLED else []), f"devices other than {device}", BESIDES]
    return found + ([f"dtypes: {', '.join(dtypes)}"] if dtypes else [])


def _assumptions(rows: Iterable[Row], arithmetic: str) -> list[str]:
    """What the verdicts rest on, beside the theorems."""
    chosen = {row.dtype: _of({"arithmetic": arithmetic}, row.dtype) for row in rows}
    models = [f"{dtype}: {each.name}: {each.source}" for dtype, each in sorted(chosen.items())]
    return [f"the target computes as the model {arithmetic} says", A, *models, BUILT, FILES_ALONE]


def _environment(report: Report) -> dict[str, Any]:
    """Where and when it was judged, which is another matter in each run."""
    return {
        "time": now(),
        "versions": versions(),
        "platform": machine(),
        "gpus": gpus(),
        "protections": {each.name: each.state for each in report.protections},
    }


@cache
def _own_digest() -> str:
    """The SHA-256 over the names and the contents of the files of the judge."""
    digest = sha256()
    for path in sorted(OWN.rglob("*.py")):
        digest.update(f"{path.relative_to(OWN).as_posix()}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
