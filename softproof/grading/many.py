"""Many candidates, one after the other in each of a few workers; what each grades is a line of a file at once.

A worker is a process of the judge's, which has read the bank; each candidate has a process of its own beside it. What
happens to a worker costs one line, and no other.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ..reports.files import NOT_FOLLOWED
from ..reports.odd_files import read_file
from ..reports.row import JUDGE_FAILED
from ..runs.own_processes import closed_to_others, start
from ..runs.rows import fault
from .bank_file import bank
from .grades import Grade, grade

Line = dict[str, Any]
SCHEMA = "softproof grade 1"


def graded(targets: Sequence[Mapping[str, Any]], path: Path, arithmetic: str, digest: str, jobs: int) -> Iterator[Line]:
    """A line for each target, given with the arguments of `grade`, as each ends; `files` is the digest of its files."""
    todo: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    done: queue.SimpleQueue[Line] = queue.SimpleQueue()
    for target in targets:
        todo.put(target)
    workers = [_Worker(path, arithmetic, digest) for _ in range(min(jobs, len(targets)))]
    threads = [threading.Thread(target=each.work, args=(todo, done), daemon=True) for each in workers]
    with closed_to_others():
        try:
            for thread in threads:
                thread.start()
            for _ in targets:
                yield done.get()
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """A process that grades, and another one where it ends."""

    def __init__(self, path: Path, arithmetic: str, digest: str) -> None:
        self._about, self._ended = (str(path), arithmetic, digest), False
        self._changing = threading.Lock()  # held by whoever starts or ends the process: two threads end it
        self._process: BaseProcess | None = None
        self._end: Connection | None = None

    def work(self, todo: queue.SimpleQueue[Mapping[str, Any]], done: queue.SimpleQueue[Line]) -> None:
        """Until nothing is to be done."""
        while not self._ended:
            try:
                target = todo.get_nowait()
            except queue.Empty:
                break
            done.put(self._line(target))
        self.end()

    def _line(self, target: Mapping[str, Any]) -> Line:
        try:
            end = self._started()
            end.send(dict(target))
            return dict(end.recv())
        except (OSError, EOFError) as error:
            self.stop()
            words = f"{JUDGE_FAILED}: its own process ended ({type(error).__name__})"
            _, arithmetic, digest = self._about
            found = Grade(target["target"], JUDGE_FAILED, failure=words, bank=digest, arithmetic=arithmetic)
            return line(found, key_of(target))

    def _started(self) -> Connection:
        """The judge's end; EOFError once nothing more is to be done."""
        with self._changing:
            if self._ended:
                raise EOFError
            if self._process is None or self._end is None:
                self._process, self._end = start(_serve, *self._about)
            return self._end

    def stop(self) -> None:
        """End the process; whoever asks for the same meanwhile finds nothing left to be ended."""
        with self._changing:
            process, end = self._process, self._end
            self._process = self._end = None
            if process is not None:
                process.terminate()
            if end is not None:
                end.close()

    def end(self) -> None:
        """For good."""
        self._ended = True
        self.stop()


def _serve(end: Connection, path: str, arithmetic: str, digest: str) -> None:
    """Grade what comes, until nobody asks."""
    opened = bank(path)
    with suppress(EOFError, OSError):
        while True:
            arguments = end.recv()
            key, target = key_of(arguments), str(arguments.pop("target"))
            arguments.pop("files", None)
            try:
                if opened.digest != digest:
                    raise ValueError(f"bank {path} is {opened.digest} by now; expected {digest}")
                found = grade(target, opened, arithmetic=arithmetic, **arguments)
            except Exception as error:  # a fault of the judge's own is one line
                found = Grade(target, JUDGE_FAILED, failure=fault(error), bank=digest, arithmetic=arithmetic)
            end.send(line(found, key))


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
