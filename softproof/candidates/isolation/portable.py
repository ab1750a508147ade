"""Where there is no Linux: a worker that the judge starts itself, and ends with its process group where it has one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from .environment import QUIET, listed
from .protections import ALL, INHERITED, Protection, Protections, complete


class Started:
    """A worker with the attributes of `launcher.Launched`, and few of its protections."""

    def __init__(
        self, command: Sequence[str], *, folder: str, variables: Mapping[str, str], names: Sequence[str] = ()
    ) -> None:
        environment = {**QUIET, **listed(os.environ, names), **variables}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            cwd=folder, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdin, self.stdout, self.stderr = self._process.stdin, self._process.stdout, self._process.stderr
        self.protections = _protections(len(environment))

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, once it has ended."""
        return self._process.returncode

    def wait(self, seconds: float) -> int | None:
        """Its exit status, or None if it has not ended in so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.status

    def kill(self) -> None:
        """End it, and its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self.wait(1.0)

    def close(self) -> None:
        """End it, and close the streams of the judge, but for standard error, which its reader closes."""
        self.kill()
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _protections(variables: int) -> Protections:
    """All absent, but for what is inherited."""
    why = f"{sys.platform}: the process group of the candidate is ended, and no more"
    nothing = (Protection(name, False, why) for name in ALL)
    return complete([*nothing, Protection(INHERITED, True, f"{variables} variables")])
