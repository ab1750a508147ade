"""Start a worker, with what this system has."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Protocol

from .protections import Protections


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


def start(
    command: Sequence[str],
    *,
    folder: str,
    path: Sequence[str],
    variables: Mapping[str, str],
    hidden: Iterable[str],
    device: str,
    sandbox: bool,
) -> Process:
    """A worker; `launcher.Launched` explains these.

    Raises: LaunchError where it cannot be started.
    """
    if sys.platform != "linux":
        from .portable import Started

        return Started(command, folder=folder, variables=variables)
    from .launcher import Launched

    return Launched(
        command, folder=folder, path=path, variables=variables, hidden=hidden, device=device, sandbox=sandbox
    )
