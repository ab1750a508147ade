"""Text of others in a report: on one line, printable, and of a bounded length."""

from __future__ import annotations

import sys
from xml.etree import ElementTree as ET

import pytest

from softproof.candidates.plain_text import plain


def test_every_character_becomes_printable() -> None:
    """And what is printable stays what it is."""
    for number in (*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFE00, sys.maxunicode, 97)):
        found = plain(chr(number))
        assert found.isprintable()
        assert (found == chr(number)) == chr(number).isprintable()


def test_it_can_be_encoded_and_is_xml() -> None:
    """Halves of surrogate pairs, NUL and escapes of a terminal among it."""
    text = plain("\ud800\udfff\0\x1b[2J\r\n\u202e\u2028")
    element = ET.Element("failure", message=text)

    assert ET.fromstring(ET.tostring(element, "utf-8")).get("message") == text
    assert text.encode().decode() == text


@pytest.mark.parametrize(("length", "found"), [(0, 0), (9, 9), (10, 10), (11, 11), (10**7, 11)])
def test_it_is_cut(length: int, found: int) -> None:
    """A sign says so."""
    text = plain("x" * length, 10)

    assert len(text) == found
    assert text.endswith("…") == (length > 10)


def test_escapes_count_too() -> None:
    """They are longer than what they stand for."""
    assert len(plain("\0" * 100, 10)) == 11
