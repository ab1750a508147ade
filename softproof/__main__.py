"""``python -m softproof``; ``python -P -m softproof`` never looks into the working directory, as ``softproof``."""

import os
import sys

INTERRUPTED = 130


def start() -> int:
    """Run the command line; Ctrl-C while it is loaded is no traceback either."""
    try:
        from .cli import main

        return main()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
        del sys.path[0]  # which -m has put there: what lies beside a target is not the judge's
    sys.exit(start())
