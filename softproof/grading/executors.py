"""Who grades: a few processes of the judge's own on this machine, or the workers of a Dask cluster.

Both are executors of `concurrent.futures`, as is whatever else has its `submit`.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..runs.own_processes import start
from ..runs.rows import fault

TRIES = 2  # of a call whose process ends
SECONDS = 10  # for a scheduler to answer
_Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Processes(Executor):
    """A few processes of the judge's, each with one call at a time.

    One that ends is replaced, and its call made once more; where that ends it, too, it costs this call alone.
    """

    def __init__(self, count: int) -> None:
        self._todo: queue.SimpleQueue[tuple[Future[Any], _Call] | None] = queue.SimpleQueue()
        self._workers = [_Worker() for _ in range(count)]
        self._threads = [threading.Thread(target=self._work, args=[each], daemon=True) for each in self._workers]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """What the call gives in one of the processes, which import it by its name."""
        future = Future[Any]()
        self._todo.put((future, (call, arguments, named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more calls; those that have begun are ended, too, where futures are cancelled."""
        if cancel_futures:
            for worker in self._workers:
                worker.end()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _work(self, worker: _Worker) -> None:
        """Until nothing is to be done."""
        while (todo := self._todo.get()) is not None:
            future, call = todo
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(worker.told(call))
                except Exception as error:
                    future.set_exception(error)
        worker.end()


class _Worker:
    """A process, and another one where it ends."""

    def __init__(self) -> None:
        self._ended = False
        self._changing = threading.Lock()  # held by whoever starts or ends the process: two threads end it
        self._process: BaseProcess | None = None
        self._end: Connection | None = None

    def told(self, call: _Call, tries: int = TRIES) -> Any:
        """What it gives; BrokenExecutor where its process ends each time, RuntimeError for an exception there."""
        try:
            end = self._started()
            end.send(call)
            whole, found = end.recv()
        except (OSError, EOFError) as error:
            self.stop()
            if self._ended or tries == 1:
                raise BrokenExecutor(f"its own process ended ({type(error).__name__})") from error
            return self.told(call, tries - 1)
        if not whole:
            raise RuntimeError(found)
        return found

    def _started(self) -> Connection:
        """The judge's end; EOFError once nothing more is to be done."""
        with self._changing:
            if self._ended:
                raise EOFError
            if self._process is None or self._end is None:
                self._process, self._end = start(_serve)
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


def _serve(end: Connection) -> None:
    """Make the calls that come, until none does."""
    with suppress(EOFError, OSError):
        while True:
            call, arguments, named = end.recv()
            try:
                told = True, call(*arguments, **named)
            except Exception as error:
                told = False, fault(error)
            end.send(told)


class Cluster(Executor):
    """The workers of a Dask cluster; a call whose worker ends is made by another one.

    Raises: ValueError where Dask is not installed, or no scheduler answers at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            distributed = importlib.import_module("distributed")
        except ImportError:
            raise ValueError(
                f"--dask is {address!r}, and Dask is not installed; expected it: pip install 'softproof[dask]'"
            ) from None
        try:
            self._client = distributed.Client(address, timeout=SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"--dask is {address!r}, where no scheduler answers ({error})") from error
        self._executor: Executor = self._client.get_executor(pure=False)

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """What the call gives on one of the workers, which import it by its name."""
        return self._executor.submit(call, *arguments, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more calls; the cluster goes on."""
        self._executor.shutdown(wait=wait and not cancel_futures)  # Dask cancels what it does not wait for
        self._client.close()
