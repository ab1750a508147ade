"""Rows that are hard to get right, answers to them, and how near to its bound an answer comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from flint import arb, ctx

from softproof import (
    MODELS,
    OPERATIONS,
    Arithmetic,
    Output,
    Problem,
    Result,
    solve,
)
from softproof.bounds.accuracy import Accuracy
from softproof.bounds.algebra import Allowed
from softproof.bounds.theorems import allowed, allowed_total
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array
from softproof.problem.rows import ALL
from softproof.truth.solver import solve_rows, total
from softproof.verdicts.case import Case

from ..helpers.candidates import MANUAL, REFERENCE
from ..helpers.small_formats import Machine, Row, leans, small
from ..helpers.wrong_answers import EVERYWHERE, Wrong, just_outside

HALVES = {"manual": MANUAL, "reference": REFERENCE}
ALL_DTYPES = tuple(FORMATS)
INFORMATION = ("entropy", "distribution_cross_entropy", "kl_divergence")
OF_ROWS = ("logsumexp", "softmax_entropy", "softmax_kl_divergence")  # of logits, one number for each row


def hard_rows(classes: int, dtype: str, masked: bool = True) -> Floats:
    """One row of each kind: (8, C)."""
    rng, fmt = np.random.default_rng(classes), FORMATS[dtype]
    noise, ramp = rng.normal(0, 2, classes), np.linspace(-30.0, 0.0, classes)
    one = np.eye(classes)[0]
    rows = [
        (one - 1) * np.log(classes * 2.0**20),  # near 1: p = 1 - 2^-20
        (one - 1) * -np.log(1.5 * fmt.u),  # stagnation: each addition to 1 rounds up
        np.where(one, 0.0, -np.resize([8.0, 17.0, 89.0, 104.0], classes)),  # gaps
        rng.integers(-2, 3, classes).astype(np.float64),  # ties
        noise + (1e4 if fmt.precision >= 24 else 64.0),  # an offset
        rng.permutation(ramp),
        noise * 1e-30,  # tiny
        np.where(rng.random(classes) * (1 - one) > 0.5, -np.inf, noise) if masked else noise,
    ]
    return fmt.round(np.array(rows))


def problem_of(operation: str, dtype: str, classes: int, dim: str = "last", layout: str = "contiguous") -> Problem:
    """A question about hard rows, with the classes last or not, and gradients that differ from element to element."""
    rng, fmt = np.random.default_rng(7), FORMATS[dtype]
    x = hard_rows(classes, dtype, masked=operation not in (*INFORMATION, "softmax_kl_divergence"))
    g = fmt.round(rng.normal(size=x.shape))
    if operation in ("softmax", "log_softmax", *OF_ROWS, *INFORMATION):
        upstream = g if operation in ("softmax", "log_softmax") else g[:, 0]
        inputs = {"logits": x}
        if operation == "softmax_kl_divergence":
            inputs = {"p_logits": x, "q_logits": np.roll(x, 1, 0)}
        if operation in INFORMATION:
            p = np.maximum(np.exp(x - x.max(-1, keepdims=True)), 1e-4)
            p = fmt.round(p / p.sum(-1, keepdims=True))
            inputs = {"p": p, "q": np.roll(p, 1, 0)}
            inputs = {name: inputs[name] for name in OPERATIONS[operation].inputs}
        if dim == "other":
            inputs = {name: array.T.copy() for name, array in inputs.items()}
            upstream = upstream.T.copy()
        return Problem(operation, dtype, inputs, {"dim": -1 if dim == "last" else 0}, upstream, layout)
    if operation == "cross_entropy":
        y = np.arange(len(x)) * 5 % classes
        y[-1] = 0  # not a masked class
        logits, target = (x, y) if dim == "last" else (np.stack([x, x], -1), np.stack([y, y], -1))
        weight = fmt.round(rng.uniform(0.5, 2, classes))
        return Problem(operation, dtype, {"logits": logits, "target": target, "weight": weight}, {}, 0.75, layout)
    features, outputs = min(classes, 40), 9
    inputs = {"input": fmt.round(rng.normal(size=(8, features)) / 2), "weight": g[:1, :features].repeat(outputs, 0)}
    inputs["weight"] = fmt.round(rng.normal(size=(outputs, features)) / 4)
    if operation == "linear":
        return Problem(operation, dtype, inputs | {"bias": g[0, :1].repeat(outputs)}, {}, fmt.round(
            rng.normal(size=(8, outputs))), layout)  # fmt: skip
    inputs = {"input": inputs["input"], "linear_weight": inputs["weight"], "linear_bias": g[1, :1].repeat(outputs)}
    return Problem(operation, dtype, inputs | {"target": np.arange(8)}, {"label_smoothing": 0.25}, 0.75, layout)


HELD = [
    *((half, model, dtype) for half, model in (("manual", "numpy"), ("manual", "any-order"))
      for dtype in ("float64", "float32", "float16")),
    *(("reference", "torch-cpu", dtype) for dtype in ALL_DTYPES),
    *(("reference", "any-order", dtype) for dtype in ("float64", "float32")),
]  # fmt: skip


WRONG: dict[str, Wrong] = {
    **EVERYWHERE,
    "uniform": lambda exact, *_: np.full_like(exact, exact.mean() + 2.0**-6),
    "nan": lambda exact, *_: np.where(exact == exact.max(), np.nan, exact),
    "just outside": just_outside,
}


def models_of(problem: Problem) -> dict[str, Arithmetic]:
    """The models that differ for this problem."""
    found: dict[str, Arithmetic] = {}
    for name, model in MODELS.items():
        if model(problem) not in found.values():
            found[name] = model(problem)
    return found


def answer_of(problem: Problem, **outputs: Array) -> Result:
    """The exact answer, of which some outputs are replaced, in the nearest numbers that the format holds."""
    found = {name: array.astype(np.float64) for name, array in solve(problem).items()} | outputs
    rounded = {name: FORMATS[problem.dtype].round(array) for name, array in found.items()}
    return Result({name: Output(array, problem.dtype) for name, array in rounded.items()})


def ordinary(operation: str, dtype: str) -> Problem:
    """A question whose bound is far below the answer in every model, if there is one."""
    rng, fmt = np.random.default_rng(3), FORMATS[dtype]
    x, g = fmt.round(rng.normal(0, 1, (4, 12))), fmt.round(rng.uniform(0.5, 2, (4, 12)) * rng.choice([-1.0, 1.0], 12))
    target = {"target": np.array([0, 3, 5, 7])}
    if operation == "cross_entropy":
        return Problem(operation, dtype, {"logits": x, **target}, {}, 0.75)
    if operation in INFORMATION:
        p = rng.dirichlet(np.full(12, 9.0), 8)
        pair = {"p": fmt.round(p[:4]), "q": fmt.round(p[4:])}
        return Problem(
            operation, dtype, {name: pair[name] for name in OPERATIONS[operation].inputs}, {"dim": -1}, g[0, :4]
        )
    if operation == "linear":
        return Problem(operation, dtype, {"input": x, "weight": g[:3], "bias": x[0, :3]}, {}, g[:, :3])
    if operation == "linear_cross_entropy":
        inputs = {"input": x, "linear_weight": fmt.round(rng.normal(0, 0.25, (8, 12))), "linear_bias": x[0, :8]}
        return Problem(operation, dtype, inputs | target, {}, 0.75)
    if operation == "softmax_kl_divergence":
        return Problem(operation, dtype, {"p_logits": x, "q_logits": g * 2}, {"dim": -1}, g[:, 0])
    return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g[:, 0] if operation in OF_ROWS else g)


def doubtful(problem: Problem, arithmetic: Arithmetic, letter: str) -> Iterator[tuple[str, float]]:
    """Of each output, how far float64 is from the balls in units of what the judge thinks it may be."""
    accuracy = Accuracy(letter)
    arithmetic = accuracy.arithmetic(arithmetic)
    case = Case(problem, Result(), arithmetic, accuracy)
    (rough, rough_summands), (exact, summands) = solve_rows(problem, 53), solve_rows(problem, 256)
    limits, of_summands = allowed(problem, arithmetic)
    doubt, of_doubts = case._doubt(53, ALL, limits, rough)
    for name, each in summands.items():
        rough[name], exact[name] = (
            total(problem, [rows], bits) for rows, bits in ((rough_summands[name], 53), (each, 256))
        )
        limit = allowed_total(problem, arithmetic, [of_summands[name]])
        own = [of_doubts[name]] if name in of_doubts else []
        doubt[name] = case._total_doubt(53, name, limit, rough[name], own, [ALL])
    for name, balls in exact.items():
        allowance = np.broadcast_to(doubt[name], balls.shape)
        for at in np.ndindex(*balls.shape):
            if isinstance(balls[at], arb):
                with ctx.workprec(300):
                    error = abs(float((arb(float(rough[name][at])) - balls[at]).mid()))
                yield name, float(error / allowance[at]) if error else 0.0
            else:
                assert repr(float(rough[name][at])) == repr(balls[at])


def _logits(rng: np.random.Generator, m: Machine, classes: int) -> Floats:
    """Ordinary, far below the first, near to each other, one far above the rest, with an offset, or level: (200, C)."""
    shape = 200, classes
    x = rng.normal(0, 2, shape)
    far = -rng.uniform(8, 60, (200, 1)) * (np.arange(classes) > 0)  # l is exact there, and what follows shows
    level = np.where(rng.random(shape) < 0.5, 0.0, -rng.integers(8, 40, shape))  # ones, and what they swallow
    kinds = [x, far, far, x / 16, x + rng.choice([8.0, -64.0]), np.sign(x), np.where(np.arange(classes) == 0, 8.0, x)]
    kinds += [level, level + rng.choice([0.0, 4.0])]
    return m.round(kinds[int(rng.integers(len(kinds)))])


def row_of(rng: np.random.Generator, arithmetic: Arithmetic, classes: int) -> Row:
    """A row of a small format's evaluation, with logits that are hard."""
    m = Machine(arithmetic, rng)
    x = _logits(rng, m, classes)
    return Row(m, x, leans(rng, x.shape), rng.choice([-1.0, 1.0], (len(x), 1)))


