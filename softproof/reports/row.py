"""One row of a report: an implementation, an operation, a dtype and a device, and in groups what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

from ..candidates.plain_text import plain
from ..problem.records import (
    COUNT,
    COUNTS,
    FLAG,
    NAMES,
    NUMBER,
    TEXT,
    Field,
    a,
    by_name,
    check_fields,
    one_of,
    optional,
    tuple_of,
)
from ..verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, UNDECIDED, UNSPECIFIED
from .failure import Failure
from .required import CANNOT_ASK

CANNOT_LOAD, JUDGE_FAILED = "cannot load", "the judge failed"  # verdicts of a row beside those of a problem
NOTHING = "-"  # in a cell that says nothing
OF_A_SIGNAL = 128  # exit status, and the number of the signal is added


@dataclass(frozen=True)
class _Checked:
    """A record that refuses a value that does not fit, by the name of its field."""

    def __post_init__(self) -> None:
        check_fields(self, {each.name: _FIELDS[each.name] for each in fields(self)})


@dataclass(frozen=True)
class Outcome(_Checked):
    """What came of a row, and what it took."""

    verdict: str
    reason: str = ""  # of a verdict that belongs to no problem
    lost: str = ""  # why the implementation gave no answers any more, so that the row was not judged to its end
    unspecified: tuple[int, ...] = ()  # rows of docs/theory/semantics.md without which some answers would not agree
    findings: tuple[str, ...] = ()  # about torch, that it shares, and that is all it fails by
    rest: int = 0  # problems that agree without what failed, where the row has gone on without that to its end
    printed: int = field(default=0, compare=False)  # bytes that were printed, which are not shown
    seconds: float = field(default=0.0, compare=False)  # that it took


@dataclass(frozen=True)
class Asked(_Checked):
    """What the implementation was asked, and what it was not."""

    gradients: bool = False  # whether gradients were judged, or the value alone
    unsupported: tuple[str, ...] = ()  # inputs, options, derivatives and checks that it was not asked
    hints: tuple[str, ...] = ()  # parameters that look like what was not tested, and what to do then
    checks: tuple[str, ...] = ()  # in which the same question was asked again
    differ: tuple[str, ...] = ()  # those of them whose answers had other bits, within the bounds
    relations: tuple[str, ...] = ()  # that were asked


@dataclass(frozen=True)
class Coverage(_Checked):
    """The problems that it was judged on."""

    problems: int = 0
    unbounded: int = 0  # of which no derivative was asked, since the arithmetic promises none
    uncounted: int = 0  # that are not counted, since the arithmetic guarantees nothing of some element
    regions: dict[str, int] = field(default_factory=dict, compare=False)  # how many lay in each
    drawing: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what they depend on, beside the seed
    digest: str = field(default="", compare=False)  # SHA-256 over their digests, a line each


@dataclass(frozen=True)
class Point(_Checked):
    """One problem in the pictures of a row: its size, and how far off the answer was."""

    rows: int
    classes: int
    ratio: float  # the worst error, in units of the bound
    ratios: dict[str, float] = field(default_factory=dict)  # the same by output
    confidence: float | None = None  # the largest probability of the row in which the worst error is
    passing: tuple[str, ...] = ()  # outputs of which an answer that is wrong altogether would have passed
    is_limit: bool = False  # whether errors are no larger than that, and no more is known


@dataclass(frozen=True)
class Errors(_Checked):
    """How far off its answers were, and how small an error would have been seen."""

    ulps: float = inf  # the worst, in units in the last place of the exact value
    ratio: float = inf  # the worst, in units of the bound
    ratios: dict[str, float] = field(default_factory=dict)  # the same by output
    beyond: dict[str, float] = field(default_factory=dict)  # the same under narrower models that were tried
    detectable: dict[str, float] = field(default_factory=dict)  # by output, the median relative error that is seen
    vacuous: dict[str, dict[str, int]] = field(default_factory=dict)  # by output and wrong answer, in how many problems
    points: tuple[Point, ...] = field(default=(), compare=False, repr=False)  # its problems, or a few hundred of them


@dataclass(frozen=True)
class Basis(_Checked):
    """What the verdict rests on."""

    arithmetic: str = ""  # the model that the bound is a theorem about
    model: str = ""  # what that assumes in this dtype, and where it is written
    accuracy: str = "C"  # the class that was asked for
    theorems: tuple[int, ...] = ()  # of docs/theory/bounds.md, that the bounds rest on
    sums: dict[str, int] = field(default_factory=dict)  # by number of classes, how deep sums are, as measured
    unmeasured: dict[str, int] = field(default_factory=dict)  # and why in how many kinds of problem they are not
    reported: tuple[str, ...] = ()  # what is believed because the candidate says so, and for no other reason
    isolated: bool = False  # whether the implementation ran in a process of its own


@dataclass(frozen=True)
class Row(_Checked):
    """One line of the table: an implementation's operation in one dtype on one device.

    A group that is left out is that of a row in which nothing was judged.
    """

    implementation: str
    operation: str
    dtype: str
    device: str
    outcome: Outcome
    asked: Asked = field(default_factory=Asked)
    coverage: Coverage = field(default_factory=Coverage)
    errors: Errors = field(default_factory=Errors)
    basis: Basis = field(default_factory=Basis)
    failures: tuple[Failure, ...] = field(default=(), compare=False)  # each of another cause; the first is told first

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ok:
            return
        said = f"{self.name} reads {self.verdict}, and"
        if not self.errors.ratio <= 1:
            raise ValueError(f"{said} its error/bound is {self.errors.ratio}; expected at most 1")
        if self.coverage.problems < 1:
            raise ValueError(f"{said} problems is {self.coverage.problems}; expected at least 1")
        if self.outcome.lost:
            raise ValueError(f"{said} lost is {self.outcome.lost!r}; expected that it was judged to the end")

    @classmethod
    def unjudged(
        cls, implementation: str, device: str, verdict: str, reason: str, *,
        operation: str = NOTHING, dtype: str = NOTHING, seconds: float = 0.0, **basis: Any,
    ) -> Row:  # fmt: skip
        """A row that *cannot load*, or in which *the judge failed*, and why.

        >>> row = Row.unjudged("mine:softmax", "cpu", CANNOT_LOAD, "target 'mine:softmax': there is no module 'mine'")
        >>> row.name, row.status
        ('mine:softmax - - cpu', 3)
        """
        outcome = Outcome(verdict, reason, seconds=seconds)
        return cls(implementation, operation, dtype, device, outcome, basis=Basis(**basis))

    @property
    def verdict(self) -> str:
        """The word for what came of it."""
        return self.outcome.verdict

    @property
    def failure(self) -> Failure | None:
        """The first of its failures, if it has any."""
        return self.failures[0] if self.failures else None

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against any answer; *unspecified*, where no document fixes one, does not."""
        return self.verdict in (AGREES, UNSPECIFIED)

    @property
    def status(self) -> int:
        """The exit status that this row alone gives, where it was not expected to fail."""
        if self.ok:
            return 0
        return 4 if self.verdict == JUDGE_FAILED else 3 if self.verdict == CANNOT_LOAD or self.outcome.lost else 1

    @property
    def name(self) -> str:
        """What failures are expected by: implementation, operation, dtype and device.

        >>> Row("mine", "softmax", "float32", "cpu", Outcome("disagrees")).name
        'mine softmax float32 cpu'
        """
        return f"{plain(self.implementation)} {self.operation} {self.dtype} {self.device}"


