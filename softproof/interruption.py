"""Ctrl-C, which ends a run soon wherever it comes."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from types import FrameType
from typing import Any

AGAIN = 0.3  # seconds


class Interruption:
    """While it lasts, Ctrl-C raises KeyboardInterrupt, and again until that is heard.

    Python prints an exception and goes on where it is raised in a callback of the garbage collector or of a library; a
    run would not end then.

    >>> with Interruption():
    ...     print("uninterrupted")
    uninterrupted
    """

    def __enter__(self) -> None:
        self._heard, self._asked = threading.Event(), False
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._installed = usual and threading.current_thread() is threading.main_thread()
        self._hook = sys.unraisablehook
        if self._installed:
            signal.signal(signal.SIGINT, self._interrupt)
            sys.unraisablehook = self._say_no_more

    def __exit__(self, *_: object) -> None:
        self._heard.set()
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = self._hook

    def _interrupt(self, _number: int, _frame: FrameType | None) -> Any:
        if not self._asked:
            self._asked = True
            threading.Thread(target=self._repeat, daemon=True).start()
        raise KeyboardInterrupt

    def _say_no_more(self, lost: sys.UnraisableHookArgs) -> None:
        """Of an interruption that comes again; other exceptions that are lost are told as ever."""
        if lost.exc_type is not KeyboardInterrupt:
            self._hook(lost)

    def _repeat(self) -> None:
        while not self._heard.wait(AGAIN):
            _thread.interrupt_main()
