"""Text of others, made harmless for a terminal, a table and XML: printable, on one line, and not too long."""

from __future__ import annotations

import re
from typing import Any

LONGEST = 2000  # characters
_ANYWHERE = re.compile(r"##(?=\w*\[)")
_AT_THE_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def plain(text: str, limit: int = LONGEST) -> str:
    r"""The text with everything that is not printable written as an escape, and cut after `limit` characters.

    Control characters, line breaks, what turns the direction of writing round, and halves of surrogate pairs are not
    printable; a blank is. So nobody writes a line of the report, or a colour, that is not the judge's. Nor can it be a
    command to what reads the log of a run.

    >>> plain("one\ntwo \x1b[31mred"), plain("\ud800")
    ('one\\ntwo \\x1b[31mred', '\\ud800')
    >>> plain("x" * 100, limit=10)
    'xxxxxxxxxx…'
    """
    if len(text) <= limit and text.isascii() and text.isidentifier():  # such as most names
        return text
    text = without_commands(text[: limit + 1])
    found = "".join(each if each.isprintable() else _escaped(each) for each in text)
    return found if len(found) <= limit else f"{found[:limit]}…"


def without_commands(text: str) -> str:
    r"""The text without what a CI obeys that reads it in a log: commands that hide words, or set outputs.

    GitHub's runner takes a line that begins with ``::`` for one, and ``##[name]`` anywhere in a line, as
    src/Runner.Common/ActionCommand.cs of github.com/actions/runner says; others have a word before the bracket. The
    escapes are those of JSON, where the text stays what it was.

    >>> print(without_commands("##[add-mask]DISAGREES, ##vso[task.complete]"))
    #\u0023[add-mask]DISAGREES, #\u0023vso[task.complete]
    >>> print(without_commands(" ::stop-commands::x"))
     \u003a:stop-commands::x
    """
    return _ANYWHERE.sub(r"#\\u0023", _AT_THE_START.sub(r"\1\\u003a", text))


def quoted(value: Any) -> str:
    """The beginning of a value that somebody else wrote, as Python writes it, for an error."""
    return plain(repr(value), 120)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
