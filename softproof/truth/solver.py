"""The truth: what mathematics says, evaluated in balls (enclosures) of any precision, or in one or two float64 numbers.

One set of formulas, three kinds of numbers. With `bits` above 53 each element is a `flint.arb` ball that certainly
contains the exact value, or one of the Python floats inf, -inf and nan where the exact answer is not a finite number;
arb is Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Comput. 66(8),
2017. With 106 bits these balls come from double-double numbers, computed for whole arrays at a time; where these
decide nothing, the ball holds every number. With 53 bits the same formulas are evaluated in float64, and a theorem of
docs/theory/bounds.md, which `judge` applies, says how far they may be off. The number of bits is an argument; no global
state changes.

Signs, zeros and denominators are decided in integers on the float64 inputs (`exact_sums`, `signs`), never by a ball or
by float64, and so are the same at every precision. A ball that is not finite decides nothing and asks for more bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from flint import ctx

from ..problem.checks import check
from ..problem.homes import functions
from ..problem.outputs import output_shapes
from ..problem.problem import Array, Problem
from ..problem.rows import ALL, REDUCED, Rows, blocks, is_reduced, reduction_of, row_length, shaped
from ..problem.validation import check_precision
from .balls import Number, Truth, balls, doubles, floats
from .cross_entropy import finite_losses, reduced
from .double_double import DoubleDouble
from .information import without_impossible
from .softmax import of_no_classes

FLOAT64, DOUBLE_DOUBLE = 53, 106  # as numbers of bits: not balls, but float64 itself, and double-double numbers


def solve(problem: Problem, bits: int = 128) -> Truth:
    """Value and derivatives of a problem, each element enclosed with a working precision of `bits`.

    Raises: ValueError, TypeError or IndexError when the problem is malformed, or `bits` is not at least 53.

    >>> problem = Problem("logsumexp", "float64", {"logits": [0.0, 0.0]}, {"dim": -1}, grad_output=1.0)
    >>> print(solve(problem)["value"][()].str(30))
    [0.693147180559945309417232121458 +/- 1.77e-31]
    """
    check(problem)
    bits = check_precision("bits", bits)
    found, summands = solve_rows(problem, bits)
    found |= {name: total(problem, [each], bits) for name, each in summands.items()}
    found = {name: each.balls() if isinstance(each, DoubleDouble) else each for name, each in found.items()}
    return {name: shaped(problem, name, found[name], shape) for name, shape in output_shapes(problem).items()}


def solve_rows(problem: Problem, bits: int, rows: Rows = ALL) -> tuple[Truth, Truth]:
    """The truth about some rows, in row form; and of what is reduced, what `total` wants of these rows (r, 1)."""
    if "logits" in problem.inputs and not row_length(problem):
        truth = of_no_classes(problem, rows)
    elif bits in (FLOAT64, DOUBLE_DOUBLE):
        with np.errstate(all="ignore"):
            truth = _SOLVERS[problem.operation](problem, rows, floats if bits == FLOAT64 else doubles)
    else:
        with ctx.workprec(bits):
            truth = _SOLVERS[problem.operation](problem, rows, balls)
    summands = {name: truth.pop(name) for name in REDUCED if name in truth and is_reduced(problem, name)}
    return truth, summands


def total(problem: Problem, losses: Sequence[Array], bits: int) -> Array:
    """The reduced loss, or its derivative in a direction, (1, 1), from those of all rows."""
    with ctx.workprec(bits), np.errstate(all="ignore"):
        return reduced(problem, np.concatenate(losses), {FLOAT64: floats, DOUBLE_DOUBLE: doubles}.get(bits, balls))


def without_masked(problem: Problem, rows: Rows, bits: int) -> Array:
    """The value of some rows, or of what all of them are reduced to, without the terms whose logarithm is -inf."""
    with ctx.workprec(bits):
        if "logits" not in problem.inputs:
            return without_impossible(problem, rows)
        if reduction_of(problem) == "none":
            return finite_losses(problem, rows)
        return total(problem, [finite_losses(problem, each) for each in blocks(problem)], bits)


_SOLVERS: dict[str, Callable[[Problem, Rows, Number], Truth]] = functions(__package__)
