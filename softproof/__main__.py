"""``python -m softproof``; ``python -P -m softproof`` never looks into the working directory, as ``softproof``."""

import os
import sys

if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]  # which -m has put there: what lies beside a target is not the judge's

from .cli import main  # nothing of it may be looked up there

sys.exit(main())
