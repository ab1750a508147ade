"""Start a worker, with what this system has."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

from ...problem.validation import check_names
from .protections import INHERITED, READING, LaunchError, Protection, Protections, missing

if TYPE_CHECKING:
    from .warm import Stem

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
    names: tuple[str, ...] = ()  # variables of the judge's environment that it may know besides those of the list
    told: tuple[str, ...] = ()  # of what it reads, what somebody has asked for
    imports: tuple[str, ...] = ()  # modules that it is to have imported, where it need not do so itself


DEFAULT = Place()
STARTS = """\
import runpy, sys
module, *sys.path[:] = sys.argv[1:]
del sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""  # the path is handed over as a list, whatever its folders are called
PYTHON = (sys.executable, "-P", "-c", STARTS)  # to which the name of a module and the path are appended


def start(module: str, path: Sequence[str], place: Place = DEFAULT) -> Process:
    """A worker that runs a module, in the working directory; its modules are looked up in `path`.

    It is forked from a process that has imported what it needs, but where a device could not be used after that.

    Raises: LaunchError where it cannot be started.
    """
    if sys.platform == "linux" and place.device == "cpu" and not place.names:
        from .warm import StemError, forget, stem

        if warm := stem(PYTHON, path, place.imports):
            try:
                return launch([module], path, place, warm)
            except StemError:
                forget(warm)
    return launch([*PYTHON, module, *path], path, place)


def launch(command: Sequence[str], path: Sequence[str], place: Place, stem: Stem | None = None) -> Process:
    """A worker that runs a program, or what a stem forks."""
    if sys.platform != "linux":
        from .portable import Started

        return Started(command, folder=os.getcwd(), variables={}, names=place.names)
    from .launcher import Launched

    try:
        launched = Launched(
            command, folder=os.getcwd(), path=[*path, *place.reads], hidden=place.hidden, device=place.device,
            sandbox=place.sandbox != "off", names=place.names, stem=stem,
        )  # fmt: skip
        launched.protections = tuple(_with_more(each, place) for each in launched.protections)
        return launched
    except OSError as error:  # as without a working directory, or without a place for temporary files
        raise LaunchError(f"the process of the candidate could not be started: {error}") from error


def _with_more(protection: Protection, place: Place) -> Protection:
    """What somebody has allowed besides, for the report."""
    more = {READING: place.told, INHERITED: place.names}.get(protection.name, ())
    if not more or not protection.active:
        return protection
    return protection._replace(how=f"{protection.how}, which was told to allow {', '.join(more)}")


def check_sandbox(sandbox: str, device: str = "cpu") -> None:
    """ValueError for what is no such setting, and where a protection is absent and the setting is strict."""
    if sandbox not in SANDBOX:
        raise ValueError(f"sandbox is {sandbox!r}; expected one of {', '.join(map(repr, SANDBOX))}")
    if sandbox == "strict" and (why := _missing(device)):
        raise ValueError(f"sandbox is 'strict', and this system does not have everything: {why}")


def check_more(sandbox_read: Any, sandbox_env: Any) -> None:
    """ValueError or TypeError for what is no list of folders that there are, or of names of variables."""
    for name, given, example in (("sandbox_read", sandbox_read, "/data"), ("sandbox_env", sandbox_env, "MY_KERNEL")):
        check_names(name, given, example)
    for folder in sandbox_read:
        if not os.path.isdir(folder):
            raise ValueError(f"sandbox_read names {folder!r}; expected a folder")
    for variable in sandbox_env:
        if not variable or "=" in variable or "\0" in variable:
            raise ValueError(f"sandbox_env names {variable!r}; expected the name of a variable")


def _missing(device: str) -> str:
    """What is absent in a worker that does nothing."""
    try:
        worker = launch([sys.executable, "-I", "-S", "-c", ""], [], Place("strict", device))
    except LaunchError as error:
        return str(error)
    worker.close()
    worker.stderr.close()
    return missing(worker.protections)
