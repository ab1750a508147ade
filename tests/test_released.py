"""docs/generated/conformance.md: what is written of a run, and what makes it fail; a run takes what others install."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from audits import conformance
from audits.disagreements import DISAGREEMENTS
from softproof import Candidate, load
from softproof.runs.config import settings

ROOT = Path(__file__).parents[1]
KNOWN = next(each for each in DISAGREEMENTS if "chunked" in each.name)
INSTALLED = ("torch.nn", "torch:", "torch_chunked", "onnx", "jax_nn", "scipy")


def record(name: str, verdict: str) -> dict[str, Any]:
    """A target with one row."""
    implementation, operation, dtype, _ = name.split()
    row: dict[str, Any] = {
        "implementation": implementation,
        "operation": operation,
        "dtype": dtype,
        "name": name,
        "verdict": verdict,
    }
    row |= {"problems": 3, "ratio": None, "class": "-", "arithmetic": "any-order", "seconds": 1.0, "not_tested": []}
    return {"target": implementation, "seconds": 2.0, "rows": [row]}


def test_what_disagrees_has_to_be_explained() -> None:
    """And an explanation has to have something to explain; what was not asked is nobody's fault."""
    known, other = f"{KNOWN.rows} linear_cross_entropy float32 cpu", "mine softmax float32 cpu"

    assert conformance.unexplained([record(known, "disagrees"), record(other, "agrees")]) == []
    assert conformance.unexplained([record(other, "no guarantee")]) == [f"disagrees, and nothing says why: {other}"]
    assert conformance.unexplained([record(known, "agrees")]) == [f"agrees by now: {KNOWN.name}"]


def test_the_document_tells_rows_and_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that were asked, and what is not installed."""
    monkeypatch.setattr(conformance, "DISAGREEMENTS", (replace(KNOWN, rows="mine"), replace(KNOWN, name="another")))
    text = conformance.document([record("mine softmax float32 cpu", "disagrees"), {"target": "x", "missing": "y"}], 0)

    assert "1 targets, 1 rows: 0 agree." in text
    assert "Not installed: x (y)." in text
    assert f"### {KNOWN.name}" in text
    assert "### another" not in text
    assert re.search(r"^1 +mine +softmax +float32 ", text, re.MULTILINE)
    assert "\n- 1, mine softmax: " in text


def test_what_is_not_installed_is_told() -> None:
    """By the name of the package."""
    assert conformance.asked({"target": "examples.no_such_library"}, 0)["missing"] == "examples.no_such_library"


def test_each_candidate_is_asked_as_the_table_says() -> None:
    """Of those whose libraries the tests have: the arguments fit, and one that does not is an error."""
    asked: dict[str, Candidate] = {}
    chunked = ["torch_chunked"] if hasattr(torch.nn, "LinearCrossEntropyOptions") else []  # torch 2.11 has none
    has = ("torch.nn", "torch:", "onnx", "jax_nn", "scipy", *chunked)
    for each in settings(conformance.CONFIG).targets:
        if not any(name in each["target"] for name in has):
            continue
        names = {"supports", "without", "names", "fixed", "extra", "ndim", "writes", "output"} & each.keys()
        given = {name: each[name] for name in names}
        found = asked[each["target"]] = load(each["target"], each.get("operation"), each.get("adapter"), **given)
        assert each.get("operation") in (None, *found.operations)
        assert each.get("adapter") in (None, found.adapter)
        assert {*each.get("without", ())} <= found.interface.without
        with pytest.raises(ValueError, match="nonsense"):
            load(each["target"], each.get("operation"), each.get("adapter"), **{**given, "without": ["nonsense"]})
    assert {target for target in asked if target.startswith(("torch.nn.functional", "onnx"))}
    assert len(asked) >= 6


def test_every_cause_has_a_row_and_a_witness() -> None:
    """Whose source is Python, and is about a target of the table."""
    targets = [each["target"] for each in settings(conformance.CONFIG).targets]
    assert DISAGREEMENTS
    for each in DISAGREEMENTS:
        lines = ast.parse(each.witness, each.name).body
        assert isinstance(lines[0], ast.Import | ast.ImportFrom), each.name
        assert any(isinstance(node, ast.Call) for line in lines for node in ast.walk(line)), each.name
        assert each.rows.split(":")[0].split(" ")[0] in {target.split(":")[0] for target in targets}, each.name
        assert "softproof" not in each.witness


def test_the_document_is_of_these_causes() -> None:
    """docs/generated/conformance.md names each cause, and no other."""
    text = (ROOT / "docs/generated/conformance.md").read_text()

    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == [each.name for each in DISAGREEMENTS]
