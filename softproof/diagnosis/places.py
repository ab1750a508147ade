"""Where answers are wrong: at the label alone, in ignored rows, in the last row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..problem.losses import is_labels, kept
from ..problem.problem import Array, Problem
from ..problem.rows import is_by_rows, row_form
from .answers import FEW, Wrong
from .record import Pattern

Place = Callable[[Problem, tuple[int, int]], Array | None]  # of rows and classes (r, C); None where there is none


def _has_labels(problem: Problem, shape: tuple[int, int]) -> bool:
    """Whether each row has a label."""
    return "target" in problem.inputs and is_labels(problem) and problem.inputs["target"].size == shape[0]


def _labels(problem: Problem, shape: tuple[int, int]) -> Array | None:
    if not _has_labels(problem, shape) or shape[1] < FEW:
        return None
    return np.asarray(problem.inputs["target"].reshape(-1, 1) == np.arange(shape[1]))


def _beside_the_labels(problem: Problem, shape: tuple[int, int]) -> Array | None:
    labels = _labels(problem, shape)
    return None if labels is None else ~labels & kept(problem)[:, None]


def _ignored(problem: Problem, shape: tuple[int, int]) -> Array | None:
    if not _has_labels(problem, shape):
        return None
    return np.broadcast_to(~kept(problem)[:, None], shape)


def _row(place: int) -> Place:
    def row(_problem: Problem, shape: tuple[int, int]) -> Array | None:
        found = np.zeros(shape, bool)
        found[place] = True
        return found

    return row


def _after_the_first(_problem: Problem, shape: tuple[int, int]) -> Array | None:
    return np.broadcast_to(np.arange(shape[0])[:, None] > 0, shape)


def _column(place: int) -> Place:
    def column(_problem: Problem, shape: tuple[int, int]) -> Array | None:
        found = np.zeros(shape, bool)
        found[:, place] = True
        return found

    return column


PLACES: dict[str, Place] = {
    "at the label": _labels,
    "beside the label": _beside_the_labels,
    "in rows that are ignored": _ignored,
    "in the first row": _row(0),
    "in the last row": _row(-1),
    "in the first class": _column(0),
    "in the last class": _column(-1),
    "after the first row": _after_the_first,
}


def places(wrong: Sequence[Wrong]) -> list[Pattern]:
    """The first place that all wrong elements are in, in all answers in which there are others."""
    for words, place in PLACES.items():
        told = [found for each in wrong for found in _inside(each, place)]
        if len(told) >= FEW and all(told):
            return [Pattern(f"wrong only {words}", len(told), len(told))]
    return []


def _inside(wrong: Wrong, place: Place) -> list[bool]:
    """Of each output in rows of classes whether it is wrong there alone; nothing where there is no other place."""
    problem, inside = wrong.reply.problem, list[bool]()
    for name, where in wrong.where.items() if is_by_rows(problem) else ():
        mask = row_form(problem, name, where)
        region = place(problem, mask.shape) if min(mask.shape) > 0 else None
        if region is not None and region.shape == mask.shape and region.any() and not region.all():
            inside.append(not (mask & ~region).any())
    return inside
