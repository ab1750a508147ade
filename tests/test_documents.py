"""What the code says of itself at the head of a document is what the committed document says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import conformance, matrix
from softproof.mutants import document
from softproof.reports import findings_report

GENERATED = Path(__file__).parents[1] / "docs" / "generated"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conformance", conformance._HEAD),
        ("findings", findings_report._HEAD),
        ("matrix", matrix.INTRODUCTION),
        ("mutants", document.INTRODUCTION),
        ("mutants", document.PEERS_INTRODUCTION),
        ("mutants", document.SUITES_INTRODUCTION),
    ],
)
def test_the_document_has_the_words_of_the_code(name: str, words: str) -> None:
    """A table that takes hours is not made again for a sentence; the sentence is changed in both places."""
    assert words.strip() in (GENERATED / f"{name}.md").read_text()
