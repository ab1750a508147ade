"""docs/generated/gpu.md is made of records, says so where there is none, and the pack for offline machines is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audits import document
from audits.steps import STEPS

PART = {"part": "float32", "status": "done", "why": "", "seconds": 1.0}
ROW = {"implementation": "reference", "operation": "softmax", "dtype": "float32", "problems": 40, "ulps": 1.0,
       "ratio": 0.5, "verdict": "agrees", "reason": "", "lost": "", "seconds": 1.0}  # fmt: skip


def _record(gpu: str = "A GPU") -> dict[str, Any]:
    """Of one step that is done in part, and one that is not there."""
    machine = {"gpu": gpu, "driver": "1.2", "packages": {"torch": "2.11.0"}} if gpu else {"packages": {}}
    verify = [
        {**PART, "found": {"rows": [ROW], "model": "torch-cuda"}},
        {**PART, "part": "chunked", "status": "not in this torch", "why": "torch 2.11 has\nnone", "found": {}},
    ]
    kernels = [{**PART, "part": "1", "status": "not installed", "why": "quack", "found": {}}]
    steps = [{"step": "verify", "title": "Verdicts", "seconds": 3.0, "parts": verify},
             {"step": "kernels", "title": "Kernels", "seconds": 0.0, "parts": kernels}]  # fmt: skip
    return {"softproof gpu record": 1, "machine": machine, "day": "2026-01-02", "steps": steps}


def test_where_nothing_has_run_one_line_says_so() -> None:
    """A rehearsal on a CPU is no run."""
    for records in ([], [_record(gpu="")]):
        assert document.document(records) == f"{document.TITLE}\n\n{document.NOWHERE}\n"


def test_the_page_is_of_the_records_that_are_there() -> None:
    """As `make gpu-document` writes it."""
    assert document.PAGE.read_text() == document.document(document.read(sorted(document.RECORDS.glob("*.json"))))


def test_each_record_has_a_section() -> None:
    """Machine, tables, and why something is not in them."""
    text = document.document([_record(), _record("Another")])

    assert text.index("## A GPU, 2026-01-02") < text.index("## Another, 2026-01-02")
    assert "| packages | torch 2.11.0 |" in text
    assert "| Verdicts | 1 of 1 rows agree | 1 of 2 | 3.0 |" in text
    assert "| torch-cuda | reference | softmax | float32 | 40 | 1 | 0.5 | agrees |" in text
    assert "- *not in this torch*: chunked: torch 2.11 has none" in text
    assert "- *not installed*: 1: quack" in text


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / "other.json").write_text(json.dumps({"rows": []}))
    with pytest.raises(ValueError, match=r"other.json is no record of the GPU pack"):
        document.read([tmp_path / "other.json"])


def test_every_step_is_told(tmp_path: Path) -> None:
    """By its own tables, from the command line too."""
    (tmp_path / "record.json").write_text(json.dumps(_record()))
    document.main([str(tmp_path / "record.json"), "--write", str(tmp_path / "page.md")])

    assert (tmp_path / "page.md").read_text() == document.document([_record()])
    assert {step["step"] for step in _record()["steps"]} <= STEPS.keys()
