"""Start a worker, with what this system has."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from .protections import LaunchError, Protections, missing

SANDBOX = ("off", "on", "strict")


class Process(Protocol):
    """A worker that runs, as the judge sees it."""

    @property
    def stdin(self) -> IO[bytes]: ...  # noqa: D102
    @property
    def stdout(self) -> IO[bytes]: ...  # noqa: D102
    @property
    def stderr(self) -> IO[bytes]: ...  # noqa: D102
    @property
    def protections(self) -> Protections:
        """What protects the judge from it."""

    @property
    def pid(self) -> int:
        """Its number, for people who look for it."""

    def wait(self, seconds: float) -> int | None:
        """Its exit status, once all that it started has ended, if that is so in so many seconds."""

    def kill(self) -> None:
        """End it with all that it started."""

    def close(self) -> None:
        """The same, and the judge's ends of its first two streams are closed."""


@dataclass(frozen=True)
class Place:
    """Where a worker runs."""

    sandbox: str = "off"
    device: str = "cpu"
    reads: tuple[str, ...] = ()  # files and folders that it needs, beside its modules
    hidden: tuple[str, ...] = ()  # files of the judge


DEFAULT = Place()


def start(command: Sequence[str], path: Sequence[str], place: Place = DEFAULT) -> Process:
    """A worker, in the working directory; its modules are looked up in `path`.

    Raises: LaunchError where it cannot be started.
    """
    if sys.platform != "linux":
        from .portable import Started

        return Started(command, folder=os.getcwd(), variables={})
    from .launcher import Launched

    try:
        return Launched(
            command, folder=os.getcwd(), path=[*path, *place.reads], hidden=place.hidden, device=place.device,
            sandbox=place.sandbox != "off",
        )  # fmt: skip
    except OSError as error:  # as without a working directory, or without a place for temporary files
        raise LaunchError(f"the process of the candidate could not be started: {error}") from error


def check_sandbox(sandbox: str, device: str = "cpu") -> None:
    """ValueError for what is no such setting, and where a protection is absent and the setting is strict."""
    if sandbox not in SANDBOX:
        raise ValueError(f"sandbox is {sandbox!r}; expected one of {', '.join(map(repr, SANDBOX))}")
    if sandbox == "strict" and (why := _missing(device)):
        raise ValueError(f"sandbox is 'strict', and this system does not have everything: {why}")


def _missing(device: str) -> str:
    """What is absent in a worker that does nothing."""
    try:
        worker = start([sys.executable, "-I", "-S", "-c", ""], [], Place("strict", device))
    except LaunchError as error:
        return str(error)
    worker.close()
    worker.stderr.close()
    return missing(worker.protections)
