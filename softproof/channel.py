"""Two processes that ask and answer: pickled objects through the standard streams of the one that answers.

The child keeps the two streams for itself and leaves its candidate an empty standard input, and standard error for
everything that it prints, of which the parent keeps the end.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import IO, Any

KEPT = 4096  # bytes of what was printed last
START = """\
import runpy, sys
module, *sys.path[:] = sys.argv[1:]
del sys.argv[1:]
runpy.run_module(module, run_name="__main__")
"""  # the path is handed over as a list, whatever its folders are called


class LostError(Exception):
    """There is no answer, and why."""


class Child:
    """A process that runs a module of this package, and answers what it is asked."""

    def __init__(self, module: str) -> None:
        path = [str(Path.cwd()) if folder == "" else folder for folder in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, module, *path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._questions, self._answers = there(self._process.stdin), there(self._process.stdout)
        self._printed = _Printed(there(self._process.stderr))
        self._late = False
        self._finalizer = weakref.finalize(self, _end, self._process, self._printed)

    def ask(self, question: Any, seconds: float) -> Any:
        """The answer; LostError where none comes in time, and there will be no other."""
        clock = threading.Timer(seconds, self._too_late)
        clock.start()
        try:
            answer, lost = self._exchange(question), None
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            lost = error
        finally:
            clock.cancel()  # on Ctrl-C too
        if lost is not None or self._late:
            raise LostError(self._cause(lost, seconds)) from lost
        return answer

    def _exchange(self, question: Any) -> Any:
        _send(self._questions, question)
        return pickle.load(self._answers)

    def _too_late(self) -> None:
        self._late = True
        _kill(self._process)

    @property
    def printed(self) -> int:
        """How many bytes it has printed."""
        return self._printed.count

    def end(self) -> None:
        """Stop it, and those that it started."""
        self._finalizer()

    def _cause(self, error: Exception | None, seconds: float) -> str:
        """Why there is no answer; nothing of the process is left."""
        ended = isinstance(error, OSError | EOFError)
        status = self._process.wait() if ended else 0
        self.end()
        if self._late:
            return f"it gave no answer within {seconds:g} s"
        if not ended:
            return "it wrote something else where its answer was expected"
        return f"its process ended with {named(status)}{self._printed.last_words()}"


def there(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream of a process that was started with one."""
    assert stream is not None
    return stream


def _kill(process: subprocess.Popen[bytes]) -> None:
    """A process and those that it started, which hold its streams open."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _end(process: subprocess.Popen[bytes], printed: _Printed) -> None:
    """Kill it, and close its streams."""
    _kill(process)
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(BrokenPipeError):
            there(stream).close()
    printed.close()


def named(status: int) -> str:
    """An exit status in words.

    >>> named(3), named(-11)
    ('exit status 3', 'SIGSEGV')
    """
    if status >= 0:
        return f"exit status {status}"
    return signal.Signals(-status).name + (", as where memory is short" if status == -signal.SIGKILL else "")


class _Printed:
    """What comes out of a stream: how much, and its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.count, self.end = 0, b""
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 1 << 16):
                self.count += len(chunk)
                self.end = (self.end + chunk)[-KEPT:]

    def close(self) -> None:
        """Once the process has ended; the reader itself may be who collects the garbage that a child has become."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def last_words(self) -> str:
        """The line of the candidate that a crash report names, or the last line that was printed."""
        text = self.end.decode(errors="replace")
        own = str(Path(__file__).parent)
        for file, line in re.findall(r'File "(.*?)", line (\d+)', text if "Fatal Python error" in text else ""):
            if not file.startswith((own, "<")):
                return f" at {Path(file).name}:{line}"
        lines = text.split("\n") if text.strip() else []
        return f"; it printed {[line for line in lines if line.strip()][-1].strip()!r}" if lines else ""


def _send(stream: IO[bytes], message: Any) -> None:
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


class Parent:
    """The other end, in the child."""

    def __init__(self) -> None:
        self._questions, self._answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)

    def question(self) -> Any:
        """The next one; EOFError when there are no more."""
        return pickle.load(self._questions)

    def answer(self, answer: Any) -> None:
        """Send it."""
        _send(self._answers, answer)
