"""The classifier by stages: what compounds end to end shows in the stage where it happens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from softproof import Candidate, Problem, Result, judge, stages, verify
from softproof.problem.problem import Output
from softproof.verdicts.stagewise import worst

from .helpers.candidates import MANUAL


def _problem(dtype: str = "float32") -> Problem:
    rng = np.random.default_rng(3)
    inputs = {
        "input": rng.integers(-8, 9, (5, 20)) / 8.0,
        "linear_weight": rng.integers(-8, 9, (7, 20)) / 8.0,
        "linear_bias": rng.integers(-8, 9, 7) / 8.0,
        "target": rng.integers(0, 7, 5),
    }
    return Problem("linear_cross_entropy", dtype, inputs, {"label_smoothing": 0.1}, 1.0)


def test_there_are_three_stages(half: Candidate, device: str, dtype: str) -> None:
    """Logits, loss with its gradient, gradients of the layer; each judged as the operation that it is."""
    verdicts = list(stages(half, _problem(dtype), lambda stage: judge(half, stage, device=device), device))

    assert [verdict.problem.operation for verdict in verdicts if verdict.problem] == [
        "linear",
        "cross_entropy",
        "linear",
    ]
    assert all(verdict.ok for verdict in verdicts)
    assert verdicts[2].problem is not None
    assert verdicts[2].problem.grad_output is not None


def test_without_positions_there_is_one_question(half: Candidate, device: str, dtype: str) -> None:
    """That on the whole: a layer with no output cannot be asked."""
    inputs = {"input": np.ones((2, 3)), "linear_weight": np.ones((4, 0, 3)), "target": np.zeros((2, 0), np.int64)}
    problem = Problem("linear_cross_entropy", dtype, inputs, {"reduction": "sum"}, 1.0)

    (verdict,) = stages(half, problem, lambda stage: judge(half, stage, device=device), device)

    assert verdict.ok
    assert verdict.problem is not None
    assert verdict.problem.operation == "linear_cross_entropy"


@dataclass(frozen=True)
class _OneOff(Candidate):
    """By hand, but for one logit, which is `steps` units in the last place off."""

    steps: int = 0

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        result = super().answer(problem, device)
        if problem.operation != "linear" or problem.grad_output is not None:
            return result
        values = result.outputs["value"].values.copy()
        values[0, 0] += self.steps * np.spacing(np.float32(np.abs(values[0, 0])))
        return Result({"value": Output(values, "float32")})


@pytest.mark.parametrize(("steps", "found"), [(0, 3), (4096, 1)])
def test_a_wrong_stage_is_the_last(steps: int, found: int) -> None:
    """What follows would be judged on a wrong input."""
    candidate = _OneOff(MANUAL.name, MANUAL.functions, MANUAL.backwards, MANUAL.adapter, steps=steps)

    verdicts = list(stages(candidate, _problem(), lambda stage: judge(candidate, stage)))

    assert len(verdicts) == found
    assert verdicts[-1].ok == (steps == 0)


def test_nothing_is_carried_back_from_a_gradient_that_is_not_finite() -> None:
    """That of a mean over no weight is none: the last stage says so, and the whole verdict repeats it."""
    problem = replace(_problem(), inputs={**_problem().inputs, "weight": np.zeros(7)}, options={})
    found = list(stages(MANUAL, problem, lambda stage: judge(MANUAL, stage)))

    assert [verdict.outcome for verdict in found] == ["agrees", "agrees", "not applicable"]
    assert found[2].explanation == "grad_logits holds nan, so that the gradients of the layer were not asked"
    assert worst(iter(found)).outcome == "agrees"
    assert worst(iter(found)).explanation.endswith(found[2].explanation)


def test_stages_are_sharper_than_the_whole() -> None:
    """The same answer uses up more of the bound of its stage than of the bound that compounds."""
    problem = _problem()
    whole = judge(MANUAL, problem)

    each = list(stages(MANUAL, problem, lambda stage: judge(MANUAL, stage)))

    assert whole.ok
    assert 0 < 2 * whole.ratios["grad_linear_weight"] < each[2].ratios["grad_weight"]


def test_a_stage_that_fails_is_named() -> None:
    """In the row of the classifier by stages, with its own problem."""
    candidate = _OneOff(MANUAL.name, MANUAL.functions, MANUAL.backwards, MANUAL.adapter, steps=4096)
    row = verify(candidate, dtypes=["float32"], examples=3, seed=0).rows[-1]

    assert (row.operation, row.verdict) == ("linear_cross_entropy, by stages", "disagrees")
    assert row.failure is not None
    assert row.failure.verdict.problem is not None
    assert row.failure.verdict.problem.operation == "linear"


def test_a_stage_that_fails_is_diagnosed() -> None:
    """From problems of its own operation: those that the row asked are of the whole, and have other inputs."""
    candidate = _OneOff(MANUAL.name, MANUAL.functions, MANUAL.backwards, MANUAL.adapter, steps=4096)
    row = verify(candidate, dtypes=["float32"], examples=30, seed=0, diagnose=True).rows[-1]

    assert row.failure is not None
    assert row.failure.diagnosis.models is not None
    assert row.failure.diagnosis.patterns


def test_verify_asks_both() -> None:
    """A module that has the stages gets a row for them."""
    report = verify(MANUAL, dtypes=["float32"], examples=3, seed=0)

    assert report.rows[-1].operation == "linear_cross_entropy, by stages"
    assert report.ok
    only = verify(replace(MANUAL, functions={"linear": MANUAL.functions["linear"]}), dtypes=["float32"], examples=3)
    assert [row.operation for row in only.rows] == ["linear"]
