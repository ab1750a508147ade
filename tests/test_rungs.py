"""The rung between float64 and balls as a whole: it says what balls say, of every operation, and decides like them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Output, Problem, Result, judge_result, problems, solve
from softproof.bounds.algebra import Allowed
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.problem.rows import Rows
from softproof.truth import balls as balls_module
from softproof.truth import cross_entropy, linear, solver
from softproof.truth.double_double import DoubleDouble
from softproof.truth.solver import DOUBLE_DOUBLE, FLOAT64
from softproof.verdicts.case import BALLS, BITS, FEW
from softproof.verdicts.elements import Elements
from softproof.verdicts.verdict import AGREES, DISAGREES

from .helpers.candidates import MANUAL, with_a_moved_gradient

INF, NAN = np.inf, np.nan


def compared(problem: Problem) -> tuple[int, int, int]:
    """How many elements there are, how many are known, and how many of these have 80 digits: no ball misses another."""
    counts = np.zeros(3, int)
    found, exact = solve(problem, DOUBLE_DOUBLE), solve(problem, 512)
    assert found.keys() == exact.keys()
    for name, array in found.items():
        for near, ball in zip(array.flat, exact[name].flat, strict=True):
            counts += _beside(near, ball)
    return int(counts[0]), int(counts[1]), int(counts[2])


def _beside(near: Any, ball: Any) -> tuple[bool, bool, bool]:
    """Of one element: that it is one, is known, and is sharp."""
    if not isinstance(near, arb):
        assert near == ball or (near != near and ball != ball), (near, ball)
        return True, True, True
    if not near.is_finite():
        return True, False, False
    assert near.overlaps(ball) if isinstance(ball, arb) else near == ball == 0, (near, ball)
    return True, True, bool(near.rad() <= abs(near.mid()) * arb(2) ** -80)


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_drawn_problems(operation: str, data: st.DataObject) -> None:
    """With every option, in every format."""
    compared(data.draw(problems(operation, data.draw(st.sampled_from(list(FORMATS))))))


def _usual(operation: str, rows: int, classes: int) -> Problem:
    """A problem of everyday numbers in float64, with all derivatives that there are."""
    rng = np.random.default_rng(3)
    x = {name: rng.normal(size=(rows, classes)) * 3 for name in ("logits", "input")}
    p, q = (rng.dirichlet(np.ones(classes), rows) for _ in range(2))
    w, target, d = rng.normal(size=(5, classes)), rng.integers(0, classes, rows), {"dim": -1}
    g, t = rng.normal(size=(rows, classes)), rng.normal(size=(rows, classes))
    given: dict[str, tuple[Any, ...]] = {
        "softmax": ({"logits": x["logits"]}, d, g, t),
        "log_softmax": ({"logits": x["logits"]}, d, g, t),
        "logsumexp": ({"logits": x["logits"]}, d, g[:, 0], t),
        "softmax_entropy": ({"logits": x["logits"]}, d, g[:, 0]),
        "softmax_kl_divergence": ({"p_logits": x["logits"], "q_logits": x["input"]}, d, g[:, 0]),
        "entropy": ({"p": p}, d, g[:, 0]),
        "distribution_cross_entropy": ({"p": p, "q": q}, d, g[:, 0]),
        "kl_divergence": ({"p": p, "q": q}, d, g[:, 0]),
        "linear": ({"input": x["input"], "weight": w, "bias": w[:, 0]}, {}, rng.normal(size=(rows, 5))),
        "cross_entropy": ({"logits": x["logits"], "target": q}, {"label_smoothing": 0.1}, 2.0, t),
        "linear_cross_entropy": ({"input": x["input"], "linear_weight": w, "target": target % 5}, {}, 1.0),
    }
    inputs, options, upstream, *tangent = given[operation]
    return Problem(operation, "float64", inputs, options, upstream, tangent=tangent[0] if tangent else None)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_everyday_numbers_need_no_ball(operation: str) -> None:
    """Nearly all elements have 80 binary digits, in arrays that are evaluated by chunks."""
    size, known, sharp = compared(_usual(operation, 3, 3000))

    assert size > 3000
    assert known == size
    assert sharp >= 0.999 * size


# ---- the comparison -------------------------------------------------------------------------------------------------


def test_decisions_are_those_of_balls() -> None:
    """On the edge of a bound, of infinities and nan, and where nothing is known."""
    rng = np.random.default_rng(8)
    high = np.ldexp(rng.normal(size=(40, 60)), rng.integers(-40, 40, (40, 60)))
    radius = np.abs(high) * 2.0 ** rng.integers(-100, -50, high.shape)
    exact = DoubleDouble(high.copy(), high * 2.0**-54 * rng.random(high.shape), radius)
    exact[rng.random(high.shape) < 0.1] = INF
    exact[rng.random(high.shape) < 0.1] = NAN
    allowed = np.abs(high) * 2.0 ** -rng.integers(30, 60, high.shape).astype(float)
    edge = 1 + rng.choice([-1, 1], high.shape) * 2.0 ** -rng.integers(1, 40, high.shape).astype(float)
    got = high + rng.choice([0.0, 1, -1], high.shape) * allowed * edge
    got[rng.random(high.shape) < 0.1] = NAN
    got = np.where(exact.special & (rng.random(high.shape) < 0.5), exact.high, got)
    allowed[rng.random(high.shape) < 0.1] = INF
    unknown = rng.random(high.shape) < 0.1
    exact.radius[unknown] = INF

    for dtype in ("float64", "float32"):
        bound = Allowed(high, allowed)
        found, other = (Elements.of(got, each, 0.0, bound, FORMATS[dtype]) for each in (exact, exact.balls()))
        assert not (found.agreed & ~other.agreed).any()
        assert not (found.refuted & ~other.refuted).any()
        assert (found.open | found.unsure | found.agreed | found.refuted).all()
        assert not (found.agreed | found.refuted)[unknown].any()
        assert found.open[unknown].all()
        left = ~(found.agreed | found.refuted) & (other.agreed | other.refuted)
        near = exact.radius >= 2.0**-21 * allowed
        assert not ((exact.radius > 2.0**-19 * allowed) & found.agreed & np.isfinite(exact.high)).any()
        assert (near | unknown | ~np.isfinite(allowed))[left].all()
        assert found.agreed.sum() > 300 < found.refuted.sum(), (found.agreed.sum(), found.refuted.sum())


def test_the_rung_decides_without_a_ball(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large float64 problems, from double-double numbers on."""
    problem = _usual("cross_entropy", 64, 3000)
    result = MANUAL.answer(problem)
    for module in (balls_module, cross_entropy, linear, solver):
        monkeypatch.setattr(module, "balls", None)

    assert judge_result(problem, result, bits=BITS[1:]).outcome == AGREES


