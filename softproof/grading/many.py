"""Many candidates, one after the other in each of a few workers; what each grades is a line of a file at once.

A worker is a process of the judge's, which has read the bank; each candidate has a process of its own beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..diagnosis.lineup import Lineup
from ..reports.files import NOT_FOLLOWED
from ..reports.odd_files import read_file
from ..reports.row import JUDGE_FAILED
from ..runs.own_processes import closed_to_others
from ..runs.rows import fault
from .bank_file import Bank, bank
from .executors import Processes
from .grades import Grade, grade

Line = dict[str, Any]
SCHEMA = "softproof grade 1"


def graded(
    targets: Sequence[Mapping[str, Any]],
    path: Path,
    arithmetic: str,
    digest: str,
    jobs: int = 1,
    executor: Executor | None = None,
) -> Iterator[Line]:
    """A line for each target, given with the arguments of `grade`, as each ends; `files` is the digest of its files.

    They are graded by an executor of `concurrent.futures`, by default in so many processes of this machine. Each of its
    workers reads the bank, and looks for targets in the working directory of this process.
    """
    about = str(path.absolute()), arithmetic, digest, str(Path.cwd())
    with closed_to_others(), ExitStack() as ending:
        if executor is None:
            executor = Processes(min(jobs, len(targets)))
            ending.callback(executor.shutdown, wait=False, cancel_futures=True)
        asked = {executor.submit(graded_line, *about, dict(target)): target for target in targets}
        for each in asked:
            ending.callback(each.cancel)
        for future in as_completed(asked):
            yield _line_of(future, asked[future], arithmetic, digest)


def _line_of(future: Future[Line], target: Mapping[str, Any], arithmetic: str, digest: str) -> Line:
    """What was graded, or that the process that was to do it has ended."""
    try:
        return dict(future.result())
    except Exception as error:
        words = f"{JUDGE_FAILED}: {error or type(error).__name__}"
        found = Grade(target["target"], JUDGE_FAILED, failure=words, bank=digest, arithmetic=arithmetic)
        return line(found, key_of(target))


def graded_line(path: str, arithmetic: str, digest: str, folder: str, arguments: Mapping[str, Any]) -> Line:
    """The line of one target, which is in that folder, in whatever process this is called."""
    given = {name: value for name, value in arguments.items() if name not in ("target", "files")}
    target = str(arguments["target"])
    try:
        os.chdir(folder)
        diagnose = given.pop("diagnose", True) and _lineup()
        found = grade(target, _opened(path, digest), arithmetic=arithmetic, diagnose=diagnose, **given)
    except Exception as error:  # a fault of the judge's own is one line
        found = Grade(target, JUDGE_FAILED, failure=fault(error), bank=digest, arithmetic=arithmetic)
    return line(found, key_of(arguments))


@lru_cache(maxsize=1)
def _opened(path: str, digest: str) -> Bank:
    """The bank, read once by each process."""
    opened = bank(path)
    if opened.digest != digest:
        raise ValueError(f"bank {path} is {opened.digest} by now; expected {digest}")
    return opened


_OF_THREAD = threading.local()


def _lineup() -> Lineup:
    """Known bugs, whose process stays for all that this thread grades."""
    if not hasattr(_OF_THREAD, "lineup"):
        _OF_THREAD.lineup = Lineup()
    found: Lineup = _OF_THREAD.lineup
    return found


# ---- the file -------------------------------------------------------------------------------------------------------


def line(found: Grade, key: str) -> Line:
    """Of a grade, as JSON has it."""
    return {"schema": SCHEMA, "key": key, **found.to_dict()}


def key_of(arguments: Mapping[str, Any]) -> str:
    """What is the same where the same files are asked in the same way: the digest of the arguments of `grade`.

    >>> key_of({"target": "manual", "hidden": ["a"]}) == key_of({"hidden": ["b"], "target": "manual"})
    True
    """
    asked = {name: value for name, value in arguments.items() if name != "hidden"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=sorted).encode()).hexdigest()


class Results:
    """A file of lines, each in JSON; those that stand there already are kept.

    Raises: ValueError where it is no ordinary file; OSError where it cannot be written.
    """

    def __init__(self, path: Path, digest: str, arithmetic: str) -> None:
        self.path, self.known = path, dict[str, Line]()
        text = read_file(path, flags=NOT_FOLLOWED) if os.path.lexists(path) else b""
        for each in map(_parsed, text.splitlines()):
            if each is not None and (each.get("bank"), each.get("arithmetic")) == (digest, arithmetic):
                self.known[str(each.get("key"))] = each
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOT_FOLLOWED | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o666)
        if text and not text.endswith(b"\n"):  # of a run that was ended in the middle of a line
            os.write(self._descriptor, b"\n")

    def add(self, found: Line) -> None:
        """One more, which is on the disk when this returns."""
        rest = (written(found) + "\n").encode()
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """No more."""
        os.close(self._descriptor)


def written(found: Line) -> str:
    """A line of JSON."""
    return json.dumps(found, ensure_ascii=True, allow_nan=False)


def _parsed(text: bytes) -> Line | None:
    """A line; None for what is none, such as the torn end of a run, or what somebody else has written."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_line(found) else None


def _is_line(found: Line) -> bool:
    """Whether it has what is told of one that is not asked again."""
    texts = all(isinstance(found.get(name), str) for name in ("key", "target", "verdict"))
    return texts and found.get("schema") == SCHEMA and isinstance(found.get("score"), float)
