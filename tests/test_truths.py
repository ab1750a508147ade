"""The search for wrong truths finds none, and finds those that there have been when they are put back."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx, fmpz

from audits import independent, independent_losses, truths
from audits.alarms import Part, Record
from audits.independent import interval
from audits.nasty import NASTY, draw
from audits.truths import meets, wrong
from softproof import OPERATIONS, Problem
from softproof.problem.formats import FORMATS
from softproof.problem.losses import class_weights, coefficients, is_labels, kept
from softproof.problem.problem import Array
from softproof.problem.rows import ALL, Rows, class_count
from softproof.truth.balls import Number, balls
from softproof.truth.double_double import DoubleDouble

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("kind", NASTY)
def test_no_truth_is_wrong(kind: str, thorough: bool) -> None:
    """In a small dose; make truths asks a hundred thousand."""
    counts: Counter[str] = Counter()
    size = 500 if thorough else 4
    for dtype in FORMATS:
        for number in range(size):
            problem = draw(kind, dtype, 1000, number)
            assert wrong(problem, counts) == [], problem

    assert counts["asked"] == 4 * size
    assert counts["sharp"] > 20


def test_every_operation_is_asked() -> None:
    """By the kinds, and each has a definition of its own."""
    asked = {draw(kind, "float32", 0, number).operation for kind in NASTY for number in range(20)}

    assert asked == OPERATIONS.keys() == independent_losses.DEFINITIONS.keys()


def test_intervals_of_exponentials_hold_them() -> None:
    """Of the least numbers, too, where 1 + x is e^x but for a digit that mpmath rounds inwards."""
    for x in (-4.94e-124, 1e-100, -0.5, 1e-320):
        low, high = independent._exp(Fraction(x))._mpi_
        with ctx.workprec(4000):
            least, most = (arb(fmpz(int(end[1]))) * arb(2) ** end[2] for end in (low, high))
            assert least < arb(x).exp() < most


@pytest.mark.parametrize("module", [independent, independent_losses])
def test_the_evaluation_shares_nothing_with_the_truth(module: Any) -> None:
    """But the Problem."""
    tree = ast.parse(Path(module.__file__).read_text())
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}

    assert "softproof" in named
    assert {name for name in named if name.startswith(("softproof", "flint"))} <= {
        "softproof",
        "softproof.problem.problem",
    }


# ---- wrong truths, put back -----------------------------------------------------------------------------------------


def _float64_denominator(problem: Problem, classes: int) -> Fraction:
    """What float64 leaves of the sum of weights."""
    target = problem.inputs["target"]
    if not is_labels(problem):
        return Fraction(len(target))
    return Fraction(float(class_weights(problem, classes)[target[kept(problem)]].sum()))


def _reduced_by_a_ball(problem: Problem, losses: Array, _number: Number) -> Array:
    """The sign of an infinite mean from a ball that may straddle 0."""
    divisor: Any = arb(1)
    if problem.options.get("reduction", "mean") == "mean" and is_labels(problem):
        labels = problem.inputs["target"][kept(problem)]
        divisor = balls(class_weights(problem, class_count(problem))[labels]).sum() + arb(0)
    losses = losses.balls() if isinstance(losses, DoubleDouble) else losses
    special = [each for each in losses.flat if isinstance(each, float)]
    if special:
        return np.full((1, 1), -sum(special) if divisor < 0 else sum(special), object)
    return np.asarray(losses.sum(keepdims=True) / divisor)


def _float64_signs(problem: Problem, classes: int, rows: Rows = ALL) -> Array:
    """Of coefficients that may have underflowed."""
    return np.asarray(np.sign(coefficients(problem, classes, rows)))


FAULTS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "a denominator in float64": ("exact_denominator", _float64_denominator, "weights, labels"),
    "a sign from a ball": ("reduced", _reduced_by_a_ball, "weights, masks"),
    "a sign from float64": ("own_signs", _float64_signs, "probabilities, masks"),
}
ISSUE: dict[str, dict[str, Any]] = {
    "a denominator in float64": {
        "logits": np.zeros((3, 3)), "target": [0, 1, 2], "weight": [2.0**60, 1.0, -(2.0**60)]
    },
    "a sign from a ball": {
        "logits": np.where(np.arange(25) == 12, -np.inf, 0.0).reshape(5, 5), "target": np.arange(5),
        "weight": [2.0**127, 2.0**73, -(2.0**-100), -(2.0**127), -(2.0**73)],
    },
    "a sign from float64": {"logits": [[0.0, -np.inf]], "target": [[1.0, 1e-200]], "weight": [1.0, 1e-200]},
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_truths_are_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they were seen, and among drawn problems."""
    name, old, kind = FAULTS[fault]
    witness = Problem("cross_entropy", "float64", ISSUE[fault], {"reduction": "mean"}, 1.0)
    assert wrong(witness, Counter()) == []

    module = "solver" if name == "reduced" else "cross_entropy"  # that calls it
    monkeypatch.setattr(f"softproof.truth.{module}.{name}", old)

    assert wrong(witness, Counter())
    drawn = (draw(kind, "float64", 0, number) for number in range(400))
    assert any(wrong(problem, Counter()) for problem in drawn)