def test_a_disagreement_on_the_rung_is_stated_by_balls() -> None:
    """Word by word."""
    problem = _usual("cross_entropy", 20, 60)
    moved = with_a_moved_gradient(problem, 1e-6)
    first, second = (judge_result(problem, moved, bits=bits) for bits in (BITS[1:], BALLS))

    assert (first.outcome, first.index) == (DISAGREES, (1, 2))
    assert first.explanation == second.explanation


def test_a_contradiction_with_balls_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a radius did not hold, no verdict would be given."""
    problem = _usual("cross_entropy", 20, 60)
    result = MANUAL.answer(problem)

    def off(values: Array) -> Any:
        return DoubleDouble(np.asarray(values, np.float64) * (1 + 1e-6))

    monkeypatch.setattr(solver, "doubles", off)

    with pytest.raises(AssertionError, match="contradict each other"):
        judge_result(problem, result, bits=BITS[1:])


def test_what_the_rung_leaves_open_goes_to_balls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits that float64 cannot subtract, and small problems, which are not worth it."""
    asked: list[int] = []
    solve_rows = solver.solve_rows

    def noted(problem: Problem, bits: int, rows: Rows) -> Any:
        asked.append(bits)
        return solve_rows(problem, bits, rows)

    monkeypatch.setattr(solver, "solve_rows", noted)
    logits = np.where(np.arange(FEW) % 2, 1.7e308, -1.7e308).reshape(2, -1)
    huge = Problem("softmax", "float64", {"logits": logits}, {"dim": -1})
    exact = np.where(logits > 0, 4 / FEW, 0.0)

    assert judge_result(huge, Result({"value": Output(exact, "float64")}), bits=BITS).ok
    assert asked == [DOUBLE_DOUBLE, 128]
    asked.clear()
    small = Problem("softmax", "float64", {"logits": [0.0, 0.0]}, {"dim": -1})
    assert judge_result(small, Result({"value": Output(np.array([0.5, 0.5]), "float64")}), bits=BITS[1:]).ok
    assert asked == [128]
    assert FLOAT64 < DOUBLE_DOUBLE < BALLS[0]
