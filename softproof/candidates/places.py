"""Where an exception was raised: in the user's own files, if any of them is on the way."""

from __future__ import annotations

import sysconfig
import traceback
from functools import lru_cache
from pathlib import Path

_OURS = Path(__file__).resolve().parents[1]
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
_INSTALLED = ("site-packages", "dist-packages")


def place_of(error: BaseException) -> str:
    """The deepest frame in the user's files, as " at file:line"; where there is none, the deepest that is not ours."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    foreign = [each for each in frames if _OURS not in _path(each.filename).parents]
    own = [each for each in foreign if not _is_library(_path(each.filename))]
    deepest = own or [each for each in foreign if "importlib" not in each.filename]
    return f" at {Path(deepest[-1].filename).name}:{deepest[-1].lineno}" if deepest else ""


@lru_cache(64)  # a recursion has many frames in few files
def _path(name: str) -> Path:
    return Path(name).resolve()


def _is_library(path: Path) -> bool:
    """Whether a file is of the standard library, or installed."""
    return any(part in _INSTALLED for part in path.parts) or any(each in path.parents for each in _STANDARD)
