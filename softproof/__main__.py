"""``python -m softproof``, which does not look into the working directory for modules, as ``softproof`` does not."""

import atexit
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

OF_A_SIGNAL = 128
INTERRUPTED = OF_A_SIGNAL + signal.SIGINT


def start() -> int:
    """Run the command line; Ctrl-C while it is loaded leaves nothing behind, and no traceback."""
    kept = signal.signal(signal.SIGINT, _leave)
    os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"  # which anybody's package may bring, and which would run here
    from .cli.commands import main

    signal.signal(signal.SIGINT, kept)
    try:
        status = main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status > OF_A_SIGNAL:  # after which Python might end as if nobody had caught it
        atexit._run_exitfuncs()
        _leave(status - OF_A_SIGNAL)
    return status


def _leave(number: int, _frame: FrameType | None = None) -> NoReturn:
    """At once."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            stream.flush()
    os._exit(OF_A_SIGNAL + number)


if __name__ == "__main__":
    sys.exit(start())
