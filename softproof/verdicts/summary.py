"""From elements to one verdict: what was seen of an answer, some rows at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..bounds.algebra import RowUnknowns
from ..problem.formats import FORMATS
from ..problem.problem import Array, Problem, Result
from ..problem.rows import ALL, BLOCK, Rows, count_rows, is_by_rows, place, row_form, row_length, shaped
from .elements import Elements
from .infeasible import infeasible_rows
from .row_unknowns import Strips, explained, refuted, unexplained
from .unspecified import fixed
from .vacuity import Vacuity
from .verdict import AGREES, DISAGREES, NO_GUARANTEE, UNDECIDED, UNSPECIFIED, Verdict


@dataclass(frozen=True)
class Worst:
    """The worst element of one outcome."""

    ratio: float
    name: str
    rows: Rows
    row: int
    column: int
    text: str


@dataclass
class Summary:
    """What has been seen so far."""

    problem: Problem
    result: Result
    accuracy: str
    worst: dict[str, Worst] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    vacuity: dict[str, Vacuity] = field(default_factory=dict)  # of each output
    ulps: float = 0.0
    unspecified: set[int] = field(default_factory=set)  # rows of docs/theory/semantics.md that made something agree
    decided: bool = False  # whether anything agreed by itself
    cited: dict[str, list[tuple[Array, Array]]] = field(default_factory=dict)  # rows, and `Elements.excused` of these
    open: dict[str, list[Array]] = field(default_factory=dict)  # rows that need more bits; none for a reduced loss

    @property
    def refuted(self) -> bool:
        """Whether something disagrees."""
        return DISAGREES in self.worst

    def take_open(self) -> list[tuple[dict[str, Array], list[Rows]]]:
        """Outputs that are open together, each with which rows it is open in (R,); and all of these rows in blocks,
        which are then forgotten. A reduced loss stands alone, and has no block.
        """
        opened, self.open = self.open, {}
        everywhere, count = np.ones(1, bool), count_rows(self.problem)
        if not is_by_rows(self.problem):
            return [(dict.fromkeys(opened, everywhere), [ALL])] if opened else []
        reduced = [({name: everywhere}, list[Rows]()) for name, rows in opened.items() if not rows]
        which = {name: np.isin(np.arange(count), np.concatenate(rows)) for name, rows in opened.items() if rows}
        rows = np.flatnonzero(np.any([*which.values()], 0)) if which else np.zeros(0, np.int64)
        step = max(64, BLOCK // 8 // max(1, row_length(self.problem)))
        blocks: list[Rows] = [rows[start : start + step] for start in range(0, len(rows), step)]
        return [*reduced, *([(which, blocks)] if which else [])]

    def add(self, name: str, rows: Rows, elements: Elements, last: bool) -> None:
        """Count the elements of some rows; rows that are not decided wait for more bits, unless these are the last."""
        numbers = np.arange(count_rows(self.problem))[rows]
        left = rows
        if not last and not elements.agreed.all():
            elements, numbers = self._set_aside(name, rows, numbers, elements)
            left = numbers if is_by_rows(self.problem) and rows is not ALL else rows
        if not elements.got.size:
            self.ratios.setdefault(name, 0.0)
            return
        if elements.excused is None:
            self.decided = True
        else:
            self.unspecified |= set(np.unique(elements.excused[elements.excused > 0]).tolist())
            self.decided |= bool((elements.agreed & (elements.excused <= 0)).any())
            self.cited.setdefault(name, []).append((numbers, elements.excused))
        storage = FORMATS[self.problem.dtype]
        self.vacuity.setdefault(name, Vacuity(storage=storage)).add(
            elements.nearest,
            elements.doubt,
            elements.allowed,
            elements.left,
            fixed(self.problem, name, left, elements.left != 0),
        )
        ratio = elements.ratio
        self.ratios[name] = max(self.ratios.get(name, 0.0), float(ratio.max()))
        self.ulps = max(self.ulps, float(elements.ulps(storage).max()))
        for outcome, where in elements.outcomes():
            key = (outcome, name)
            self.counts[key] = self.counts.get(key, 0) + int(np.count_nonzero(where))
            of_these = ratio if where is elements.agreed and where.all() else np.where(where, ratio, -1.0)
            row, column = (int(i) for i in np.unravel_index(int(np.argmax(of_these)), where.shape))
            if outcome not in self.worst or ratio[row, column] > self.worst[outcome].ratio:
                number = int(numbers[row]) if len(numbers) == len(ratio) else row
                text = elements.describe(row, column, storage)
                self.worst[outcome] = Worst(float(ratio[row, column]), name, rows, number, column, text)
        if elements.factor is not None and not self.refuted:
            self._add_rows(name, rows, numbers, elements)

    def _set_aside(self, name: str, rows: Rows, numbers: Array, elements: Elements) -> tuple[Elements, Array]:
        """What remains without the rows that need more bits."""
        waiting: Array = np.asarray(elements.open.any(-1) & ~elements.refuted.any(-1))
        if not waiting.any():
            return elements, numbers
        if rows is ALL and is_by_rows(self.problem):  # the reduced loss
            self.open[name] = []
            return elements.of_rows(~waiting), numbers
        self.open.setdefault(name, []).append(numbers[waiting])
        return elements.of_rows(~waiting), numbers[~waiting]

    def _add_rows(self, name: str, rows: Rows, numbers: Array, elements: Elements) -> None:
        """Theorems 14 and 21, where no element is refuted by itself."""

        def place(column: int) -> str:
            return self._place(name, int(numbers[row]), column)

        if not len(rows_left := unexplained(elements)):
            return
        elements, numbers = elements.of_rows(rows_left), numbers[rows_left]
        if isinstance(elements.factor, RowUnknowns):
            refutation = refuted(Strips.of(elements))
            row = int(refutation.ratio.argmax())
            if not (ratio := refutation.ratio)[row]:
                return
            column, text = explained(elements, refutation, row, place)
        else:
            ratio, first, second = infeasible_rows(elements)
            row = int(ratio.argmax())
            if ratio[row] <= 1:
                return
            column, apart = int(first[row]), f"they are {ratio[row]:.3g} times too far apart"
            beside = place(int(second[row]))
            text = f"this and {beside} cannot come from one rounding error of the row's sum (Theorem 14): {apart}"
        self.counts[DISAGREES, name] = int(np.count_nonzero(ratio > 1))
        self.ratios[name] = max(self.ratios[name], float(ratio[row]))
        self.worst[DISAGREES] = Worst(float(ratio[row]), name, rows, int(numbers[row]), column, text)

    def _place(self, name: str, row: int, column: int) -> str:
        index = place(self.problem, name, self.result.outputs[name].values.shape, row, column)
        return f"{name}[{', '.join(map(str, index))}]" if index else name

    def _cited(self, name: str) -> Array:
        """Of one output, in its shape."""
        shape = self.result.outputs[name].values.shape
        found = np.zeros(row_form(self.problem, name, np.zeros(shape, np.int8)).shape, np.int32)
        for numbers, excused in self.cited[name]:
            found[numbers if len(numbers) == len(excused) else ALL] = excused
        return shaped(self.problem, name, found, shape)

    def verdict(self) -> Verdict:
        """The worst outcome, and where."""
        for outcome in (DISAGREES, UNDECIDED, NO_GUARANTEE, AGREES):
            if outcome in self.worst:
                break
        else:
            return Verdict(AGREES, problem=self.problem, ratios=self.ratios, accuracy=self.accuracy)
        worst = self.worst[outcome]
        shape = self.result.outputs[worst.name].values.shape
        count, size = self.counts[outcome, worst.name], int(np.prod(shape))
        text = f"{self._place(worst.name, worst.row, worst.column)}: {worst.text}; {count} of {size} elements"
        index = place(self.problem, worst.name, shape, worst.row, worst.column)
        ratio = max(worst.ratio, *self.ratios.values()) if outcome == AGREES else worst.ratio
        numbers = tuple(sorted(self.unspecified))
        if outcome == AGREES and not self.decided:
            outcome, text = UNSPECIFIED, f"see {', '.join(map(str, numbers))} in docs/theory/semantics.md"
        return Verdict(
            outcome,
            ratio,
            self.ulps,
            worst.name,
            index,
            text,
            self.problem,
            self.ratios,
            self.accuracy,
            numbers,
            {name: self._cited(name) for name in self.cited},
            {name: vacuity.none for name, vacuity in self.vacuity.items() if vacuity.none},
            {name: vacuity.detectable for name, vacuity in self.vacuity.items()},
        )