def test_a_truth_that_is_nearly_right_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One part in 10^15 of a denominator."""
    problem = Problem("cross_entropy", "float64", {"logits": [[1.0, 2.0]], "target": [0]}, {}, 1.0)
    monkeypatch.setattr("softproof.truth.cross_entropy.exact_denominator", lambda *_: 1 + Fraction(1, 10**15))

    assert len(wrong(problem, Counter())) == 3 * len(truths.BITS)


def test_a_truth_that_nothing_decides_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ball of everything meets every interval, and is no answer."""
    problem = Problem("logsumexp", "float64", {"logits": [[1.0, 2.0]]}, {"dim": -1}, [1.0])
    monkeypatch.setattr(
        "softproof.truth.softmax._highest", lambda x, _: ((np.array([0]), np.array([0])), x[:, :1] * arb("nan"))
    )

    assert wrong(problem, Counter()) == ["8192 bits do not decide"]


# ---- the comparison -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ball", "exact", "met"),
    [
        (arb(1) / 3, Fraction(1, 3), True),
        (arb(1) / 3, Fraction(1, 3) + Fraction(1, 10**15), False),
        (arb(1) / 3, Fraction(-1, 3), False),
        (arb(1, 1), Fraction(2), True),
        (arb(1, 1), Fraction(201, 100), False),
        (arb(0), Fraction(0), True),
        (arb(0), 0.0, True),
        (arb(1), 0.0, False),
        (arb(0), INF, False),
        (arb(1), NAN, False),
        (INF, INF, True),
        (INF, -INF, False),
        (NAN, NAN, True),
        (NAN, INF, False),
        (0.0, 0.0, True),
        (INF, Fraction(1), False),
        (NAN, Fraction(1), False),
    ],
)
def test_what_meets(ball: Any, exact: Any, met: bool) -> None:
    """A ball an interval that has a point of it, and a float itself."""
    with ctx.workprec(128):
        assert meets(+ball, interval(exact) if isinstance(exact, Fraction) else exact) is met


def test_a_run_goes_on_where_its_log_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked twice, and every failure is told."""
    log, wanted = tmp_path / "t.jsonl", list(truths.parts(1, {"float32": 1}))
    first = truths.ask(wanted[0]) | {"failures": ["value[0] is 1, and not 2"]}
    log.write_text(json.dumps(first) + "\n")
    asked: list[Part] = []

    def run(todo: list[Part], _jobs: int, ask: Callable[[Part], Any], _name: str) -> list[Record]:
        asked.extend(todo)
        return [ask(part) for part in todo[:2]]

    monkeypatch.setattr(truths, "PROBLEMS", {"float32": 1})
    monkeypatch.setattr(truths, "run", run)
    monkeypatch.setattr("sys.argv", ["truths", "--seeds", "1", "--log", str(log)])
    truths.main()

    printed = capsys.readouterr().out
    assert asked == wanted[1:]
    assert "FAILURE: seed 0: value[0] is 1, and not 2" in printed
    assert "NOT MET  no truth is wrong: 1 are" in printed
    assert "NOT MET  at least 100,000 problems: 3" in printed
