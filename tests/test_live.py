"""On a terminal a line says how far a run is; elsewhere nothing is written but what stays."""

from __future__ import annotations

import io
import sys
import time

import pytest

from softproof.cli import console, live
from softproof.cli.console import CLEAR


class Terminal(io.StringIO):
    """Keeps what is written to it, and says that it is one."""

    def isatty(self) -> bool:
        """It is."""
        return True


def written(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> str:
    """What a run of two rows writes, which takes twenty times as long as a line stays what it is."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(live, "EVERY", 0.01)
    with live.Live("asking the first row") as line:
        time.sleep(0.2)
        console.note("[1/2] softmax: agrees")
        line.words = "1 of 2 rows"
        time.sleep(0.2)
    console.note("the end")
    return stream.getvalue()


def test_a_line_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays stands on lines of its own, and nothing of the line is left in the end."""
    text = written(Terminal(), monkeypatch)

    shown = [line.rsplit(CLEAR, 1)[-1] for line in text.split("\n")]
    assert shown == ["[1/2] softmax: agrees", "the end", ""]
    assert text.startswith(f"asking the first row, 0 s …{CLEAR}")
    assert f"1 of 2 rows, 0 s …{CLEAR}" in text


@pytest.mark.parametrize(("stream", "term"), [(io.StringIO, "xterm"), (Terminal, "dumb")])
def test_elsewhere_there_is_none(stream: type[io.StringIO], term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file or a pipe, and on a terminal that can do nothing."""
    assert written(stream(), monkeypatch, term) == "[1/2] softmax: agrees\nthe end\n"
