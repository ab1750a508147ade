"""A failure that is a finding about torch is told by that name, with what to do next; another failure is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import softproof
from softproof import Problem, load
from softproof.bounds.models import model
from softproof.diagnosis.interview import Interview
from softproof.diagnosis.known import KNOWN, Known, known_finding
from softproof.reports.findings import FINDINGS, Finding

OF_TORCH = {each.name: each for each in FINDINGS}
TORCH, NAN = KNOWN[0].target, float("nan")


def found(target: Any, problem: Problem) -> str:
    """The finding that the answer to a problem is said to be."""
    interview = Interview(load(target, problem.operation, adapter="torch"), "cpu", model(None), "C", 12)
    witness = interview.ask(problem)
    assert witness is not None
    assert not witness.verdict.ok
    known = known_finding(interview, witness)
    return "" if known is None else known.finding


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.finding)
def test_a_finding_is_recognised_by_its_own_witness(known: Known) -> None:
    """It is one of the findings, about the same function."""
    finding: Finding = OF_TORCH[known.finding]

    assert (finding.target, finding.operation, finding.objects) == (known.target, known.operation, {})
    assert found(known.target, finding.problem) == known.finding


@pytest.mark.drawn(4)
@pytest.mark.parametrize("format_", ["float64", "float32"])
@pytest.mark.parametrize("row", [[NAN, 0.0], [np.inf, 0.0], [np.inf, np.inf], [-np.inf, -np.inf]])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_is_recognised_whatever_the_row_is(row: list[float], reduction: str, format_: str) -> None:
    """Beside a row that counts, with positions, and with another label that is ignored."""
    logits = np.array([row, [0.0, 1.0]])
    upstream = np.ones(2 if reduction == "none" else ())
    for shape in ((2, 2), (2, 2, 1)):
        target = np.array([7, 1]).reshape((2, *shape[2:]))
        given = upstream.reshape(target.shape) if reduction == "none" else upstream
        options = {"reduction": reduction, "ignore_index": 7}
        inputs = {"logits": logits.reshape(shape), "target": target}
        assert found(TORCH, Problem("cross_entropy", format_, inputs, options, grad_output=given)) == KNOWN[0].finding


def with_another_fault(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
    """The gradient of an ignored row is NaN, and the loss is off by a little besides."""
    return torch.nn.functional.cross_entropy(logits, target, **options) * 1.01


def nan_everywhere(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
    """No gradient is a number."""
    return torch.nn.functional.cross_entropy(logits * torch.where(logits == 3, NAN, 1.0).detach(), target, **options)


def test_another_fault_is_not_told_as_the_finding() -> None:
    """One beside it, one that looks like it where there is no such row, and a row that is not ignored."""
    witness = OF_TORCH[KNOWN[0].finding].problem
    counts = {"logits": [[NAN, 0.0], [0.0, 1.0]], "target": [-100, 1]}
    right = {"logits": [[3.0, 0.0], [0.0, 1.0]], "target": [-100, 1]}

    assert found(with_another_fault, replace_inputs(witness, counts)) == ""
    assert found(nan_everywhere, replace_inputs(witness, right)) == ""


def replace_inputs(problem: Problem, inputs: dict[str, Any]) -> Problem:
    """The same question about other inputs."""
    return replace(problem, inputs=inputs)


def test_a_stranger_who_verifies_torch_is_told() -> None:
    """In the table, in the failure, in JSON; the next step works, both ways."""
    arguments: dict[str, Any] = {"dtypes": ["float32"], "seed": 538737614, "examples": 30}
    report = softproof.verify(TORCH, diagnose=True, **arguments)
    text, name = str(report), KNOWN[0].finding

    assert report.status == 1
    assert f"DISAGREES: as in finding {name}" in text
    assert f"  known      as in finding {name} of {TORCH} (softproof findings): " in text
    row = f"{TORCH} cross_entropy float32 cpu"
    assert f"  next       --without nonfinite judges the rest; --expected-failures FILE, with the line {row!r}" in text
    assert f'"finding": "{name}"' in report.to_json()
    assert row == report.rows[0].name
    assert softproof.verify(TORCH, without=["nonfinite"], **arguments).ok
