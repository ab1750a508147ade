"""The rows of one target, shared among processes of the judge's, each with a process of the target beside it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from ..candidates.isolation.protections import Protection
from ..reports.row import Row
from ..runs.own_processes import start

RowName = tuple[str, str]  # of an operation and a dtype
MOST = 4  # processes, where nobody says how many: each takes memory of its own, and so does the target beside it


def cores() -> int:
    """How many processes run at a time where nobody says otherwise."""
    return min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def shares(rows: Sequence[RowName], jobs: int) -> list[tuple[RowName, ...]]:
    """There and back again, since neighbours differ in their dtype, and float64 takes longer.

    >>> shares([("softmax", "float64"), ("softmax", "float32"), ("linear", "float64"), ("linear", "float32")], 2)
    [(('softmax', 'float64'), ('linear', 'float32')), (('softmax', 'float32'), ('linear', 'float64'))]
    """
    jobs = max(1, min(jobs, len(rows)))
    turns = [*range(jobs), *reversed(range(jobs))]
    return [tuple(row for number, row in enumerate(rows) if turns[number % len(turns)] == job) for job in range(jobs)]


class Others:
    """Processes that judge shares of the rows while this one judges its own. They end where this is left.

    `judge(share, finished)` is what each runs, and what gives the protections of its candidate; `finished` is called
    here with each row, as it comes.
    """

    def __init__(
        self,
        judge: Callable[..., Sequence[Protection]],
        shares: Sequence[Sequence[RowName]],
        finished: Callable[[Row], None],
    ) -> None:
        self._started: list[tuple[BaseProcess, Connection]] = []
        self._threads: list[threading.Thread] = []
        self._judge, self._shares, self._finished = judge, shares, finished
        self.rows: list[Row] = []
        self.protections: list[Protection] = []

    def __enter__(self) -> Self:
        for share in self._shares:
            self._started.append(start(_serve, self._judge, share))
            self._threads.append(threading.Thread(target=self._receive, args=(self._started[-1][1],), daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for process, _end in self._started:
            process.terminate()
        for process, _end in self._started:
            process.join()

    def wait(self) -> None:
        """Until all have ended. A process that ends too early says nothing of its last rows."""
        for thread in self._threads:
            thread.join()

    def _receive(self, end: Connection) -> None:
        try:
            while isinstance(said := end.recv(), Row):
                self.rows.append(said)
                self._finished(said)
            self.protections += said
        except (OSError, EOFError):  # it ended
            return


def _serve(end: Connection, judge: Callable[..., Sequence[Protection]], share: Sequence[RowName]) -> None:
    end.send(judge(share, end.send))


def unsaid(shares: Sequence[Sequence[RowName]], found: Sequence[Row]) -> list[RowName]:
    """The rows of these shares that nobody has judged."""
    said = {(row.operation, row.dtype) for row in found}
    return [row for share in shares for row in share if row not in said]


def in_order(found: Sequence[Row], rows: Sequence[RowName]) -> list[Row]:
    """As they are asked by one process; others last."""
    place = {row: number for number, row in enumerate(rows)}
    return sorted(found, key=lambda row: place.get((row.operation, row.dtype), len(rows)))
