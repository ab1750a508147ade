"""The judge's end of the line to a child: what was written before its end is read, and then nothing is waited for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from softproof.candidates.streams import Line, Printed


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Of a pipe whose other end is still held open by somebody."""
    theirs = os.pipe()
    os.set_blocking(theirs[0], False)
    yield theirs
    for each in theirs:
        os.close(each)


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows cannot be made not to wait before Python 3.12")
def test_what_was_written_before_the_end_is_read(ends: tuple[int, int]) -> None:
    """Between a look at the pipe and a look at the process, too."""
    answers, theirs = ends
    last_words = [b"late"]

    def lives() -> bool:
        if last_words:
            os.write(theirs, last_words.pop())
        return False

    printed = Printed(answers)
    printed.open = False
    line = Line(theirs, answers, printed, lives)
    line.deadline = time.monotonic() + 60
    assert line._bytes(4) == b"late"
    begun = time.monotonic()
    with pytest.raises(EOFError):
        line._bytes(1)
    assert time.monotonic() - begun < 30


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows cannot be made not to wait before Python 3.12")
def test_what_was_answered_is_read_where_nobody_reads_questions(ends: tuple[int, int]) -> None:
    """A process that ended has questions before it that it will not answer, and has answered others."""
    (answers, theirs), (nobody, questions) = ends, os.pipe()
    os.close(nobody)
    os.write(theirs, b"answer")
    printed = Printed(answers)
    printed.open = False
    line = Line(questions, answers, printed, lambda: False)
    line.send([b"a question"])
    assert line._bytes(6) == b"answer"
    with pytest.raises(EOFError):
        line._bytes(1)
    os.close(questions)
