"""Ziv's strategy, step by step: what float64 decides, what it leaves open, and what is done about contradictions."""

from __future__ import annotations

import tracemalloc
from typing import Any, Literal

import numpy as np
import pytest

import manual
from softproof import Output, Problem, Result, any_order, judge, judge_result, load, solve
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.problem.rows import wide_rows
from softproof.truth import balls, cross_entropy, linear, solver
from softproof.truth.solver import FLOAT64
from softproof.verdicts.case import BITS, LARGE
from softproof.verdicts.elements import ROUNDING
from softproof.verdicts.float64 import float64_decides, float64_share
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE

from .helpers.candidates import MANUAL, with_a_moved_gradient

WIDE = 262_144  # classes


def _loss(rows: int, classes: int, dtype: str) -> Problem:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    return Problem("cross_entropy", dtype, {"logits": logits, "target": rng.integers(0, classes, rows)}, {}, 1.0)


def test_large_rows_are_decided_by_float64(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """262144 classes, without a single ball: the reference is that balls would give the same verdict."""
    problem = _loss(2, WIDE, dtype)
    for module in (cross_entropy, linear, solver):
        monkeypatch.setattr(module, "balls", None)

    assert judge(MANUAL, problem).outcome == AGREES


def test_large_problems_need_little_memory() -> None:
    """Some rows at a time: a quarter of the inputs and outputs is more than enough beside them."""
    problem = _loss(1024, 8192, "float32")
    result = MANUAL.answer(problem)
    held = sum(array.nbytes for array in problem.inputs.values())
    held += sum(output.values.nbytes for output in result.outputs.values())

    tracemalloc.start()
    verdict = judge_result(problem, result)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert verdict.ok
    assert peak <= held / 4


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_lie_one_after_another(order: Literal["C", "F"]) -> None:
    """However the caller holds them: only along contiguous rows does NumPy sum pairwise, as Theorem 15 assumes."""
    logits = np.asarray(np.random.default_rng(1).normal(size=(7, 9)), order=order)

    assert wide_rows(logits, -1).flags.c_contiguous
    assert wide_rows(logits, -1, slice(2, 5)).flags.c_contiguous
    assert wide_rows(logits, 0, np.array([1, 4])).flags.c_contiguous


def test_a_disagreement_is_stated_by_balls(dtype: str) -> None:
    """All digits of the exact value, whatever found it."""
    problem = _loss(3, 40, dtype)

    verdicts = [judge_result(problem, with_a_moved_gradient(problem, 1e-3), bits=bits) for bits in (BITS, BITS[1:])]

    assert [verdict.outcome for verdict in verdicts] == [DISAGREES] * 2
    assert verdicts[0].index == (1, 2)
    assert verdicts[0].explanation.split(";")[0] == verdicts[1].explanation.split(";")[0]


def test_float64_and_balls_agree(dtype: str) -> None:
    """The ratio that float64 gives is at least the exact one, and in float32 at most two of its doubts above."""
    problem = _loss(3, 40, dtype)
    result = MANUAL.answer(problem)

    first, last = (judge_result(problem, result, bits=bits).ratio for bits in (BITS, BITS[1:]))

    assert first >= last * (1 - ROUNDING)
    if dtype == "float32":  # |got - float64| is off by one doubt, which is then added
        assert first <= (last + 2 * float64_share(problem, any_order(dtype))) * (1 + ROUNDING)


def test_float64_alone_decides_a_mean(dtype: str) -> None:
    """Its doubt about what is reduced is far less than what is allowed in float32, and no more than that in float64."""
    problem = _loss(3, 40, dtype)
    exact = {name: Output(FORMATS[dtype].round(values), dtype) for name, values in solve(problem).items()}

    assert judge_result(problem, Result(exact), arithmetic="any-order", bits=BITS[:1]).outcome == AGREES


def test_a_contradiction_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """If float64 refutes what balls confirm, a theorem is wrong, and no verdict is given."""
    problem = _loss(3, 40, "float32")
    result = MANUAL.answer(problem)

    def off(values: Array) -> Array:
        return np.asarray(values, np.float64) * (1 + 1e-4)

    for module in (balls, solver):
        monkeypatch.setattr(module, "floats", off)

    with pytest.raises(AssertionError, match="float64 and balls contradict each other"):
        judge_result(problem, result)


def test_float64_alone_can_be_undecided() -> None:
    """With no balls to ask, an answer within the doubt of the edge gets no verdict."""
    problem = Problem("logsumexp", "float64", {"logits": [0.0, 0.0]}, {"dim": -1})
    allowed = judge_result(problem, Result({"value": Output(np.array(np.log(2)), "float64")}), bits=[128])
    assert allowed.ok

    edge = np.array(np.log(2) * (1 + 2.0**-50.5))
    verdict = judge_result(problem, Result({"value": Output(edge, "float64")}), bits=[FLOAT64])

    assert verdict.outcome == "undecided"


def test_rows_that_have_no_softmax_count_only_when_they_are_kept() -> None:
    """NaN, two +inf and -inf alone: NaN where the label counts, and 0 where it is ignored."""
    rows = np.array([[np.nan, 0.0], [np.inf, np.inf], [-np.inf, -np.inf], [0.0, 1.0]])
    ignored = Problem("cross_entropy", "float64", {"logits": rows, "target": [-100, -100, -100, 0]}, {}, 1.0)
    kept = Problem("cross_entropy", "float64", {"logits": rows, "target": [0] * 4}, {"reduction": "sum"}, 1.0)

    assert judge(load("reference:accurate_cross_entropy", operation="cross_entropy"), ignored).ok
    assert np.isnan(solver.solve(kept)["value"].item())
    assert np.isnan(solver.solve(kept)["grad_logits"][:3].astype(np.float64)).all()
    assert (solver.solve(ignored)["grad_logits"][:3] == 0).all()


LOGITS = {"logits": np.zeros((2, 3))}


@pytest.mark.parametrize(
    ("problem", "error", "words"),
    [
        (
            Problem("softmax", "float64", LOGITS, {"dim": 3}),
            IndexError,
            r"dim is 3; logits of shape \(2, 3\) has dims -2 to 1",
        ),
        (
            Problem("cross_entropy", "float64", LOGITS | {"target": np.array([0, 1, 2])}),
            ValueError,
            r"target has shape \(3,\); logits \(2, 3\) want \(2,\)",
        ),
        (
            Problem("cross_entropy", "float64", LOGITS | {"target": np.array([0, 1])}, {"reduction": "avg"}),
            ValueError,
            "reduction is 'avg'; expected mean, sum or none",
        ),
    ],
    ids=["dim", "target", "reduction"],
)
def test_a_question_that_makes_no_sense_has_no_verdict(problem: Problem, error: type[Exception], words: str) -> None:
    """It is the problem that is wrong, and nobody's answer."""
    with pytest.raises(error, match=words):
        judge(MANUAL, problem)
    with pytest.raises(error, match=words):
        judge_result(problem, Result())


def test_who_cannot_be_asked() -> None:
    """A function, and an implementation without the operation."""
    problem = Problem("softmax", "float64", LOGITS, {"dim": 1})
    with pytest.raises(TypeError, match=r"implementation is a function; expected what softproof\.load gives"):
        judge(manual.softmax, problem)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the problem is about softmax; manual:linear has linear"):
        judge(load("manual:linear"), problem)


@pytest.mark.parametrize("name", ["weight", "grad_output"])
def test_what_must_be_finite(name: str) -> None:
    """Only logits may be infinite."""
    weight = np.array([np.inf if name == "weight" else 1.0, 1.0])
    inputs = {"logits": np.array([[0.0, 1.0]]), "target": np.array([0]), "weight": weight}
    problem = Problem("cross_entropy", "float64", inputs, {}, np.nan if name == "grad_output" else 1.0)

    with pytest.raises(ValueError, match=f"{name} holds .*expected finite numbers"):
        judge(MANUAL, problem)


@pytest.mark.parametrize("strange", [np.nan, np.inf])
@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
def test_losses_one_by_one_that_are_not_finite_disagree(operation: str, strange: float) -> None:
    """And are judged at all, in each arrangement of rows."""
    first = ("logits",) if operation == "cross_entropy" else ("input", "linear_weight")
    inputs = {name: np.eye(2) for name in first} | {"target": np.array([0, 1])}
    problem = Problem(operation, "float32", inputs, {"reduction": "none"})
    values = np.array([0.3132617, strange], np.float32)

    verdict = judge_result(problem, Result({"value": Output(values, "float32")}))

    assert verdict.outcome == "disagrees"
    assert verdict.index == (1,)


def test_a_wrong_baseline_guarantees_nothing() -> None:
    """Class D: no worse than something that is wrong says nothing about an answer, right as it may be."""
    problem = Problem("softmax", "float32", {"logits": [0.0, 1.0]})
    baseline = load(lambda logits: np.full_like(logits, 0.5), operation="softmax", adapter="numpy")
    verdict = judge(MANUAL, problem, accuracy="D", baseline=baseline)

    assert verdict.outcome == NO_GUARANTEE
    assert verdict.explanation.startswith("the baseline disagrees: value[0]: got 0.5")


def test_a_large_layer_is_refuted_by_float64_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Balls state what float64 has found, but not of a million elements that concern each other."""
    problem = Problem("linear", "float32", {"input": np.ones((LARGE + 1, 1)), "weight": [[2.0]]})
    wrong = Result({"value": Output(np.full((LARGE + 1, 1), 2.5, np.float32), "float32")})
    for module in (cross_entropy, linear, solver):
        monkeypatch.setattr(module, "balls", None)

    verdict = judge_result(problem, wrong)

    assert verdict.outcome == DISAGREES
    assert verdict.output == "value"


CANCEL: dict[str, Any] = {"logits": np.zeros((3, 3)), "target": [0, 1, 2], "weight": [2.0**60, 1.0, -(2.0**60)]}


@pytest.mark.parametrize(
    ("problem", "decides"),
    [
        (Problem("linear", "float64", {"input": [[1e200, 1e200]], "weight": [[1e200, -1e200]]}), False),
        (Problem("cross_entropy", "float32", CANCEL), False),
        (Problem("cross_entropy", "float64", {"logits": [[0.0, 1.0]], "target": [0], "weight": [1e-310, 1.0]}), False),
        (Problem("softmax", "float64", {"logits": [0.0, 1.0]}, {"dim": 0}, [1e-310, 0.0]), False),
        (Problem("softmax", "float64", {"logits": [0.0, 1.0]}, {"dim": 0}, [1.0, 0.0]), True),
        (Problem("softmax", "float32", {"logits": [0.0, 2.0**126]}, {"dim": 0}, [1.0, 0.0]), True),
        (Problem("linear", "float32", {"input": [[2.0, 1.0]], "weight": [[3.0, -5.0]]}, {}, [[1.0]]), True),
    ],
    ids=["a product overflows", "weights cancel", "a tiny weight", "a tiny gradient", "ordinary", "float32", "a layer"],
)
def test_float64_decides_only_what_it_evaluates(problem: Problem, decides: bool) -> None:
    """Elsewhere balls do, which would contradict it; the exact values, rounded, never disagree."""
    right = Result({name: Output(FORMATS[problem.dtype].round(values.astype(np.float64)), problem.dtype)
                    for name, values in solve(problem).items()})  # fmt: skip

    assert float64_decides(problem) is decides
    assert judge_result(problem, right).outcome in (AGREES, NO_GUARANTEE)
