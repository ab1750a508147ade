"""Answers to many questions, compared at once with what was kept of the truth.

The numbers of all outputs lie one after another, so that a few operations of NumPy compare them: with the same bounds,
and the same result, as if each output was compared by itself. An output of which not all elements are right by their
bounds alone is; few are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..bounds.algebra import Allowed, RowUnknowns
from ..bounds.arithmetic import Arithmetic
from ..problem.formats import FORMATS
from ..problem.problem import Array, Problem, Result
from ..problem.rows import ALL, row_form
from ..truth.double_double import DoubleDouble
from .compiled import Compiled, Outputs, on_the_edge
from .elements import Elements
from .infeasible import infeasible_rows
from .misfits import not_an_answer
from .row_unknowns import Strips, refuted, unexplained
from .unspecified import excused


@dataclass(frozen=True)
class Answered:
    """A question and its answer, what is kept of the truth under a model, and the outputs that were not asked."""

    problem: Problem
    result: Result
    outputs: Outputs
    arithmetic: Arithmetic
    unasked: frozenset[str] = frozenset()


def ratios_if_right(answers: Sequence[Answered], device: str = "cpu") -> list[dict[str, float] | None]:
    """The worst error/bound of each output of each answer whose verdict is ok; None where there is more to be said."""
    fits = [not not_an_answer(each.problem, each.result, device, each.unasked) for each in answers]
    parts: dict[str, list[_Part]] = defaultdict(list)
    for number, each in enumerate(answers):
        parts[each.problem.dtype] += [_Part(number, each, name) for name in each.result.outputs if fits[number]]
    found: list[dict[str, float]] = [{} for _ in answers]
    for dtype, some in parts.items():
        for part, ratio in _ratios(some, dtype):
            if ratio is None:
                fits[part.number] = False
            else:
                found[part.number][part.name] = ratio
    return [ratios if right else None for ratios, right in zip(found, fits, strict=True)]


@dataclass(frozen=True)
class _Part:
    """One output of an answer, which has a number among those that are compared."""

    number: int
    answered: Answered
    name: str

    @property
    def kept(self) -> Compiled:
        """Its truth, and what is allowed."""
        return self.answered.outputs[self.name]

    @cached_property
    def got(self) -> Array:
        """Its numbers, in the order of the row form."""
        values = self.answered.result.outputs[self.name].values
        return values if values.ndim < 2 else row_form(self.answered.problem, self.name, values)

    def ratio(self, elements: Elements, at: slice) -> float | None:
        """The worst error/bound of these elements if they are right, for whatever reason that needs no more bits."""
        each, kept = self.answered, self.kept
        elements = elements.moved(lambda values: values[0, at].reshape(*kept.truth.shape), kept.allowed.row)
        if not elements.agreed.all():

            def beside(exact: Array, doubt: Array | float = 0.0) -> Elements:
                return Elements.of(elements.got, exact, doubt, kept.allowed, FORMATS[each.problem.dtype])

            elements = excused(each.problem, self.name, ALL, elements, each.arithmetic, beside)
        right = on_the_edge(elements, kept.between).agreed.all() and _is_explained(elements)
        return float(elements.ratio.max()) if right else None


def _ratios(parts: Sequence[_Part], dtype: str) -> Iterator[tuple[_Part, float | None]]:
    """Of outputs in one format, each with its worst error/bound; None for those that are not right."""
    yield from ((part, 0.0) for part in parts if not part.got.size)
    parts = [part for part in parts if part.got.size]
    if not parts:
        return
    kept = [part.kept for part in parts]
    truth = DoubleDouble(*map(_joined, zip(*(each.truth.parts for each in kept), strict=True)))
    left = _joined(_full(each.allowed.left, each, np.int8) for each in kept)
    bound = Allowed(truth.high, _joined(each.allowed.error for each in kept), left=left)
    elements = Elements.of(_joined(part.got for part in parts), truth, 0.0, bound, FORMATS[dtype])
    right = elements.agreed & _needs_no_others(elements, kept)
    stops = np.cumsum([part.got.size for part in parts]).tolist()
    starts = [0, *stops[:-1]]
    rights, ratios = np.logical_and.reduceat(right[0], starts), np.maximum.reduceat(elements.ratio[0], starts)
    for part, start, stop, whole, ratio in zip(parts, starts, stops, rights.tolist(), ratios.tolist(), strict=True):
        yield part, ratio if whole else part.ratio(elements, slice(start, stop))


def _needs_no_others(elements: Elements, kept: Sequence[Compiled]) -> Array:
    """Where an error is within what its element has by itself, and not on the edge of what is allowed."""
    size = np.abs(elements.error)
    own = _joined(each.allowed.error if each.allowed.row is None else each.allowed.row.own for each in kept)
    between = _joined(_full(each.between, each, bool) for each in kept)
    within = (size <= own + elements.doubt) & ~(between & (size == elements.allowed))
    return np.asarray(within | np.isinf(size))


def _full(array: Array | int | None, kept: Compiled, dtype: type) -> Array:
    """An array of the shape of the truth; of zeros in the place of what is none."""
    shape = kept.truth.shape
    return np.broadcast_to(array, shape) if isinstance(array, np.ndarray) else np.zeros(shape, dtype)


def _joined(arrays: Iterable[Array]) -> Array:
    """Their elements in one row."""
    return np.concatenate([*arrays], axis=None)[None]


def _is_explained(elements: Elements) -> bool:
    """Whether Theorems 14 and 21 refute no row."""
    if elements.factor is None or not len(rows := unexplained(elements)):
        return True
    these = elements.of_rows(rows)
    if isinstance(these.factor, RowUnknowns):
        return not refuted(Strips.of(these)).ratio.any()
    return bool((infeasible_rows(these)[0] <= 1).all())
