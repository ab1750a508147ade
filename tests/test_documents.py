"""What the code says of itself at the head of a document is what the committed document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audits import conformance, matrix
from softproof.mutants import document
from softproof.reports import findings_report

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "docs" / "generated"


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


def sentences(text: str) -> list[str]:
    """Those of a Markdown text, without code, tables, headings and the addresses of links."""
    prose = re.sub(r"^[|#].*$|\]\([^)]*\)", "", re.sub(r"(?s)```.*?```", "", text), flags=re.MULTILINE)
    return [each for each in re.split(r"(?<=[.?!:])\s+|\n\s*\n", prose) if re.search(r"\w", each)]


def test_readme_is_short() -> None:
    """And so are its sentences, in the mean."""
    text = (ROOT / "README.md").read_text()
    words = [len(each.split()) for each in sentences(text)]

    assert len(text.splitlines()) <= 120
    assert len(words) > 30
    assert sum(words) / len(words) <= 16
