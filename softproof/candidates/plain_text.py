"""Text of others, made harmless for a terminal, a table and XML: printable, on one line, and not too long."""

from __future__ import annotations

from typing import Any

LONGEST = 2000  # characters


def plain(text: str, limit: int = LONGEST) -> str:
    r"""The text with everything that is not printable written as an escape, and cut after `limit` characters.

    Control characters, line breaks, what turns the direction of writing round, and halves of surrogate pairs are not
    printable; a blank is. So nobody writes a line of the report, or a colour, that is not the judge's.

    >>> plain("one\ntwo \x1b[31mred"), plain("\ud800")
    ('one\\ntwo \\x1b[31mred', '\\ud800')
    >>> plain("x" * 100, limit=10)
    'xxxxxxxxxx…'
    """
    found = "".join(each if each.isprintable() else _escaped(each) for each in text[: limit + 1])
    return found if len(found) <= limit else f"{found[:limit]}…"


def quoted(value: Any) -> str:
    """The beginning of a value that somebody else wrote, as Python writes it, for an error."""
    return plain(repr(value), 120)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
