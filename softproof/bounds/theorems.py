"""How far a correct implementation may lie from the truth: one function per theorem of docs/theory/bounds.md.

Each bound is per element, depends on the problem and an arithmetic model, and is evaluated in float64. A bound of inf
says that the theorem promises nothing there; `verdicts` then says *no guarantee*. These files hold the only numbers of
the project that act as tolerances, and each of them counts roundings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..problem.checks import check
from ..problem.formats import Floats
from ..problem.homes import entries, functions
from ..problem.outputs import output_shapes
from ..problem.problem import Problem
from ..problem.rows import ALL, REDUCED, Rows, count_rows, row_length, shaped
from .algebra import Allowed as Allowed
from .algebra import RowFactor as RowFactor
from .algebra import rdiv as rdiv
from .algebra import rmul as rmul
from .algebra import stored
from .arithmetic import Arithmetic
from .losses import Losses as Losses
from .models import Model, arithmetic_of, model
from .overflow import EVALUATION as EVALUATION
from .reductions import reduced

Bounds = dict[str, Floats]

_THEOREMS: dict[str, Callable[[Problem, Arithmetic, Rows], dict[str, Any]]] = functions(__package__)

_OF_ALL = (1, 13, 15, 22)  # storing, overflow, the bounds in float64, sums that are exact
CITED: dict[str, tuple[int, ...]] = entries(__package__, "CITED")  # what an operation's bounds rest on besides

_quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")


def bound(problem: Problem, arithmetic: str | Arithmetic | Model | None = None) -> Bounds:
    """Allowed |computed - exact| per element of each output of `problem`, in the order-free model by default.

    `arithmetic` is as in `softproof.judge`: a name from `softproof.MODELS`, an `Arithmetic`, or a function to one.

    >>> problem = Problem("logsumexp", "float32", {"logits": [0.0, 0.0]}, {"dim": -1})
    >>> float((bound(problem)["value"] / 2.0**-24).round(2))  # in units of u: 5 log 2 and log 2; 1 + 1 is exact
    4.16
    """
    check(problem)
    chosen = arithmetic_of(model(arithmetic), problem)
    found, summands = allowed(problem, chosen)
    found |= {name: allowed_total(problem, chosen, [each]) for name, each in summands.items()}
    shapes = output_shapes(problem)
    return {name: shaped(problem, name, found[name].error, shape) for name, shape in shapes.items()}


def theorems(operation: str, arithmetic: Arithmetic, accuracy: str = "C") -> tuple[int, ...]:
    """The numbers of the theorems of docs/theory/bounds.md that a bound rests on; none in class A, which needs none.

    >>> theorems("entropy", arithmetic_of(model("fused"), Problem("softmax", "float32", {"logits": [0.0]}, {"dim": 0})))
    (1, 7, 13, 15, 19, 22, 30)
    """
    fused = any((arithmetic.online, arithmetic.base2, arithmetic.subtracts_logsumexp, arithmetic.scales_logits))
    of_logits = 5 in CITED[operation]  # what has probabilities of its own
    through, folded = of_logits and arithmetic.through_maximum, of_logits and arithmetic.folded_from
    more = [number for number, holds in ((16, accuracy == "B"), (19, fused), (28, through), (29, folded)) if holds]
    return () if accuracy == "A" else tuple(sorted({*_OF_ALL, *CITED[operation], *more}))


@_quiet
def allowed(problem: Problem, arithmetic: Arithmetic, rows: Rows = ALL) -> tuple[dict[str, Allowed], dict[str, Losses]]:
    """The bounds of some rows, in row form; and of what is reduced, what `allowed_total` wants of these rows."""
    if "logits" in problem.inputs and not row_length(problem):
        return _of_no_classes(problem, rows), {}
    found = _THEOREMS[problem.operation](problem, arithmetic, rows)
    summands = {name: each for name, each in found.items() if isinstance(each, Losses)}
    return {name: _finished(each, arithmetic) for name, each in found.items() if name not in summands}, summands


def _of_no_classes(problem: Problem, rows: Rows) -> dict[str, Allowed]:
    """Rows without a class: nothing is computed, so there is no error."""
    count = len(np.arange(count_rows(problem))[rows])
    one = REDUCED if problem.operation == "logsumexp" else ()
    nothing = {name: np.zeros((count, int(name in one))) for name in output_shapes(problem)}
    return {name: Allowed(each, each) for name, each in nothing.items()}


@_quiet
def allowed_total(problem: Problem, arithmetic: Arithmetic, losses: Sequence[Losses]) -> Allowed:
    """The bound of a reduced loss, or of its derivative in a direction, from those of all rows."""
    columns = [np.concatenate([getattr(each, column.name) for each in losses]) for column in fields(Losses)]
    return _finished(reduced(problem, arithmetic, Losses(*columns)), arithmetic)


def _finished(unrounded: Allowed, arithmetic: Arithmetic) -> Allowed:
    """Rounded to storage once, and enlarged by the rounding of the bound itself; 0·inf promises nothing."""
    error, row = unrounded.error, unrounded.row
    if arithmetic.rounds_on_storing:
        error = stored(unrounded.value, error, arithmetic)
        row = None if row is None else row.stored(unrounded.value, arithmetic)
    error = error * (1 + EVALUATION)
    row = None if row is None else row.enlarged(1 + EVALUATION)
    if np.isnan(error.max(initial=0.0)):
        error = np.where(np.isnan(error), np.inf, error)
    return replace(unrounded, error=error, row=row)
