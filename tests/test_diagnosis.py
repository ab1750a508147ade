"""What is said of a failure: the models under which it would agree, and what to do next."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import softproof
from softproof.bounds.models import MODELS
from softproof.diagnosis.record import Diagnosis, Models
from softproof.problem.problem import Array

from .helpers.candidates import stored_logsumexp


def negated(logits: Array, dim: int = -1) -> Array:
    """The other sign."""
    return -stored_logsumexp(logits, dim)


def epsilon_in_the_denominator(logits: Array, dim: int = -1) -> Array:
    """A softmax that sums to less than 1."""
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / (e.sum(dim, keepdims=True) + 1e-6))


def report(target: Any, operation: str, **more: Any) -> softproof.Report:
    """In float32, with a diagnosis, without rows that are not finite."""
    arguments: dict[str, Any] = {"dtypes": ["float32"], "seed": 0, "diagnose": True, **more}
    return softproof.verify(target, operation=operation, without=["nonfinite", "empty"], **arguments)


def diagnosis(target: Any, operation: str, **more: Any) -> Diagnosis:
    """Of the one row."""
    (row,) = report(target, operation, **more).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    return row.failure.diagnosis


def test_a_stored_logsumexp_is_told_its_model() -> None:
    """A right kernel that is judged by a model that is too narrow for it."""
    found = diagnosis(stored_logsumexp, "log_softmax")

    assert found.models is not None
    assert {"fused", "stored-logsumexp"} <= set(found.models.agrees)
    assert "any-order" in found.models.wrong
    assert found.next == "if that is how it computes: --arithmetic stored-logsumexp"
    assert report(stored_logsumexp, "log_softmax", arithmetic="stored-logsumexp").ok


@pytest.mark.parametrize(("target", "operation"), [(negated, "log_softmax"), (epsilon_in_the_denominator, "softmax")])
def test_what_is_wrong_is_wrong_under_every_model(target: Any, operation: str) -> None:
    """Each model is named once, whatever it is called besides."""
    found = diagnosis(target, operation)

    assert found.models is not None
    on_a_cpu = {model for name, model in MODELS.items() if "cuda" not in name}
    assert len(found.models.wrong) == len(on_a_cpu) == 19
    assert str(found.models) == "wrong under all 19: not a rounding matter"


def test_a_report_has_the_lines_between_the_verdict_and_the_replay() -> None:
    """As text, and in JSON with lists."""
    found = report(stored_logsumexp, "log_softmax")
    lines = str(found).splitlines()
    first = next(number for number, line in enumerate(lines) if "disagrees: value" in line)

    assert lines[first + 1].startswith("  models     would agree under: stored-logsumexp, ")
    assert lines[first + 2].startswith("  next       ")
    assert lines[first + 3].startswith("To see it again")
    told = json.loads(found.to_json())["rows"][0]["failures"][0]["diagnosis"]
    assert told["models"]["underflow"] is False
    assert 1 <= told["asked"] <= 60


def test_no_diagnosis_unless_it_is_wanted() -> None:
    """And it changes no verdict."""
    plain, told = (report(negated, "log_softmax", diagnose=each) for each in (False, True))

    assert plain.rows == told.rows
    assert plain.rows[0].failure is not None
    assert plain.rows[0].failure.diagnosis == Diagnosis()


@pytest.mark.parametrize(
    ("models", "text"),
    [
        (Models(("a", "b"), ("c",)), "would agree under: a, b"),
        (
            Models((), ("a", "b", "c"), alone=("a", "b")),
            "this answer would agree under: a, b; others are wrong there, too",
        ),
        (Models((), ("a", "b"), ("c",)), "wrong under 2 of 3; no guarantee under: c"),
        (
            Models((), ("a", "b"), underflow=True),
            "wrong under all 2, by less than the smallest normal number: a matter of underflow",
        ),
    ],
)
def test_models_in_words(models: Models, text: str) -> None:
    """What no model decides is no rounding matter, and none that is excluded either."""
    assert str(models) == text