_FIELDS: dict[str, Field] = {  # of a row and its groups
    **dict.fromkeys(
        ("implementation", "operation", "dtype", "device", "arithmetic", "lost", "reason", "model", "digest"), TEXT
    ),
    **dict.fromkeys(("problems", "unbounded", "uncounted", "rest", "printed", "rows", "classes"), COUNT),
    **dict.fromkeys(("ulps", "ratio", "seconds"), NUMBER),
    **dict.fromkeys(("gradients", "isolated", "is_limit"), FLAG),
    **dict.fromkeys(
        ("unsupported", "checks", "differ", "relations", "reported", "hints", "passing", "findings"), NAMES
    ),
    **dict.fromkeys(("unspecified", "theorems"), COUNTS),
    **dict.fromkeys(("ratios", "beyond", "detectable"), by_name(NUMBER, "numbers")),
    **dict.fromkeys(("sums", "unmeasured"), by_name(COUNT, "counts")),
    "verdict": one_of(
        (AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE, UNSPECIFIED, NOT_APPLICABLE, CANNOT_ASK, CANNOT_LOAD, JUDGE_FAILED)
    ),
    "accuracy": one_of("ABCD"),
    "confidence": optional(NUMBER),
    "points": tuple_of(a(Point, "a Point"), "Points"),
    "regions": by_name(COUNT, "whole numbers"),
    "vacuous": by_name(by_name(COUNT, "whole numbers"), "mappings from names to whole numbers"),
    "drawing": by_name(NAMES, "tuples of texts"),
    "outcome": a(Outcome, "an Outcome"),
    "asked": a(Asked, "an Asked"),
    "coverage": a(Coverage, "a Coverage"),
    "errors": a(Errors, "Errors"),
    "basis": a(Basis, "a Basis"),
    "failures": tuple_of(a(Failure, "a Failure"), "Failures"),
}
