"""One row of a report: an implementation, an operation, a dtype and a device; and its failures."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from ..candidates.plain_text import plain
from ..diagnosis.record import Diagnosis
from ..problem.records import (
    COUNT,
    COUNTS,
    FLAG,
    NAMES,
    NUMBER,
    TEXT,
    a,
    by_name,
    check_fields,
    one_of,
    optional,
    tuple_of,
)
from ..verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, UNDECIDED, UNSPECIFIED, Verdict
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
    call: str = "judge"  # or "check_behaviour", or "check_relations"
    source: str = ""  # Python that makes the problem, where it is too large to be shown
    question: tuple[str, str] | None = (
        None  # the check or the relation that was asked, ("check", its name), if it was one
    )
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    @property
    def check(self) -> str:
        """What it was that failed, in a word or two: an output, what came in its place, a check or a relation."""
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
        model = ("Measured",) if "=Measured(" in self.words else ()
        return "\n".join(
            [
                "from numpy import array, inf, nan, zeros",
                f"from softproof import {', '.join(sorted((maker, self.call, 'load', *model)))}",
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


_NO_ANSWERS = {  # what `misfits.not_an_answer` says, and what it is called here
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
    unsupported: tuple[str, ...]  # inputs, options, derivatives and checks that the implementation was not asked
    arithmetic: str  # the model that the bound is a theorem about
    accuracy: str = "C"  # the class that was asked for
    checks: tuple[str, ...] = ()  # in which the same question was asked again
    differ: tuple[str, ...] = ()  # those of them whose answers had other bits, within the bounds
    relations: tuple[str, ...] = ()  # that were asked
    unspecified: tuple[int, ...] = ()  # rows of docs/theory/semantics.md without which some answers would not agree
    regions: dict[str, int] = field(default_factory=dict, compare=False)  # how many problems lay in each
    unbounded: int = 0  # problems of which no derivative was asked, since the arithmetic promises none
    uncounted: int = 0  # problems that are not counted, since the arithmetic guarantees nothing of some element
    beyond: dict[str, float] = field(default_factory=dict)  # narrower models that were tried: the worst error/bound
    sums: dict[str, int] = field(default_factory=dict)  # by number of classes, how deep sums are, as measured
    unmeasured: dict[str, int] = field(default_factory=dict)  # and why in how many kinds of problem they are not
    vacuous: dict[str, dict[str, int]] = field(default_factory=dict)  # by output and wrong answer, in how many problems
    detectable: dict[str, float] = field(default_factory=dict)  # by output, the median relative error that is seen
    ratios: dict[str, float] = field(default_factory=dict)  # by output, the worst error in units of the bound
    theorems: tuple[int, ...] = ()  # of docs/theory/bounds.md, that the bounds rest on
    model: str = ""  # what the arithmetic assumes in this dtype, and where that is written
    digest: str = field(default="", compare=False)  # SHA-256 over the digests of its problems, a line each
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


_OF_ROW = {
    **dict.fromkeys(
        ("implementation", "operation", "dtype", "device", "arithmetic", "lost", "reason", "model", "digest"), TEXT
    ),
    **dict.fromkeys(("problems", "unbounded", "uncounted", "printed"), COUNT),
    **dict.fromkeys(("ulps", "ratio", "seconds"), NUMBER),
    **dict.fromkeys(("gradients", "isolated"), FLAG),
    **dict.fromkeys(("unsupported", "checks", "differ", "relations", "reported", "hints"), NAMES),
    "verdict": one_of(
        (AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE, UNSPECIFIED, NOT_APPLICABLE, CANNOT_ASK, CANNOT_LOAD, JUDGE_FAILED)
    ),
    "accuracy": one_of("ABCD"),
    "unspecified": COUNTS,
    "theorems": COUNTS,
    "ratios": by_name(NUMBER, "numbers"),
    "regions": by_name(COUNT, "whole numbers"),
    "beyond": by_name(NUMBER, "numbers"),
    "sums": by_name(COUNT, "counts"),
    "unmeasured": by_name(COUNT, "counts"),
    "vacuous": by_name(by_name(COUNT, "whole numbers"), "mappings from names to whole numbers"),
    "detectable": by_name(NUMBER, "numbers"),
    "drawing": by_name(NAMES, "tuples of texts"),
    "failure": optional(a(Failure, "a Failure")),
    "more": tuple_of(a(Failure, "a Failure"), "Failures"),
}
