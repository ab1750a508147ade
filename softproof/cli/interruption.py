"""Ctrl-C, and the signals by which a job is cancelled, end a run soon wherever they come."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

AGAIN = 0.3  # seconds
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_USUAL = (signal.default_int_handler, signal.SIG_DFL)


class Interruption:
    """While it lasts, Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt, and again until that is heard.

    `signal` is the one that came. A signal that is ignored, as by nohup, or has a handler already, stays as it is.

    Python prints an exception and goes on where it is raised in a callback of the garbage collector or of a library; a
    run would not end then.

    >>> with Interruption():
    ...     print("uninterrupted")
    uninterrupted
    """

    def __enter__(self) -> Self:
        self._heard, self.signal = threading.Event(), 0
        self._kept: dict[int, Any] = {}
        self._hook = sys.unraisablehook
        if threading.current_thread() is threading.main_thread():
            self._kept = {each: kept for each in SIGNALS if _is_usual(kept := signal.getsignal(each))}
        for each in self._kept:
            signal.signal(each, self._interrupt)
        if self._kept:
            sys.unraisablehook = self._say_no_more
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.set()
        for each, kept in self._kept.items():
            signal.signal(each, kept)
        if self._kept:
            sys.unraisablehook = self._hook

    def _interrupt(self, number: int, _frame: FrameType | None) -> Any:
        if not self.signal:
            self.signal = number
            threading.Thread(target=self._repeat, daemon=True).start()
        raise KeyboardInterrupt

    def _say_no_more(self, lost: sys.UnraisableHookArgs) -> None:
        """Of an interruption that comes again; other exceptions that are lost are told as ever."""
        if lost.exc_type is not KeyboardInterrupt:
            self._hook(lost)

    def _repeat(self) -> None:
        while not self._heard.wait(AGAIN):
            _thread.interrupt_main()


def _is_usual(handler: Any) -> bool:
    """Whether a signal has the handler that it has in a new process, or that of an interruption around this one."""
    return handler in _USUAL or isinstance(getattr(handler, "__self__", None), Interruption)
