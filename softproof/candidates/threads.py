"""Two threads in the same functions: a call between two lines, line by line in turn, and then as they come.

What a function keeps beside itself is mixed up where two threads are in it at once. By chance they seldom are, so they
take turns after lines of what is not a library, for a while: first the other thread makes a whole call between two
lines of the one that asks, whichever two they are, then both go on line by line. Nobody waits long for one that does
not go on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

COUNTING, WHOLE_CALLS, LINE_BY_LINE = "counting lines", "whole calls", "line by line"  # phases

CALLS = 8  # whole calls within one, evenly among its lines
LINES = 200  # of each thread, after which it goes on alone
WAIT, PATIENCE = 0.05, 3  # seconds for the other one, which may wait for a lock, and how often
ROUNDS = 4  # answers of each thread: as long as there are turns, and as they come
SWITCH = 1e-6  # seconds after which another thread may go on
LIBRARIES = ("torch", "numpy", "jax", "jaxlib", "onnxruntime")


def at_once(ask: Callable[[], T], other: Callable[[], object], begin: Callable[[], object]) -> list[T]:
    """What `ask` gives each time while another thread calls `other`; an error of either is raised.

    Both `begin` with what a device does for each thread once, and may warn of.
    """
    answers: list[T] = []
    errors: list[BaseException] = []
    turns = _Turns()
    calls = (lambda: answers.append(ask()), other)
    threads = [
        threading.Thread(target=_run, args=(begin, call, number, turns, errors), daemon=True)
        for number, call in enumerate(calls)
    ]
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]
    return answers


def _run(
    begin: Callable[[], object], call: Callable[[], object], number: int, turns: _Turns, errors: list[BaseException]
) -> None:
    turns.start.wait()
    try:
        begin()
        sys.settrace(_trace(turns, number))
        for between in (turns.count_lines, turns.whole_calls) if number == 0 else ():
            between()
            call()
        for _ in range(CALLS if number == 1 else 0):  # so many in any case: what follows does not depend on the time
            turns.wait_for_whole_call()
            call()
        turns.line_by_line(number)
        for _ in range(ROUNDS):
            call()
    except (Exception, SystemExit) as error:  # which belongs to the thread that asks
        errors.append(error)
    finally:
        sys.settrace(None)
        turns.end(number)


class _Turns:
    """Whose turn it is, of two threads; a thread that has ended waits for nobody."""

    def __init__(self) -> None:
        self.start = threading.Barrier(2)
        self.condition = threading.Condition()
        self.turn, self.left, self.patience, self.ended = 0, [LINES] * 2, [PATIENCE] * 2, [False] * 2
        self.phase, self.lines, self.step = COUNTING, 0, 1

    def count_lines(self) -> None:
        """Of a call of the first thread, while the other one waits."""
        self.phase, self.lines = COUNTING, 0

    def whole_calls(self) -> None:
        """From here on the other thread makes a whole call after some of as many lines."""
        self.phase, self.step, self.lines = WHOLE_CALLS, 1 + self.lines // CALLS, 0

    def wait_for_whole_call(self) -> None:
        """Of the second thread, until it has a turn, or the first needs none any more."""
        with self.condition:
            self.turn = 0
            self.condition.notify()
            self.condition.wait_for(lambda: self.turn == 1 or self.phase == LINE_BY_LINE or self.ended[0])

    def line_by_line(self, number: int) -> None:
        """From here on the threads take turns after each line; whoever went on alone is with the other again."""
        if number == 0:
            with self.condition:
                self.phase = LINE_BY_LINE
                self.condition.notify()
        self.left[number], self.patience[number], self.ended[number] = LINES, PATIENCE, False

    def line(self, number: int) -> None:
        """After one line of the first thread, or two of the second, the other has its turn: neither is always ahead."""
        if self.ended[number]:
            return
        if self.phase != LINE_BY_LINE:
            self.lines += number == 0
            whole = self.phase == WHOLE_CALLS and self.lines % self.step == 0
            if number == 0 and whole and self.patience[0] > 0:
                self.hand_over(0)
            return
        self.left[number] -= 1
        if self.left[number] % (number + 1) == 0:
            self.hand_over(number)
        if not self.left[number] or not self.patience[number]:
            self.end(number)

    def hand_over(self, number: int) -> None:
        """Wait for one's turn, but not for long."""
        with self.condition:
            self.turn = 1 - number
            self.condition.notify()
            if not self.condition.wait_for(lambda: self.turn == number or self.ended[1 - number], WAIT):
                self.patience[number] -= 1

    def end(self, number: int) -> None:
        """From now on a thread goes on alone."""
        with self.condition:
            self.ended[number] = True
            self.condition.notify()


def _trace(turns: _Turns, number: int) -> Callable[[FrameType, str, Any], Any]:
    def line(_frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            turns.line(number)
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return None if _of_library(frame.f_code.co_filename) else line

    return call


@lru_cache(maxsize=4096)
def _of_library(file: str) -> bool:
    """Whether a file belongs to Python, to a library of arrays, or to what asks; or is none."""
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in _folders())


def _folders() -> Sequence[Path]:
    """Folders of libraries that have been imported; those of Python itself one by one, since others may lie within."""
    package, python = Path(__file__).parents[1], Path(os.__file__).parent
    files = [sys.modules[name].__file__ for name in LIBRARIES if name in sys.modules]
    standard = [python / f"{name}{end}" for name in sys.stdlib_module_names for end in ("", ".py")]
    return [package / "candidates", package / "problem", *(Path(file).parent for file in files if file), *standard]
