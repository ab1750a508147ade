"""What the judge says about one answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..problem.problem import Array, Problem
from ..problem.records import ARRAY, COUNTS, NAMES, NUMBER, TEXT, a, by_name, check_fields, one_of, optional

AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE = "agrees", "disagrees", "undecided", "no guarantee"
UNSPECIFIED, NOT_APPLICABLE = "unspecified", "not applicable"


@dataclass(frozen=True)
class Verdict:
    """What the judge says about one answer.

    `ratio` is the worst error in units of the bound and `ulps` in units in the last place of the exact value; elements
    that are, or may be, exactly zero have no such unit and do not count. `output` and `index` say where the verdict was
    decided, `ratios` gives the worst error of each output, and `accuracy` is the class that was asked for.
    `unspecified` numbers the rows of docs/theory/semantics.md without which some elements would not agree; the outcome
    is *unspecified* when these are all elements there are. `cited` has each output with elements that their bounds did
    not decide: an array of its shape with the number of the row of docs/theory/semantics.md, or minus that of the
    theorem of docs/theory/bounds.md, by which an element was accepted, and 0 everywhere else. `vacuous` has the
    outputs whose bounds would have let answers pass that are wrong altogether, with these answers (`vacuity.py`);
    `detectable` is the smallest relative error of an element of each output that would have been seen.
    """

    outcome: str
    ratio: float = 0.0
    ulps: float = 0.0
    output: str = ""
    index: tuple[int, ...] = ()
    explanation: str = ""
    problem: Problem | None = field(default=None, repr=False)
    ratios: dict[str, float] = field(default_factory=dict, repr=False)
    accuracy: str = "C"
    unspecified: tuple[int, ...] = ()
    cited: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)
    vacuous: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    detectable: dict[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_fields(self, _FIELDS)
        if self.ok and not self.ratio <= 1:
            text = f"at most 1, since outcome is {self.outcome!r}"
            raise ValueError(f"ratio, error/bound, is {self.ratio}; expected {text}: {self.explanation}")

    @property
    def ok(self) -> bool:
        """Whether something was asked and nothing speaks against the answer; *unspecified* does not.

        *no guarantee*, *undecided* and *not applicable*, where nothing was asked, are not ok.
        """
        return self.outcome in (AGREES, UNSPECIFIED)

    @property
    def is_error(self) -> bool:
        """Whether an error was raised, and no number is wrong."""
        return not self.output and "raised " in self.explanation

    def __str__(self) -> str:
        return f"{self.outcome}: {self.explanation}"


_FIELDS = {
    "outcome": one_of((AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE, UNSPECIFIED, NOT_APPLICABLE)),
    "ratio": NUMBER,
    "ulps": NUMBER,
    "output": TEXT,
    "index": COUNTS,
    "explanation": TEXT,
    "problem": optional(a(Problem, "a softproof.Problem")),
    "ratios": by_name(NUMBER, "numbers"),
    "accuracy": one_of("ABCD"),
    "unspecified": COUNTS,
    "cited": by_name(ARRAY, "arrays"),
    "vacuous": by_name(NAMES, "tuples of names"),
    "detectable": by_name(NUMBER, "numbers"),
}


def citation(number: int) -> str:
    """What a number in `Verdict.cited` stands for.

    >>> citation(94), citation(-13)
    ('row 94 of docs/theory/semantics.md', 'Theorem 13 of docs/theory/bounds.md')
    """
    return f"row {number} of docs/theory/semantics.md" if number > 0 else f"Theorem {-number} of docs/theory/bounds.md"
