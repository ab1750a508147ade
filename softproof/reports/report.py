"""What the judge says, for people and for programs: a table, the failures in full, and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ..bounds.arithmetic import any_order
from ..bounds.models import MODELS
from ..candidates.isolation.protections import NO_SANDBOX, Protection, Protections
from ..diagnosis.record import WIDTH
from ..problem.formats import FORMATS
from ..problem.records import (
    COUNT,
    NAMES,
    TEXT,
    WHOLE,
    a,
    check_fields,
    tuple_of,
)
from ..properties.measured import MEASURED
from ..verdicts.verdict import AGREES, UNSPECIFIED
from .as_json import FORMAT, in_json, record
from .causes import Cause, causes
from .environment import gpus, machine, now, versions
from .row import CANNOT_LOAD, JUDGE_FAILED, OF_A_SIGNAL, Row
from .target_record import TargetRecord
from .terminal import by_state, details, isolation, notes, printable, table


@dataclass(frozen=True)
class Report:
    """All rows of a run; `seed` repeats it. Rows may be `expected` not to agree, by their names.

    `inputs` are the files that said what to ask, each with its SHA-256, as they were read before any candidate
    started; `protections` are those of the candidates' processes, each with its state. A run that was interrupted
    was `ended_by` a signal, and has the rows that were finished. `targets` has the targets with what was asked of them,
    and `date` says when the report was made, in UTC. `found_out` has the commands that say what was found out of
    functions that could not be asked as they are, and `notes` what to know of that.
    """

    rows: tuple[Row, ...]
    seed: int
    expected: tuple[str, ...] = ()
    ended_by: int = 0
    inputs: tuple[tuple[str, str], ...] = ()
    protections: Protections = ()
    targets: tuple[TargetRecord, ...] = ()
    date: str = field(default_factory=now, compare=False)
    found_out: tuple[str, ...] = ()  # commands that say how functions were called, where that was found out
    notes: tuple[str, ...] = ()  # what else was found out, such as what is left out, and why

    def __post_init__(self) -> None:
        check_fields(self, _OF_REPORT)

    @property
    def ok(self) -> bool:
        """Whether there is at least one row, none fails, what was expected to does, and the run was not interrupted."""
        return self.status == 0

    @property
    def interrupted(self) -> bool:
        """Whether it was ended before all was judged."""
        return self.ended_by != 0

    @property
    def status(self) -> int:
        """The exit status: the highest that a row gives, and what docs/guides/ci.md says of expected failures."""
        if self.interrupted:
            return OF_A_SIGNAL + self.ended_by
        if not self.rows:
            return 4
        return max([0, *(row.status for row in self.failing), *(1 for _ in self.unexpected)])

    @property
    def trusted(self) -> tuple[str, ...]:
        """Arithmetic models that are code of somebody else's, which runs where the judge does."""
        own = {*MODELS, MEASURED, *(any_order(name).name for name in FORMATS), ""}
        return tuple(dict.fromkeys(row.basis.arithmetic for row in self.rows if row.basis.arithmetic not in own))

    @property
    def failing(self) -> tuple[Row, ...]:
        """Rows that do not agree, and were not expected so; what could not be judged is never what was expected."""
        return tuple(row for row in self.rows if not row.ok and row not in self.excused)

    @property
    def excused(self) -> tuple[Row, ...]:
        """Rows that do not agree, as was expected."""
        failed = (row for row in self.rows if not row.ok and row.verdict not in (CANNOT_LOAD, JUDGE_FAILED))
        return tuple(row for row in failed if row.name in self.expected)

    @property
    def unexpected(self) -> tuple[str, ...]:
        """What has become of each expected failure that is none; an interrupted run may not have asked it yet."""
        passed = {row.name: _PASSED[row.verdict] for row in self.rows if row.ok}
        failed = {row.name for row in self.excused}
        asked = (name for name in self.expected if name not in failed and (name in passed or not self.interrupted))
        return tuple(f"expected to fail, and {passed.get(name, 'no row has that name')}: {name}" for name in asked)

    def check(self) -> None:
        """Raise AssertionError with the report when something does not agree."""
        if not self.ok:
            raise AssertionError(f"not everything agrees\n{self}")

    def __str__(self) -> str:
        return self._told(full=False)

    def in_full(self) -> str:
        """The same text with what is known besides: how it was asked, what its process may do, what was read first.

        >>> from softproof.reports.row import Asked, Basis, Coverage, Errors, Outcome
        >>> groups = Outcome("agrees"), Asked(True), Coverage(1), Errors(0.5, 0.0), Basis(isolated=True)
        >>> print(Report((Row("mine", "softmax", "float32", "cpu", *groups),), seed=0).in_full())
        implementation  operation  dtype    device  problems  worst ulp  value  gradient  jvp  hvp  verdict
        mine            softmax    float32  cpu            1        0.5      -         -    -    -  agrees
        isolated, in a process of its own: mine
        """
        return self._told(full=True)

    def _told(self, full: bool) -> str:
        failures = [f"\n{_told(cause)}" for cause in causes(self.failing)]
        expected = [f"expected failure: {row.name}" for row in self.excused]
        more = [*details(self.rows), *self._ran()] if full else []
        lines = [table(self.rows, full=full), *notes(self.rows), *more, *self._said(), *expected, *self.unexpected]
        return printable("\n".join([*lines, *failures]))

    def _said(self) -> list[str]:
        """What to know of the run as a whole."""
        lines = [*(f"asked as what it was found to take: {said}" for said in self.found_out), *self.notes]
        if self.trusted:
            lines.append(f"trusted, run by the judge itself: arithmetic {', '.join(self.trusted)}")
        lacking = [
            f"{each.name} ({each.how})" for each in self.protections if not (each.active or each.how == NO_SANDBOX)
        ]
        lines += [f"NOT PROTECTED: {', '.join(lacking)}"] if lacking else []
        return [*lines, "INTERRUPTED: rows that are not here were not judged"] if self.interrupted else lines

    def _ran(self) -> list[str]:
        """Where the code of others ran, and what was read before."""
        lines = [f"{words}: {', '.join(names)}" for words, names in isolation(self.rows).items()]
        lines += [f"protections {state}: {words}" for state, words in by_state(self.protections).items()]
        return lines + [f"read first: {file}, SHA-256 {digest}" for file, digest in self.inputs]

    def regions(self) -> str:
        """How many problems of each operation lay in each region (`generation/coverage.py`), all dtypes together."""
        counts: dict[tuple[str, str], int] = {}
        for row in self.rows:
            for region, count in row.coverage.regions.items():
                key = row.operation, region
                counts[key] = counts.get(key, 0) + count
        width = max((len(operation) for operation, _ in counts), default=0)
        lines = [
            f"{operation.ljust(width)}  {count:6d}  {region}" for (operation, region), count in sorted(counts.items())
        ]
        return "\n".join([f"{'operation'.ljust(width)}  problems in the region", *lines])

    def vacuity(self) -> str:
        """For each output the relative error that is seen, in the median, and wrong answers that are not."""
        lines = [("operation", "dtype", "output", "seen from", "would pass in")]
        for row in self.rows:
            for output, error in row.errors.detectable.items():
                wrong = row.errors.vacuous.get(output, {})
                words = ", ".join(
                    f"{count}: {name}" for name, count in sorted(wrong.items(), key=lambda each: -each[1])
                )
                lines.append((row.operation, row.dtype, output, f"{error:.1e}", words or "-"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def to_json(self) -> str:
        """The report as JSON, as softproof/reports/report.schema.json has it: how it was asked, and a record per row.

        >>> row = Row.unjudged("mine:softmax", "cpu", CANNOT_LOAD, "there is no module 'mine'")
        >>> json.loads(Report((row,), seed=0).to_json())["rows"][0]["verdict"]
        'cannot load'
        """
        told = {
            "softproof": FORMAT,
            "date": self.date,
            "versions": versions(),
            "platform": machine(),
            "gpus": gpus() if any(not row.device.startswith("cpu") for row in self.rows) else [],
            "seed": self.seed,
            "ok": self.ok,
            "status": self.status,
            "interrupted": self.interrupted,
            "targets": [each.to_dict() for each in self.targets],
            "inputs": [{"name": name, "sha256": digest} for name, digest in self.inputs],
            "protections": [each._asdict() for each in self.protections],
            "trusted": self.trusted,
            "found_out": self.found_out,
            "notes": self.notes,
            "unexpected": self.unexpected,
            "causes": [{"check": each.check, "rows": [row.name for row in each.rows]} for each in causes(self.failing)],
            "rows": [record(row, row.name in self.expected) for row in self.rows],
        }
        return json.dumps(in_json(told), indent=2, allow_nan=False)


_OF_REPORT = {
    "rows": tuple_of(a(Row, "a Row"), "Rows"),
    "seed": WHOLE,
    "expected": NAMES,
    "ended_by": COUNT,
    "inputs": tuple_of(NAMES, "pairs of texts"),
    "protections": tuple_of(a(Protection, "a Protection"), "Protections"),
    "targets": tuple_of(a(TargetRecord, "a TargetRecord"), "TargetRecords"),
    "date": TEXT,
    "found_out": NAMES,
    "notes": NAMES,
}


def _told(cause: Cause) -> str:
    """One cause, and the rows that it is seen in; whether a row failed by another one before."""
    row, failure = cause.row, cause.failure
    others = [f"{each.dtype} {each.device}" for each in cause.rows if each is not row]
    seen = [f"{'seen in':{WIDTH}} {', '.join([f'{row.dtype} {row.device}', *others])}"] if others else []
    also = "" if failure is None or failure is row.failure else "also "
    said = failure.told(*seen) if failure is not None else "\n  ".join([row.outcome.reason, *seen])
    return f"{row.name}: {also}{said}{_asked_else(row)}"


def _asked_else(row: Row) -> str:
    """What else could be asked, where numbers in half precision disagree under the assumption that is usual."""
    usual = row.dtype in ("float16", "bfloat16") and row.basis.arithmetic in (any_order(row.dtype).name, *_USUAL)
    if not usual or row.failure is None or not row.failure.verdict.output:
        return ""
    return (
        f"\n\nThe bound assumes sums in {any_order(row.dtype).compute.name}. If it is documented to compute in "
        f"{row.dtype} throughout, ask for that: --arithmetic storage"
    )


_USUAL = ("any-order", "float32-inside")  # names of what is assumed where no model is named
_PASSED = {AGREES: "agrees", UNSPECIFIED: "is unspecified"}
