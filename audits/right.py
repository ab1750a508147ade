"""Right variants in the search for false alarms: what they answer, under which model, and how their twins fare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from softproof import MODELS, Problem
from softproof.mutants.right.record import Right
from softproof.mutants.right.sums import Spoiled
from softproof.mutants.right.trial import hunt, variants_of, verdict_on

TWINS: tuple[Spoiled, ...] = ("dropped", "doubled")
Record = dict[str, Any]


class Variants:
    """What the right variants under one model have answered so far."""

    def __init__(self, name: str, variants: Sequence[Right]) -> None:
        self.name, self.variants = name, variants
        self.counts: Counter[str] = Counter()
        self.alarms: list[str] = []

    def ask(self, problem: Problem, fully: bool) -> None:  # noqa: ARG002  # there is one way to ask them
        """One problem, all those that take it."""
        for variant in self.variants:
            verdict = verdict_on(variant, problem)
            if verdict is None:
                continue
            self.counts["answers"] += 1
            self.counts["unspecified"] += bool(verdict.unspecified)
            if not verdict.ok:
                self.alarms.append(f"{variant.name}: {verdict}\n{verdict.problem or problem!r}")

    def record(self) -> Record:
        """For the log."""
        return {"name": "right variants", "model": self.name, **self.counts,
                "alarms": self.alarms}  # fmt: skip


def by_model(operation: str, dtype: str) -> list[Variants]:
    """The same, those under one model together."""
    asked = variants_of(operation, dtype)
    return [Variants(name, [each for each in asked if each.model == name]) for name in MODELS
            if any(each.model == name for each in asked)]  # fmt: skip


def twins_of(operation: str, dtype: str, seed: int) -> Record:
    """How many wrong twins were hunted, and which were not rejected."""
    twins = [each.twin(spoiled) for each in variants_of(operation, dtype) for spoiled in TWINS]
    return {"hunted": len(twins), "accepted": [each.name for each in twins if hunt(each, dtype, f"{seed}") is None]}
