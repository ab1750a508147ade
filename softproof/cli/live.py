"""A line for a person who waits: how many rows are finished, and how long that took. On a terminal alone."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import Self

from .console import overwrite

EVERY = 0.5  # seconds


class Live:
    """Keeps the line up to date while it is open; then there is none.

    `words` is what it says before the time, such as "3 of 40 rows".
    """

    def __init__(self, words: str) -> None:
        self.words = words
        self._started, self._over = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            overwrite(f"{self.words}, {time.monotonic() - self._started:.0f} s …")
        overwrite("")
