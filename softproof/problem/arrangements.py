"""Ways of asking that change the rows: labels of the next position, one row at a time, sums of rows, rows in columns.

Each is a flag of an interface. It narrows what can be asked: how many dimensions, which kinds of input, which problems.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from .losses import is_labels
from .operations import OPERATIONS, PER_ROW, Operation
from .problem import Problem
from .row_masks import MASKS
from .rows import main_input


@dataclass(frozen=True)
class Arrangement:
    """What can be asked so, in `words` where that is not many dimensions or the wrong operation."""

    help: str
    ndim: frozenset[int]
    words: str
    left_out: frozenset[str]
    takes: Callable[[Problem], bool]
    fits: Callable[[Operation], bool]
    lacks: str  # of an operation that does not fit

    def check(self, name: str, ndim: frozenset[int]) -> frozenset[int]:
        """How many dimensions may be asked; ValueError for others."""
        if not ndim <= self.ndim:
            raise ValueError(f"{name} is True, and ndim {sorted(ndim)}; expected {self.words}")
        return ndim or self.ndim

    def check_operations(self, name: str, operations: tuple[str, ...]) -> None:
        """ValueError where none of the operations can be asked so."""
        if not any(self.fits(OPERATIONS[each]) for each in operations):
            raise ValueError(f"{name} is True, and {', '.join(operations)} has no {self.lacks}")


def _has_positions(problem: Problem) -> bool:
    """Whether it is a loss of rows with labels, of which each may belong to the row before."""
    if "target" not in problem.inputs or not is_labels(problem):
        return False
    return problem.inputs["target"].ndim == main_input(problem).ndim - 1 > 0


MOST_ROWS = 1024  # that are given one at a time


def _has_rows(problem: Problem) -> bool:
    """Whether it is of a matrix, with its classes last, and not so many rows that calls of each take minutes."""
    x = main_input(problem)
    return x.ndim == 2 and 0 < len(x) <= MOST_ROWS and problem.options.get("dim", -1) in (-1, 1)


ARRANGEMENTS = {
    "shifted": Arrangement(
        "it compares each position of a sequence with the next label",
        frozenset({2, 3}),
        "2, a sequence, or 3, some of them",
        frozenset({"probabilities", "unbatched", "k_dimensional"}),
        _has_positions,
        lambda operation: "target" in operation.inputs,
        "labels",
    ),
    "row_by_row": Arrangement(
        "give it one row at a time: it gives one number for all of them",
        frozenset({2}),
        "2, rows",
        frozenset({"dim", "keepdim", "several_dims", "empty"}),
        _has_rows,
        lambda operation: operation.value == PER_ROW,
        "number for each row alone",
    ),
    "summed": Arrangement(
        "add up what it gives, such as a loss of each sequence",
        frozenset({2, 3}),
        "2, rows, or 3, some sequences",
        frozenset({"unbatched"}),
        lambda problem: main_input(problem).ndim > 1,
        lambda operation: "reduction" in operation.options,
        "reduction",
    ),
    "columns": Arrangement(
        "it takes a row in each column: features (D, N), logits (C, N)",
        frozenset({2}),
        "2, rows",
        frozenset({"unbatched", "k_dimensional"}),
        lambda problem: main_input(problem).ndim > 1,
        lambda operation: "dim" not in operation.options,
        "axis of classes that --fixed dim=0 cannot say",
    ),
}


def check_together(fixed: dict[str, Any], names: Collection[str]) -> None:
    """What arrangements fix besides; ValueError where they do not go together, or something else is fixed."""
    if "columns" in names and len(names) > 1:
        raise ValueError(f"{' and '.join(names)} are True; expected columns alone, or the others")
    if "summed" in names and fixed.setdefault("reduction", "sum") != "sum":
        raise ValueError(f"summed is True, and the reduction is fixed as {fixed['reduction']!r}; expected 'sum'")


def may_keep(operation: str) -> frozenset[str]:
    """What of an operation may have the axis of classes with size 1 (`--keepdim`)."""
    about = OPERATIONS[operation]
    labels = {"target", *MASKS} if "target" in about.inputs else set()
    has_rows = "reduction" in about.options or (about.value == PER_ROW and "keepdim" not in about.options)
    return frozenset(labels | ({"value"} if has_rows else set()))


def is_sequence(problem: Problem) -> bool:
    """Whether its labels may belong to the position before."""
    about = ARRANGEMENTS["shifted"]
    return main_input(problem).ndim in about.ndim and about.takes(problem)
