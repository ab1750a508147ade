"""Further processes of the judge's own. Nothing in the working directory is imported there, as in its first one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..candidates.isolation.system import PR_GET_DUMPABLE, PR_SET_DUMPABLE, prctl
from ..candidates.isolation.warm import Stems, adopt, kept

SAFE_PATH = "PYTHONSAFEPATH"  # a variable of Python's
_STARTING = threading.Lock()


def start(serve: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """A process that runs `serve(end, *arguments)`, and the other end of its connection.

    It ends with the process that started it, and does not hear what a terminal sends to all.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(kept(), serve, theirs, *arguments), daemon=True)
    with safe_path():
        process.start()
    theirs.close()
    return process, ours


@contextmanager
def safe_path() -> Iterator[None]:
    """New processes of Python look nothing up in the working directory, where a candidate may have a pickle.py."""
    with _STARTING:
        before = os.environ.get(SAFE_PATH)
        os.environ[SAFE_PATH] = "1"
        try:
            yield
        finally:
            _restore(before)


@contextmanager
def closed_to_others() -> Iterator[None]:
    """No other process of this user may look into this one on Linux, such as a candidate that another one has started.

    A process that has started a candidate does this itself where nothing else keeps the candidate apart.
    """
    if sys.platform != "linux":
        yield
        return
    before = prctl(PR_GET_DUMPABLE)
    prctl(PR_SET_DUMPABLE, 0)
    try:
        yield
    finally:
        if before == 1:
            prctl(PR_SET_DUMPABLE, 1)


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = before


def _serve(stems: Stems, serve: Callable[..., None], end: Connection, *arguments: Any) -> None:
    adopt(stems)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for each in ("SIGINT", "SIGHUP"):  # which the judge's first process hears
        if hasattr(signal, each):
            signal.signal(getattr(signal, each), signal.SIG_IGN)
    with closed_to_others():
        serve(end, *arguments)


def _end_with_parent() -> None:
    """End as soon as the process that started this one has, however it did."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
