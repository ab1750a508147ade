"""One answer beside the truth: float64 first, then more and more digits where they are needed (Ziv's strategy).

A. Ziv, "Fast evaluation of elementary mathematical functions with correctly rounded last bit", ACM TOMS 17(3), 1991.
First float64, whose own error is a theorem; then double-double numbers, whose radii are; then balls of more and more
bits, for the rows that these leave open and for whatever disagrees. A problem is judged some rows at a time, so that
its size does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..bounds.accuracy import Accuracy
from ..bounds.algebra import Allowed
from ..bounds.arithmetic import NUMPY64, Arithmetic
from ..bounds.losses import Losses
from ..bounds.theorems import allowed, allowed_total
from ..problem.formats import FORMATS, Format
from ..problem.problem import Array, Problem, Result
from ..problem.rows import ALL, Rows, blocks, is_by_rows, reduction_of, row_form
from ..truth import solver
from ..truth.solver import DOUBLE_DOUBLE, FLOAT64
from .elements import Elements
from .float64 import float64_decides, float64_share
from .summary import Summary
from .unspecified import excused
from .verdict import DISAGREES, Verdict

LARGE = 1 << 20  # elements; above, a disagreement that concerns all of them is stated by float64 alone
BALLS = (128, 512, 2048, 8192)
FEW = 2048  # elements of all inputs; below, balls are the faster ones
BITS = (FLOAT64, DOUBLE_DOUBLE, *BALLS)  # when even the last cannot tell, the answer lies on the edge of the bound


@dataclass(frozen=True)
class Case:
    """One answer to one problem."""

    problem: Problem
    result: Result
    arithmetic: Arithmetic
    accuracy: Accuracy

    def elements(
        self, bits: int, rows_at_a_time: Sequence[Rows], total: bool = True
    ) -> Iterator[tuple[str, Rows, Elements]]:
        """The outputs beside the truth, some rows at a time; then what is reduced, if it is asked."""
        truths: dict[str, list[Array]] = defaultdict(list)
        bounds: dict[str, list[Losses]] = defaultdict(list)
        doubts: dict[str, list[Losses]] = defaultdict(list)
        forms: dict[str, Array] = {}
        for rows in rows_at_a_time:
            truth, summands = solver.solve_rows(self.problem, bits, rows)
            bound, bounds_of_summands = allowed(self.problem, self.arithmetic, rows)
            doubt, doubts_of_summands = self._doubt(bits, rows, bound, truth)
            for name, values in truth.items():
                if name not in self.result.outputs:  # which is not asked
                    continue
                if name not in forms:
                    forms[name] = row_form(self.problem, name, self.result.outputs[name].values)
                yield name, rows, self._compared(name, rows, forms[name][rows], values, doubt[name], bound[name])
            for name in filter(self.result.outputs.__contains__, summands):
                truths[name].append(summands[name])
                bounds[name].append(bounds_of_summands[name])
                doubts[name] += [doubts_of_summands[name]] if name in doubts_of_summands else []
        for name in truths if total else ():
            bound_ = allowed_total(self.problem, self.arithmetic, bounds[name])
            got = self.result.outputs[name].values.reshape(1, 1)
            truth_ = solver.total(self.problem, truths[name], bits)
            doubt_ = self._total_doubt(bits, name, bound_, truth_, doubts[name], rows_at_a_time)
            yield name, ALL, self._compared(name, ALL, got, truth_, doubt_, bound_)

    def _compared(
        self, name: str, rows: Rows, got: Array, truth: Array, doubt: Array | float, bound: Allowed
    ) -> Elements:
        def beside(exact: Array, doubt: Array | float = 0.0) -> Elements:
            promised = bound
            if self.accuracy.letter in "AD":
                nearest = exact.astype(np.float64)
                promised = self.accuracy.allowed(name, bound, got.astype(np.float64), nearest, self._storage)
            return Elements.of(got, exact, doubt, promised, self._storage)

        elements = beside(truth, doubt)
        if elements.agreed.all():
            return elements
        return excused(self.problem, name, rows, elements, self.arithmetic, beside)

    def _doubt(
        self, bits: int, rows: Rows, bound: dict[str, Allowed], truth: Mapping[str, Array]
    ) -> tuple[dict[str, Array | float], dict[str, Losses]]:
        """How far the computed truth of these rows may be from the exact one: 0 for balls, which hold their radius."""
        if bits != FLOAT64:
            return dict.fromkeys(bound, 0.0), {}
        sharp = (self._is_sharp(bound[name], values) for name, values in truth.items())
        if self.problem.dtype == "float64" or any(sharp):
            own, summands = allowed(self.problem, self._own, rows)
            return {name: each.error for name, each in own.items()}, summands
        share = float64_share(self.problem, self.arithmetic)
        return {name: share * each.error for name, each in bound.items()}, {}

    def _is_sharp(self, bound: Allowed, truth: Array) -> bool:
        """Whether less than one rounding is allowed somewhere, as by Theorem 22: then Theorem 15 does not hold."""
        with np.errstate(invalid="ignore", over="ignore"):
            return bool((bound.error < self.arithmetic.compute.u / 2 * np.abs(truth)).any())

    def _total_doubt(
        self, bits: int, name: str, bound: Allowed, truth: Array, losses: list[Losses], rows_at_a_time: Sequence[Rows]
    ) -> Array | float:
        if bits != FLOAT64:
            return 0.0
        if len(losses) < len(rows_at_a_time):
            if not self._is_sharp(bound, truth):
                return float64_share(self.problem, self.arithmetic) * bound.error
            losses = [allowed(self.problem, self._own, rows)[1][name] for rows in rows_at_a_time]
        return allowed_total(self.problem, self._own, losses).error

    @property
    def _own(self) -> Arithmetic:
        """The arithmetic of the float64 evaluation, in the accuracy class that is judged."""
        return replace(NUMPY64, forward=self.arithmetic.forward)

    @property
    def _storage(self) -> Format:
        return FORMATS[self.problem.dtype]

    @property
    def _values_only(self) -> Case:
        return replace(self, problem=replace(self.problem, grad_output=None, tangent=None))

    def verdict(self, steps: Sequence[int]) -> Verdict:
        """Float64 for all rows, more bits for those that it leaves open, balls for the worst disagreement."""
        summary = Summary(self.problem, self.result, self.accuracy.letter)
        steps = [bits for bits in steps if self._is_worth(bits)] or BALLS
        for name, rows, elements in self.elements(steps[0], blocks(self.problem)):
            summary.add(name, rows, elements, last=len(steps) == 1)
        done = steps[0]
        for bits in steps[1:]:
            if summary.refuted or not summary.open:
                break
            done = bits
            for which, todo in summary.take_open():
                self._add_again(summary, bits, which, todo, last=bits == steps[-1])
        if summary.refuted and done <= DOUBLE_DOUBLE and steps[-1] > DOUBLE_DOUBLE:
            self._confirm(summary, [bits for bits in steps if bits > DOUBLE_DOUBLE])
        return summary.verdict()

    def _is_worth(self, bits: int) -> bool:
        """Whether this precision may decide something, and costs less than the next."""
        if bits == DOUBLE_DOUBLE:
            return sum(array.size for array in self.problem.inputs.values()) >= FEW
        return bits != FLOAT64 or float64_decides(self.problem)

    def _add_again(
        self, summary: Summary, bits: int, which: Mapping[str, Array], todo: Sequence[Rows], last: bool
    ) -> None:
        """More bits for some rows of some outputs, each for `which` of them it has; or for what is reduced."""
        case = self._values_only if which.keys() == {"value"} else self
        for name, rows, elements in case.elements(bits, todo or blocks(self.problem), total=not todo):
            if name not in which or (rows is not ALL and not todo):
                continue
            if isinstance(rows, np.ndarray):
                own = which[name][rows]
                if own.any():
                    summary.add(name, rows[own], elements.of_rows(own), last)
            else:
                summary.add(name, rows, elements, last)

    def _confirm(self, summary: Summary, steps: Sequence[int]) -> None:
        """State the worst disagreement by balls; that they contradict float64 would be an error in a theorem."""
        worst = summary.worst[DISAGREES]
        whole = not is_by_rows(self.problem) or (worst.rows is ALL and reduction_of(self.problem) != "none")
        if whole and sum(array.size for array in self.problem.inputs.values()) > LARGE:
            return
        for bits in steps:
            again = Summary(self.problem, self.result, self.accuracy.letter)
            todo = blocks(self.problem) if whole else [np.array([worst.row])]
            for name, rows, elements in self.elements(bits, todo, whole):
                if name == worst.name and (rows is ALL) == (worst.rows is ALL):
                    again.add(name, rows, elements, last=bits == steps[-1])
            if again.refuted:
                summary.worst[DISAGREES] = replace(worst, text=again.worst[DISAGREES].text)
                return
        raise AssertionError(
            f"float64 and balls contradict each other about {worst.name}: {worst.text}\n{self.problem!r}"
        )