def limits_of(
    operation: str,
    arithmetic: Arithmetic,
    inputs: dict[str, Any],
    options: dict[str, Any],
    g: Array,
    tangent: Array | None = None,
) -> tuple[dict[str, Array], dict[str, Allowed]]:
    """The truth, which float64 is near enough to, and the bounds."""
    problem = Problem(operation, "float64", inputs, options, g, tangent=tangent)
    (truth, summands), (found, of_summands) = solve_rows(problem, 53), allowed(problem, arithmetic)
    truth |= {name: total(problem, [each], 53) for name, each in summands.items()}
    found |= {name: allowed_total(problem, arithmetic, [each]) for name, each in of_summands.items()}
    return truth, found


def worst_of(got: Array, exact: Array, limit: Array) -> float:
    """The largest error in units of the bound."""
    error = np.abs(got - exact)
    assert np.isfinite(error).all()
    return float(np.divide(error, limit, out=np.zeros_like(error), where=error > 0).max())


def arithmetics(rng: np.random.Generator) -> Iterator[Arithmetic]:
    """4 to 11 bits, with little room below 1 or much."""
    for precision in (4, 5, 8, 11):
        for e_min in (-12, -30):
            yield small(precision, e_min, c=float(rng.choice([2.0, 3.0, 5.0])))
