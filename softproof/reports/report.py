"""What the judge says, for people and for programs: a table, the failures in full, and JSON."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from math import inf, isfinite
from typing import Any

from ..bounds.arithmetic import any_order
from ..bounds.models import MODELS
from ..candidates.isolation.protections import Protection, Protections
from ..candidates.plain_text import plain
from ..diagnosis.record import WIDTH, Diagnosis
from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS
from ..problem.records import (
    COUNT,
    COUNTS,
    FLAG,
    NAMES,
    NUMBER,
    TEXT,
    WHOLE,
    a,
    by_name,
    check_fields,
    one_of,
    optional,
    tuple_of,
)
from ..properties.ways import WAYS
from ..verdicts.compare import AGREES, DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, UNDECIDED, UNSPECIFIED, Verdict
from .causes import Cause, causes
from .required import CANNOT_ASK

CANNOT_LOAD, JUDGE_FAILED = "cannot load", "the judge failed"  # verdicts of a row beside those of a problem
NOTHING = "-"  # in a cell that says nothing
OF_A_SIGNAL = 128  # exit status, and the number of the signal is added


@dataclass(frozen=True)
class Failure:
    """A verdict that is not agreement, on the smallest problem found, and how to see it again."""

    verdict: Verdict
    target: str  # the source text of the target
    adapter: str
    interface: str  # how it is called, as keyword arguments of `load`
    device: str
    seed: int
    words: str = ""  # keyword arguments of the call
    call: str = "judge"  # or "conduct", or "laws"
    source: str = ""  # Python that makes the problem, where it is too large to be shown
    question: tuple[str, str] | None = None  # the way or the law that was asked, ("way", its name), if it was one
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    @property
    def check(self) -> str:
        """What it was that failed, in a word or two: an output, what came in its place, a way or a law."""
        if self.question is not None:
            return f"{self.question[0]}: {self.question[1]}"
        wrong = (name for sign, name in _NO_ANSWERS.items() if sign in self.verdict.explanation)
        return self.verdict.output or next(wrong, "outputs")

    @property
    def snippet(self) -> str:
        """Python that asks the same question again when pasted."""
        assert self.verdict.problem is not None
        operation = self.verdict.problem.operation
        maker = self.source.partition("(")[0] or "Problem"
        return "\n".join(
            [
                "from numpy import array, inf, nan, zeros",
                f"from softproof import {', '.join(sorted((maker, self.call, 'load')))}",
                f"candidate = load({self.target}, operation={operation!r}, adapter={self.adapter!r}{self.interface})",
                f"problem = {self.source or repr(self.verdict.problem)}",
                f"print({self.call}(candidate, problem, {self.words or f'device={self.device!r}'}))",
            ]
        )

    def __str__(self) -> str:
        return self.told()

    def told(self, *lines: str) -> str:
        """The verdict, its diagnosis, more `lines`, and how to see it again."""
        said = "".join(f"\n  {line}" for line in (*self.diagnosis.lines, *lines))
        return f"{self.verdict}{said}\nTo see it again (seed {self.seed}):\n\n{_indented(self.snippet)}"


_NO_ANSWERS = {  # what `compare.not_an_answer` says, and what it is called here
    "raised ": "error",
    "the call changed its input": "input written",
    "the call changed ": "library changed",
    "its process ended": "process ended",
    "it gave no answer within": "time limit",
    " has shape ": "shape",
    " has dtype ": "dtype",
    " has device ": "device",
    ": values ": "values",
    ", which is not a ": "format",
}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else line for line in text.splitlines())


@dataclass(frozen=True)
class Row:
    """One line of the table: an implementation's operation in one dtype on one device."""

    implementation: str
    operation: str
    dtype: str
    device: str
    problems: int
    ulps: float  # worst error in units in the last place of the exact value
    ratio: float  # worst error in units of the bound
    verdict: str
    gradients: bool  # whether gradients were judged, or the value alone
    unsupported: tuple[str, ...]  # inputs, options, derivatives and ways that the implementation was not asked
    arithmetic: str  # the model that the bound is a theorem about
    accuracy: str = "C"  # the class that was asked for
    ways: tuple[str, ...] = ()  # in which the same question was asked again
    differ: tuple[str, ...] = ()  # those of them whose answers had other bits, within the bounds
    laws: tuple[str, ...] = ()  # that were asked
    unspecified: tuple[int, ...] = ()  # rows of docs/theory/semantics.md without which some answers would not agree
    regions: dict[str, int] = field(default_factory=dict, compare=False)  # how many problems lay in each
    unpromised: int = 0  # problems of which no derivative was asked, since the arithmetic promises none
    uncounted: int = 0  # problems that are not counted, since the arithmetic guarantees nothing of some element
    beyond: dict[str, float] = field(default_factory=dict)  # narrower models that were tried: the worst error/bound
    powerless: dict[str, dict[str, int]] = field(
        default_factory=dict
    )  # by output and wrong answer, in how many problems
    detectable: dict[str, float] = field(default_factory=dict)  # by output, the median relative error that is seen
    reported: tuple[str, ...] = ()  # what is believed because the candidate says so, and for no other reason
    hints: tuple[str, ...] = ()  # parameters that look like what was not tested, and what to do then
    printed: int = field(default=0, compare=False)  # bytes that were printed, which are not shown
    seconds: float = field(default=0.0, compare=False)  # that it took
    failure: Failure | None = field(default=None, compare=False)
    isolated: bool = False  # whether the implementation ran in a process of its own
    lost: str = ""  # why it gave no answers any more, so that the row was not judged to its end
    reason: str = ""  # of a verdict that belongs to no problem
    drawing: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what its problems depend on, beside the seed
    more: tuple[Failure, ...] = field(default=(), compare=False)  # of other causes, where a row goes on after one

    def __post_init__(self) -> None:
        check_fields(self, _OF_ROW)
        if not self.ok:
            return
        said = f"{self.name} reads {self.verdict}, and"
        if not self.ratio <= 1:
            raise ValueError(f"{said} its error/bound is {self.ratio}; expected at most 1")
        if self.problems < 1:
            raise ValueError(f"{said} problems is {self.problems}; expected at least 1")
        if self.lost:
            raise ValueError(f"{said} lost is {self.lost!r}; expected that it was judged to the end")

    @classmethod
    def unjudged(cls, implementation: str, device: str, verdict: str, reason: str, **more: Any) -> Row:
        """A row that *cannot load*, or in which *the judge failed*, and why.

        >>> row = Row.unjudged("mine:softmax", "cpu", CANNOT_LOAD, "target 'mine:softmax': there is no module 'mine'")
        >>> row.name, row.status
        ('mine:softmax - - cpu', 3)
        """
        of = {"operation": NOTHING, "dtype": NOTHING, "gradients": False, "unsupported": (), "arithmetic": "", **more}
        return cls(implementation, device=device, problems=0, ulps=inf, ratio=inf, verdict=verdict, reason=reason, **of)

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against any answer; *unspecified*, where no document fixes one, does not."""
        return self.verdict in (AGREES, UNSPECIFIED)

    @property
    def status(self) -> int:
        """The exit status that this row alone gives, where it was not expected to fail."""
        if self.ok:
            return 0
        return 4 if self.verdict == JUDGE_FAILED else 3 if self.verdict == CANNOT_LOAD or self.lost else 1

    @property
    def name(self) -> str:
        """What failures are expected by: implementation, operation, dtype and device.

        >>> Row("mine", "softmax", "float32", "cpu", 1, 0.0, 0.0, "agrees", True, (), "any-order").name
        'mine softmax float32 cpu'
        """
        return f"{plain(self.implementation)} {self.operation} {self.dtype} {self.device}"


@dataclass(frozen=True)
class Report:
    """All rows of a run; `seed` repeats it. Rows may be `expected` not to agree, by their names.

    `inputs` are the files that said what to ask, each with its SHA-256, as they were read before any candidate
    started; `protections` are those of the candidates' processes, each with its state. A run that was interrupted
    was `ended_by` a signal, and has the rows that were finished.
    """

    rows: tuple[Row, ...]
    seed: int
    expected: tuple[str, ...] = ()
    ended_by: int = 0
    inputs: tuple[tuple[str, str], ...] = ()
    protections: Protections = ()

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
        return max([0, *(row.status for row in self.failing), *(1 for _ in self.unforeseen)])

    @property
    def trusted(self) -> tuple[str, ...]:
        """Arithmetic models that are code of somebody else's, which runs where the judge does."""
        own = {*MODELS, *(any_order(name).name for name in FORMATS), ""}
        return tuple(dict.fromkeys(row.arithmetic for row in self.rows if row.arithmetic not in own))

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
    def unforeseen(self) -> tuple[str, ...]:
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
        failures = [f"\n{_told(cause)}" for cause in causes(self.failing)]
        expected = [f"expected failure: {row.name}" for row in self.excused]
        lines = [table(self.rows), *_notes(self.rows), *self._ran(), *expected, *self.unforeseen, *failures]
        return printable("\n".join(lines))

    def _ran(self) -> list[str]:
        """Where the code of others ran, and what was read before."""
        lines = [f"{words}: {', '.join(names)}" for words, names in isolation(self.rows).items()]
        if self.trusted:
            lines.append(f"trusted, run by the judge itself: arithmetic {', '.join(self.trusted)}")
        lines += [f"protections {state}: {words}" for state, words in _by_state(self.protections).items()]
        lines += [f"read first: {file}, SHA-256 {digest}" for file, digest in self.inputs]
        return [*lines, "INTERRUPTED: rows that are not here were not judged"] if self.interrupted else lines

    def regions(self) -> str:
        """How many problems of each operation lay in each region (`generation/coverage.py`), all dtypes together."""
        counts: dict[tuple[str, str], int] = {}
        for row in self.rows:
            for region, count in row.regions.items():
                key = row.operation, region
                counts[key] = counts.get(key, 0) + count
        width = max((len(operation) for operation, _ in counts), default=0)
        lines = [
            f"{operation.ljust(width)}  {count:6d}  {region}" for (operation, region), count in sorted(counts.items())
        ]
        return "\n".join([f"{'operation'.ljust(width)}  problems in the region", *lines])

    def power(self) -> str:
        """For each output the relative error that is seen, in the median, and wrong answers that are not."""
        lines = [("operation", "dtype", "output", "seen from", "would pass in")]
        for row in self.rows:
            for output, error in row.detectable.items():
                wrong = row.powerless.get(output, {})
                words = ", ".join(
                    f"{count}: {name}" for name, count in sorted(wrong.items(), key=lambda each: -each[1])
                )
                lines.append((row.operation, row.dtype, output, f"{error:.1e}", words or "-"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def to_json(self) -> str:
        """The report as JSON: versions, seed, and a record per row.

        A number that JSON does not have is a text, "inf" or "nan".
        """
        told = {
            "softproof": 1,
            "versions": versions(),
            "seed": self.seed,
            "ok": self.ok,
            "status": self.status,
            "interrupted": self.interrupted,
            "inputs": dict(self.inputs),
            "protections": {each.name: each.state for each in self.protections},
            "trusted": self.trusted,
            "unforeseen": self.unforeseen,
            "causes": [
                {
                    "check": each.failure.check if each.failure else each.row.verdict,
                    "rows": [row.name for row in each.rows],
                }
                for each in causes(self.failing)
            ],
            "rows": [{**_record(row), "expected to fail": row.name in self.expected} for row in self.rows],
        }
        return json.dumps(_in_json(told), indent=2, allow_nan=False)


_OF_ROW = {
    **dict.fromkeys(("implementation", "operation", "dtype", "device", "arithmetic", "lost", "reason"), TEXT),
    **dict.fromkeys(("problems", "unpromised", "uncounted", "printed"), COUNT),
    **dict.fromkeys(("ulps", "ratio", "seconds"), NUMBER),
    **dict.fromkeys(("gradients", "isolated"), FLAG),
    **dict.fromkeys(("unsupported", "ways", "differ", "laws", "reported", "hints"), NAMES),
    "verdict": one_of(
        (AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE, UNSPECIFIED, NOT_APPLICABLE, CANNOT_ASK, CANNOT_LOAD, JUDGE_FAILED)
    ),
    "accuracy": one_of("ABCD"),
    "unspecified": COUNTS,
    "regions": by_name(COUNT, "whole numbers"),
    "beyond": by_name(NUMBER, "numbers"),
    "powerless": by_name(by_name(COUNT, "whole numbers"), "mappings from names to whole numbers"),
    "detectable": by_name(NUMBER, "numbers"),
    "drawing": by_name(NAMES, "tuples of texts"),
    "failure": optional(a(Failure, "a Failure")),
    "more": tuple_of(a(Failure, "a Failure"), "Failures"),
}
_OF_REPORT = {
    "rows": tuple_of(a(Row, "a Row"), "Rows"),
    "seed": WHOLE,
    "expected": NAMES,
    "ended_by": COUNT,
    "inputs": tuple_of(NAMES, "pairs of texts"),
    "protections": tuple_of(a(Protection, "a Protection"), "Protections"),
}


def _told(cause: Cause) -> str:
    """One cause, and the rows that it is seen in; whether a row failed by another one before."""
    row, failure = cause.row, cause.failure
    others = [f"{each.dtype} {each.device}" for each in cause.rows if each is not row]
    seen = [f"{'seen in':{WIDTH}} {', '.join([f'{row.dtype} {row.device}', *others])}"] if others else []
    also = "" if failure is None or failure is row.failure else "also "
    said = failure.told(*seen) if failure is not None else "\n  ".join([row.reason, *seen])
    return f"{row.name}: {also}{said}{_asked_else(row)}"


def _asked_else(row: Row) -> str:
    """What else could be asked, where numbers in half precision disagree under the assumption that is usual."""
    usual = row.dtype in ("float16", "bfloat16") and row.arithmetic in (any_order(row.dtype).name, *_USUAL)
    if not usual or row.failure is None or not row.failure.verdict.output:
        return ""
    return (
        f"\n\nThe bound assumes sums in {any_order(row.dtype).compute.name}. If it is documented to compute in "
        f"{row.dtype} throughout, ask for that: --arithmetic storage"
    )


_USUAL = ("any-order", "float32-inside")  # names of what is assumed where no model is named
_PASSED = {AGREES: "agrees", UNSPECIFIED: "is unspecified"}


def _by_state(protections: Iterable[Protection]) -> dict[str, str]:
    """Those that are active and those that are absent, together where one thing is how, or why not.

    >>> found = [("no reading", True, "Landlock"), ("no writing", True, "Landlock"), ("no network", False, "?")]
    >>> _by_state([Protection(*each) for each in found])
    {'active': 'no reading, no writing (Landlock)', 'absent': 'no network (?)'}
    """
    found: dict[str, dict[str, list[str]]] = {}
    for each in protections:
        found.setdefault("active" if each.active else "absent", {}).setdefault(each.how, []).append(each.name)
    return {
        state: "; ".join(f"{', '.join(names)} ({how})" for how, names in group.items())
        for state, group in found.items()
    }


def isolation(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The implementations that ran in a process of their own, and those that did not, each once."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        words = "isolated, in a process of its own" if row.isolated else "not isolated, in the process of the judge"
        found.setdefault(words, {})[plain(row.implementation)] = None
    return {words: list(names) for words, names in found.items()}


def printable(text: str) -> str:
    """Text of several lines without anything that a terminal obeys, or that cannot be encoded."""
    return "\n".join(plain(line, len(line)) for line in text.split("\n"))


def _in_json(value: Any) -> Any:
    """The same of what JSON has."""
    if isinstance(value, dict):
        return {_in_json(key): _in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(each) for each in value]
    if isinstance(value, str):
        return printable(value)
    value = value.item() if hasattr(value, "item") else value  # of NumPy
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the verdict depends on, as they were before any candidate ran."""
    return dict(_VERSIONS)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("softproof", "numpy", "torch", "hypothesis", "python-flint"):
        try:
            found[name] = plain(version(name), 40)  # which stands in a file
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


_VERSIONS = _versions()  # a candidate may change the files that they are read from


def _record(row: Row) -> dict[str, Any]:
    record = {each.name: getattr(row, each.name) for each in fields(row) if each.name not in ("failure", "more")}
    if row.failure is not None:
        record["failure"] = _record_of(row.failure)
    return record | ({"more failures": [_record_of(each) for each in row.more]} if row.more else {})


def _record_of(failure: Failure) -> dict[str, Any]:
    return {
        "check": failure.check,
        "explanation": failure.verdict.explanation,
        "snippet": failure.snippet,
        "diagnosis": failure.diagnosis.to_dict(),
    }


HEADERS = ("implementation", "operation", "dtype", "device", "problems", "worst ulp", "error/bound", "verdict")


def cells(row: Row) -> tuple[str, ...]:
    """A row as text; a verdict that is not agreement is in capitals."""
    verdict = row.verdict if row.ok else row.verdict.upper()
    verdict += under(row)
    if row.failure is not None and row.failure.diagnosis.finding:
        verdict += f": as in finding {row.failure.diagnosis.finding}"
    numbers = (f"{row.ulps:.3g}", f"{row.ratio:.3f}" if row.ratio < 1000 else f"{row.ratio:.3g}")
    worst = numbers if row.problems else (NOTHING, NOTHING)
    return (plain(row.implementation), row.operation, row.dtype, row.device, str(row.problems), *worst, verdict)


def under(row: Row) -> str:
    """The model that a row has come to, and how far its answers are outside a narrower one.

    >>> row = Row("mine", "softmax", "float32", "cpu", 1, 0.0, 0.5, "agrees", True, (), "fused",
    ...           beyond={"any-order": 743.2, "stored-logsumexp": 2.0})
    >>> under(row)
    ' under fused (any-order: 743 × its bound, stored-logsumexp: 2 × its bound)'
    """
    if not row.beyond:
        return ""
    tried = (
        f"{name}: {ratio:.3g} × its bound" if isfinite(ratio) else f"{name}: an error where its bound is 0"
        for name, ratio in row.beyond.items()
    )
    return f" under {row.arithmetic} ({', '.join(tried)})"


def table(rows: Iterable[Row]) -> str:
    """The rows under their headers, numbers to the right."""
    lines = [HEADERS, *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADERS))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    numeric = ("problems", "worst ulp", "error/bound")
    padded = [
        cell.rjust(width) if header in numeric else cell.ljust(width)
        for cell, width, header in zip(line, widths, HEADERS, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _notes(rows: Sequence[Row]) -> list[str]:
    """What was not asked, said once for each operation."""
    notes = []
    for name, text in sorted({(row.operation, not_asked(row)) for row in rows}):
        if text:
            notes.append(f"not tested of {name}: {text}")
    notes += [f"warning: {text}" for text in dict.fromkeys(hint for row in rows for hint in row.hints)]
    numbers = sorted({number for row in rows for number in row.unspecified})
    if numbers:
        notes.append(f"accepted as unspecified behaviour: {_rows_of(numbers)} of docs/theory/semantics.md")
    unpromised, uncounted = Counter[str](), Counter[str]()
    for row in rows:
        unpromised[row.operation] += row.unpromised
        uncounted[row.operation] += row.uncounted
    for words, counts in (
        ("no derivative promised, nor asked", unpromised),
        ("no guarantee by the arithmetic, nor counted", uncounted),
    ):
        notes += [f"{words}: {name} in {count} problems" for name, count in counts.items() if count]
    return notes + _reported(rows) + _printed(rows) + _power(rows) + _reproducibility(rows)


def _rows_of(numbers: Sequence[int]) -> str:
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _reported(rows: Sequence[Row]) -> list[str]:
    """What is believed of each implementation since it says so itself."""
    said: dict[str, dict[str, None]] = {}
    for row in rows:
        said.setdefault(row.implementation, {}).update(dict.fromkeys(row.reported))
    return [f"reported by the candidate: {name}: {'; '.join(words)}" for name, words in said.items() if words]


def _printed(rows: Sequence[Row]) -> list[str]:
    """How much each operation has printed."""
    printed = Counter[str]()
    for row in rows:
        printed[row.operation] += row.printed
    return [f"printed by {name}, not shown: {count:,} bytes" for name, count in printed.items() if count]


def _power(rows: Sequence[Row]) -> list[str]:
    """Of each operation, on how many problems the bound of an output would have let a wrong answer pass."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for output, wrong in row.powerless.items():
            counts.setdefault(row.operation, Counter())[output] += max(wrong.values())
    problems = Counter[str]()
    for row in rows:
        problems[row.operation] += row.problems
    return [
        f"vacuous here: {name}: {', '.join(f'{output} in {count}' for output, count in found.most_common())} "
        f"of {problems[name]} problems: an all-zero answer, or another that is wrong altogether, would also pass"
        for name, found in counts.items()
    ]


def _reproducibility(rows: Sequence[Row]) -> list[str]:
    """Whether answers had the same bits when asked again, and whether those of a row depend on its batch."""
    notes = []
    for title, of_rows in (("asked again", False), ("batch invariance", True)):
        asked = {row.operation: None for row in rows if any(WAYS[way].of_rows == of_rows for way in row.ways)}
        if not asked:
            continue
        within = [text for name in asked if (text := _differing(rows, name, of_rows))]
        notes.append(f"{title}: " + (f"within bounds: {'; '.join(within)}" if within else "bitwise"))
    return notes


def _differing(rows: Sequence[Row], operation: str, of_rows: bool) -> str:
    """An operation with the ways in which it had other bits."""
    seen = {way: None for row in rows if row.operation == operation for way in row.differ}
    ways = [way for way in seen if WAYS[way].of_rows == of_rows]
    return f"{operation} ({', '.join(ways)})" if ways else ""


def not_asked(row: Row) -> str:
    """What an operation has, and this row was not asked."""
    missing = list(row.unsupported)
    if row.operation == NOTHING:
        return ""
    if not row.gradients and OPERATIONS[row.operation.split(",")[0]].gradients:
        missing.append("gradients (no backward pass)")
    return ", ".join(missing)
