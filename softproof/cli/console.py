"""Standard output and standard error, which may be closed, full, or unable to show a character."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TextIO

from ..candidates.plain_text import without_commands

CLEAR = "\r\x1b[K"  # to the beginning of a line of a terminal, and nothing on it


def say(text: str, *, commands: bool = False) -> bool:
    """Print on standard output; whether all of it was. A reader that has gone away is not complained about.

    With `commands` the lines are those of a CI; otherwise nobody can give one through what is printed.
    """
    trouble = _print(text if commands else without_commands(text), sys.stdout)
    if trouble is not None and not isinstance(trouble, BrokenPipeError):
        note(f"softproof: standard output: {trouble.strerror or trouble}")
    return trouble is None


def note(text: str) -> None:
    """Print on standard error, if it can be printed there, in the place of a line that was to be overwritten."""
    _errors.write(without_commands(text) + "\n", overwritten=False)


def overwrite(text: str) -> None:
    """Put a line of a terminal in the place of the last one that was put there so, if it is still the last."""
    _errors.write(text, overwritten=text != "")


class _Errors:
    """Standard error, to which several threads tell their rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._overwritten = False  # whether the last line is to be

    def write(self, text: str, *, overwritten: bool) -> None:
        """In the place of the last line, if that is to be overwritten."""
        with self._lock:
            _print(CLEAR * self._overwritten + text, sys.stderr, end="")
            self._overwritten = overwritten


_errors = _Errors()


def _print(text: str, stream: TextIO | None, end: str = "\n") -> OSError | None:
    """Print, and tell why that was not done to the end; nothing more is printed there then."""
    if stream is None:  # there is none
        return OSError("there is none")
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)
        stream.flush()
    except OSError as error:
        _silence(stream)
        return error
    return None


def _silence(stream: TextIO) -> None:
    """Let what is still to be written go nowhere, or Python fails in the end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
