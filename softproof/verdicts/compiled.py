"""A question whose truth and bounds are computed beforehand, so that judging an answer is a comparison and no more.

The comparison is the judge's own. The rare elements that the stored numbers leave open go to the judge, which uses
balls of more and more bits. So do elements outside their bound where no document fixes the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from flint import arb, ctx

from ..bounds.accuracy import Accuracy
from ..bounds.algebra import Allowed, RowFactor
from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model, arithmetic_of, model
from ..bounds.theorems import allowed, allowed_total
from ..problem.checks import check
from ..problem.formats import FORMATS
from ..problem.problem import Array, Problem, Result
from ..problem.rows import ALL, Rows, blocks, count_rows, is_reduced, row_form
from ..truth import solver
from ..truth.double_double import DoubleDouble
from .case import BALLS, Case
from .elements import Elements
from .misfits import not_an_answer
from .verdict import DISAGREES, Verdict

BITS = BALLS[0]  # of the truth that is kept
KEPT = 107  # the place of what is kept among the numbers of bits: after double-double numbers, before balls
TINY = FORMATS["float64"].subnormal
CLOSE = 2.0**-1021  # up to here every float64 number is a multiple of the least


@dataclass(frozen=True)
class Compiled:
    """One output of a problem, all of its rows in row form: its truth, and what is allowed.

    Some of the truth may lie `between` two neighbours that are multiples of the least float64 number; the nearer one is
    in its place, which is less than the least number away.
    """

    truth: DoubleDouble
    allowed: Allowed
    between: Array | None = None


Outputs = dict[str, Compiled]


def can_be_compiled(problem: Problem) -> bool:
    """Whether its rows are judged together, as those of problems of up to 2^16 elements are."""
    return len(blocks(problem)) == 1


def compiled(problem: Problem, arithmetic: str | Arithmetic | Model | None = None) -> Outputs:
    """The truth and the bounds of all outputs of a problem under a model.

    Raises: ValueError, TypeError or IndexError where the problem is malformed, is too large, or does not fit.

    >>> problem = Problem("logsumexp", "float32", {"logits": [0.0, 0.0]}, {"dim": -1})
    >>> compiled(problem, "any-order")["value"].truth.high.tolist()
    [[0.6931471805599453]]
    """
    check(problem)
    if not can_be_compiled(problem):
        raise ValueError(
            f"problem has {count_rows(problem)} rows, which are judged in {len(blocks(problem))} blocks; expected one "
            "that is judged at once"
        )
    chosen, rows = arithmetic_of(model(arithmetic), problem), blocks(problem)[0]
    truth, summands = solver.solve_rows(problem, BITS, rows)
    bound, losses = allowed(problem, chosen, rows)
    truth |= {name: solver.total(problem, [each], BITS) for name, each in summands.items()}
    bound |= {name: allowed_total(problem, chosen, [each]) for name, each in losses.items()}
    return {name: _compiled(np.asarray(each, object), bound[name]) for name, each in truth.items()}


def _compiled(balls: Array, bound: Allowed) -> Compiled:
    """Balls, and floats that are special, as two float64 numbers each with a radius."""
    truth = DoubleDouble(*np.zeros((3, *balls.shape)))
    with ctx.workprec(2 * BITS):
        for at in np.ndindex(balls.shape):
            truth.high[at], truth.low[at], truth.radius[at] = _number(balls[at])  # type: ignore[arg-type]  # of objects
    between = (truth.radius == TINY) & (np.abs(truth.high) < CLOSE)
    truth.radius[between] = 0.0
    return Compiled(truth, _with_room(bound, between), between) if between.any() else Compiled(truth, bound)


def _number(ball: arb | float) -> tuple[float, float, float]:
    """One of them."""
    if isinstance(ball, float):
        return ball, 0.0, 0.0
    high = float(ball.mid())
    if not np.isfinite(high) or not ball.is_finite():
        return 0.0, 0.0, np.inf
    rest = ball - arb(high)
    low = 0.0 if abs(high) < CLOSE else float(rest.mid())
    rest -= arb(low)
    return high, low, 0.0 if rest == 0 else _above(rest.abs_upper())


def _above(ball: arb) -> float:
    """A float64 number that is larger than a positive one."""
    found = float(ball)
    return found if arb(found) > ball else float(np.nextafter(found, np.inf))


def _with_room(bound: Allowed, between: Array) -> Allowed:
    """The same, where what the rows have in common is compared with the neighbours of the truth."""
    if isinstance(bound.row, RowFactor):
        return replace(bound, row=replace(bound.row, fixed=bound.row.fixed + TINY * between))
    return bound if bound.row is None else replace(bound, row=replace(bound.row, own=bound.row.own + TINY * between))


# ---- one answer -----------------------------------------------------------------------------------------------------


def judge_compiled(
    problem: Problem,
    result: Result,
    outputs: Outputs,
    arithmetic: str | Arithmetic | Model | None = None,
    *,
    device: str = "cpu",
    unasked: frozenset[str] = frozenset(),
) -> Verdict:
    """The verdict of `softproof.judge_result` on an answer in class C, from what `compiled` gave under the model."""
    if text := not_an_answer(problem, result, device, unasked):
        return Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem)
    chosen = arithmetic_of(model(arithmetic), problem)
    return _CompiledCase(problem, result, chosen, Accuracy(), outputs).verdict((KEPT, *BALLS))


def on_the_edge(elements: Elements, between: Array | None) -> Elements:
    """The same, where what is as far from the neighbour of the truth as is allowed is left open."""
    if between is None:
        return elements
    edge = between & np.isfinite(elements.error) & (np.abs(elements.error) == elements.allowed)
    if elements.excused is not None:
        edge &= elements.excused == 0
    return replace(elements, agreed=elements.agreed & ~edge, refuted=elements.refuted & ~edge)


@dataclass(frozen=True)
class _CompiledCase(Case):
    """One answer, compared with what was kept where no bits are asked for."""

    kept: Mapping[str, Compiled]

    def elements(
        self, bits: int, rows_at_a_time: Sequence[Rows], total: bool = True
    ) -> Iterator[tuple[str, Rows, Elements]]:
        """The outputs beside the truth that is kept; or as the judge does it, with more bits."""
        if bits != KEPT:
            yield from super().elements(bits, rows_at_a_time, total)
            return
        for name, kept in self.kept.items():
            if name in self.result.outputs:
                rows = ALL if is_reduced(self.problem, name) else rows_at_a_time[0]
                got = row_form(self.problem, name, self.result.outputs[name].values)
                elements = self._compared(name, rows, got, kept.truth, 0.0, kept.allowed)  # type: ignore[arg-type]  # as of an array
                yield name, rows, on_the_edge(elements, kept.between)
