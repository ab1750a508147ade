"""What a diagnosis says, as numbers and names; `lines` is what people read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..problem.records import COUNT, FLAG, NAMES, TEXT, Field, a, check_fields, optional, tuple_of

WIDTH = 10  # of the word that begins a line


@dataclass(frozen=True)
class Models:
    """Models of arithmetic under which the answers `agrees` or are `wrong`, and those that say nothing.

    `alone` has those under which the witness would agree, and another answer that was asked for does not.
    `underflow` tells that every wrong element is off by less than the smallest normal number of its format.
    """

    agrees: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    underflow: bool = False
    alone: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, {**dict.fromkeys(("agrees", "wrong", "silent", "alone"), NAMES), "underflow": FLAG})

    def __str__(self) -> str:
        if self.agrees:
            return f"would agree under: {', '.join(self.agrees)}"
        count = len(self.wrong)
        if self.alone:
            return f"this answer would agree under: {', '.join(self.alone)}; others are wrong there, too"
        if self.silent:
            return f"wrong under {count} of {count + len(self.silent)}; no guarantee under: {', '.join(self.silent)}"
        if self.underflow:
            return f"wrong under all {count}, by less than the smallest normal number: a matter of underflow"
        return f"wrong under all {count}: not a rounding matter"


@dataclass(frozen=True)
class Pattern:
    """What wrong answers have in common, in words: so many `of` those that were looked at.

    Where it is about problems, `holds` of those `of` them that have it fail, and `fails_without` of `without`.
    """

    words: str
    holds: int
    of: int
    fails_without: int = 0
    without: int = 0

    def __post_init__(self) -> None:
        counts = ("holds", "of", "fails_without", "without")
        check_fields(self, {"words": TEXT, **dict.fromkeys(counts, COUNT)})

    def __str__(self) -> str:
        if self.without:
            return f"{self.words}: {self.holds} of {self.of} with it, {self.fails_without} of {self.without} without"
        return f"{self.words}: {self.holds} of {self.of}" if self.of else self.words


@dataclass(frozen=True)
class Resemblance:
    """A known bug whose answers are like those of an implementation: how many that are wrong, and how many in all.

    `source` is where the bug was seen.
    """

    name: str
    wrong: int
    of_wrong: int
    alike: int
    of: int
    story: str
    source: str
    group: str

    def __post_init__(self) -> None:
        texts, counts = ("name", "story", "source", "group"), ("wrong", "of_wrong", "alike", "of")
        check_fields(self, {**dict.fromkeys(texts, TEXT), **dict.fromkeys(counts, COUNT)})

    def __str__(self) -> str:
        counts = f"{self.wrong} of {self.of_wrong} wrong answers, {self.alike} of {self.of} in all"
        return f"{self.name} ({counts}): {self.story} Seen in {self.source}"


@dataclass(frozen=True)
class Diagnosis:
    """What is said of one failure; what does not apply is empty, and `fault` says why there is no more."""

    patterns: tuple[Pattern, ...] = ()
    resembles: tuple[Resemblance, ...] = ()
    models: Models | None = None
    next: str = ""  # what a person can do
    asked: int = 0  # how many questions it took
    fault: str = ""
    finding: str = ""  # of docs/generated/findings.md, by its name, that it is
    known: str = ""  # whose finding that is, and how it is known to be it

    def __post_init__(self) -> None:
        check_fields(self, _FIELDS)

    @property
    def without(self) -> str:
        """What it says can be left out, by the word of `--without`; empty where that is nothing.

        >>> Diagnosis(next="if it is not to take inputs of no rows, leave them out: --without empty").without
        'empty'
        >>> Diagnosis(next="if it is not meant to be asked so, leave that out: --without 'two losses'").without
        'two losses'
        """
        found = _WITHOUT.search(self.next)
        return found[1] or found[2] if found else ""

    @property
    def lines(self) -> list[str]:
        """One line for each thing that is known.

        >>> Diagnosis(models=Models(agrees=("fused",)), next="--arithmetic fused").lines
        ['models     would agree under: fused', 'next       --arithmetic fused']
        """
        words: list[tuple[str, object]] = [("pattern", each) for each in self.patterns]
        words += [("resembles", each) for each in self.resembles]
        words += [("models", self.models), ("known", self.known), ("next", self.next), ("diagnosis", self.fault)]
        return [f"{name:{WIDTH}} {text}" for name, text in words if text]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers as numbers."""
        record: dict[str, Any] = {name: getattr(self, name) for name in ("next", "asked", "fault", "finding", "known")}
        record["patterns"] = [vars(each) for each in self.patterns]
        record["resembles"] = [vars(each) for each in self.resembles]
        record["models"] = None if self.models is None else vars(self.models)
        return record


MATRICES_ALONE = "--ndim 2"  # in advice
_WITHOUT = re.compile(r"--without (?:([a-z_]+)\b|'([^']+)')")
_FIELDS: dict[str, Field] = {
    "patterns": tuple_of(a(Pattern, "a Pattern"), "Patterns"),
    "resembles": tuple_of(a(Resemblance, "a Resemblance"), "Resemblances"),
    "models": optional(a(Models, "a Models")),
    **dict.fromkeys(("next", "fault", "finding", "known"), TEXT),
    "asked": COUNT,
}
