"""``python -m softproof``; ``python -P -m softproof`` never looks into the working directory, as ``softproof``."""

import atexit
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def start() -> int:
    """Run the command line; Ctrl-C while it is loaded leaves nothing behind, and no traceback."""
    kept = signal.signal(signal.SIGINT, _leave)
    from .cli import main

    signal.signal(signal.SIGINT, kept)
    try:
        status = main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:  # after which Python might end as if nobody had caught it
        atexit._run_exitfuncs()
        _leave()
    return status


def _leave(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
    """At once."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
        del sys.path[0]  # which -m has put there: what lies beside a target is not the judge's
    sys.exit(start())
