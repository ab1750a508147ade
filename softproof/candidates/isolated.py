"""A candidate in a process of its own: what it breaks there, it breaks for itself alone.

Its functions stay there; problems go in and arrays come back, as data. When the process ends, or is too slow to answer,
or answers what is no answer, that is the answer to this question and to all that follow, until `renew`.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..problem.interface import Interface, InterfaceArguments
from ..problem.problem import Problem
from .candidate import Candidate
from .capabilities import Capabilities
from .channel import Child, LostError
from .description import Described, Description, believed
from .devices import ends_a_device
from .frames import FrameError, Message
from .isolation.denied import advice
from .isolation.protections import Protections, keeps_apart, weakest
from .isolation.start import DEFAULT, Place
from .needed import modules_for
from .plain_text import plain
from .preparation import check_arguments, check_dtypes
from .protocol import Told, encoded, given, most_bytes, question, told_of

SECONDS = 120.0  # for one question
STARTUP_SECONDS = 120.0  # for the start of a process, the import of the target, and trying it out, together
KINDS = {"ValueError": ValueError, "TypeError": TypeError}  # of what is wrong with an argument


@dataclass(frozen=True)
class Isolated(Candidate):
    """What the judge knows of a candidate, and the process that it lives in."""

    about: Description | None = None
    handle: _ProcessHandle | None = None

    @cached_property
    def capabilities(self) -> Capabilities:
        """As its process says."""
        if self.about is None:
            raise TypeError(f"{self.name} has no description; softproof.candidates.isolated.isolated gives one")
        return Described(replace(self), self.about)

    def tell(self, problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> Told:
        """From its process, or why there is nothing."""
        return self.told(problem, self.process.send(problem, device, directive, arguments))

    def told(self, problem: Problem, nonce: str) -> Told:
        """The next answer of its process, to the question with this nonce, or why there is none."""
        try:
            return self.process.told(problem, nonce)
        except LostError as error:
            return Told(lost=str(error))

    @property
    def process(self) -> _ProcessHandle:
        """One of its own."""
        if self.handle is None:
            raise TypeError(
                f"{self.name} is described, and has no process; softproof.candidates.isolated.isolated gives one"
            )
        return self.handle


class _ProcessHandle:
    """One process after the other, each with the same candidate."""

    elsewhere = True

    def __init__(
        self, arguments: Mapping[str, Any], seconds: float, startup: float, place: Place = DEFAULT, closed: bool = False
    ) -> None:
        self.arguments, self.seconds, self.startup, self.place = dict(arguments), seconds, startup, place
        self.closed = closed
        self.protections: Protections = ()
        self.lost, self.earlier = "", 0
        self.child: Child | None = None

    def start(self, since: float) -> Any:
        """A new process, and what its candidate says of itself; ValueError or TypeError where there is none."""
        self.end()
        self.child, self.lost = Child("softproof.candidates.worker", self.place), ""
        self.protections = weakest([*self.protections, *self.child.protections])
        closes = self.closed and not keeps_apart(self.child.protections)
        nonce = self.child.send({"prepare": encoded(self.arguments), "closes": closes}, {})
        body = self._answer(nonce, self.startup, 0, since).body
        if body.keys() == {"refused", "words"} and body["refused"] in KINDS and isinstance(body["words"], str):
            raise KINDS[body["refused"]](plain(body["words"]))
        if body.keys() != {"description"}:
            raise LostError(self._strange(FrameError("no description")))
        return body["description"]

    def send(self, problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> str:
        """Ask a question, whether or not those before it have been answered, and give the nonce of the answer."""
        if self.lost or self.child is None:
            return ""
        return self.child.send(question(problem, device, directive, arguments), given(problem))

    def told(self, problem: Problem, nonce: str) -> Told:
        """The next answer, to the question with this nonce; LostError if none comes in time, or not as described."""
        message = self._answer(nonce, self.seconds, most_bytes(problem))
        try:
            told = told_of(message, given(problem))
        except FrameError as error:
            raise LostError(self._strange(error)) from error
        if told.raised is not None and ends_a_device(told.raised):
            self.lost = f"raised {told.raised}"  # nothing is computed after it
        return told

    def _answer(self, nonce: str, seconds: float, most: int, since: float | None = None) -> Message:
        """The answer; LostError if there is none in time."""
        if self.lost or self.child is None:
            raise LostError(self.lost)  # as every question since
        try:
            return self.child.answer(nonce, seconds, most, since)
        except LostError as error:
            self.lost = str(error)
            raise

    def denied(self, error: str, /) -> str:
        """By its sandbox, or with a variable that it is not given; of a program that failed, what was printed tells."""
        printed = self.child.last_printed if self.child and "exit status" in error else ""
        return advice(f"{error} {printed}", self.place, self.protections)

    def _strange(self, error: FrameError) -> str:
        """What is lost with an answer that is not as described."""
        self.end()
        self.lost = f"it wrote something else where its answer was expected: {error}"
        return self.lost

    def end(self) -> None:
        """No more questions."""
        if self.child is not None:
            self.child.end()
            self.earlier, self.child, self.lost = self.printed, None, "its process has been closed"

    def limit(self, seconds: float, /) -> None:
        """Let no question, and no start, take longer from now on."""
        self.seconds, self.startup = min(self.seconds, seconds), min(self.startup, seconds)

    def restart(self) -> None:
        """What was started once should be the same again."""
        try:
            self.start(time.monotonic())
        except LostError as error:
            self.lost = str(error)  # and says so, whatever is asked
        except (ValueError, TypeError) as error:
            self.end()
            self.lost = f"could not be started again: {error}"

    @property
    def target(self) -> str:
        """Its name, as its user gave it."""
        return str(self.arguments["target"])

    @property
    def printed(self) -> int:
        """In bytes."""
        return self.earlier + (self.child.printed if self.child else 0)


def isolated(
    target: str,
    operation: str | None = None,
    adapter: str | None = None,
    device: str = "cpu",
    dtypes: Sequence[str] | None = None,
    examples: int = 1,
    interface: InterfaceArguments | None = None,
    *,
    seconds: float = SECONDS,
    startup: float = STARTUP_SECONDS,
    folders: Sequence[str] = (),
    sandbox: str = "off",
    hidden: Sequence[str] = (),
    sandbox_read: Sequence[str] = (),
    sandbox_env: Sequence[str] = (),
    closed: bool = False,
) -> Isolated:
    """The candidate that `softproof.candidates.preparation.prepare` gives of these arguments in a new process.

    Each question may take `seconds`; start, import and trying it out may take `startup` together. Where a candidate
    does not survive being tried out, it is prepared again without. Modules are looked up in `folders` first. In a
    `sandbox` the files in `hidden` cannot be read, and the folders in `sandbox_read` can. `sandbox_env` names
    variables that it may know besides. A `closed` one lets no other process look into its own.

    Raises: ValueError or TypeError as `prepare` does; ValueError where even the import is not survived.
    """
    interface = InterfaceArguments() if interface is None else interface
    known = check_arguments(operation, adapter, device, dtypes, examples, interface)
    arguments = {"target": target, "operation": operation, "adapter": adapter, "device": device, "tried": True,
                 "dtypes": dtypes and list(dtypes), "interface": _plain(interface),
                 "folders": [*folders]}  # fmt: skip
    reads = (*folders, *_files(target), *map(os.path.abspath, sandbox_read))
    needs = modules_for(target, folders)
    place = Place(sandbox, device, reads, tuple(hidden), tuple(sandbox_env), tuple(sandbox_read), needs)
    handle, since = _ProcessHandle(arguments, seconds, startup, place, closed), time.monotonic()
    try:
        return _opened(_started(handle, since), handle, known, dtypes)
    except (ValueError, TypeError) as error:
        denied = handle.denied(str(error))
        handle.end()
        if denied:
            raise ValueError(f"{error}. {denied}") from error
        raise


def _files(target: str) -> list[str]:
    """Files that the name of a target, which may be a command, names; with what is beside a model."""
    try:
        words = [word for word in shlex.split(target) if os.path.exists(word)]
    except ValueError:
        return []
    return [os.path.dirname(os.path.abspath(word)) if word.endswith(".onnx") else word for word in words]


def _started(handle: _ProcessHandle, since: float) -> Any:
    """What a target says of itself, tried out if it survives that, and otherwise not."""
    try:
        return handle.start(since)
    except LostError as error:
        if not handle.arguments["tried"] or time.monotonic() - since >= handle.startup:
            raise ValueError(f"target {handle.target!r}: when it was imported, {error}") from error
    handle.arguments["tried"] = False
    return _started(handle, since)


def _opened(said: Any, handle: _ProcessHandle, known: Interface, dtypes: Sequence[str] | None) -> Isolated:
    """The candidate that says this of itself, as far as it is believed."""
    try:
        about = believed(said, handle.target, handle.arguments["operation"], handle.arguments["adapter"], known)
    except FrameError as error:
        raise ValueError(f"target {handle.target!r}: what it says of itself is {error}") from error
    device = handle.arguments["device"]
    if device != "cpu":  # at which its process alone has looked
        about = replace(about, reported=(f"device: {device}", *about.reported))
    functions, backwards = (dict.fromkeys(each, _elsewhere) for each in (about.takes, about.backwards))
    candidate = Isolated(about.name, functions, backwards, about.adapter, repr(handle.target), about.interface,
                         formats=about.formats, about=about, handle=handle)  # fmt: skip
    check_dtypes(candidate, dtypes)
    return candidate


def _plain(interface: InterfaceArguments) -> dict[str, Any]:
    """The arguments of an interface as plain data, which can be sent."""
    data: dict[str, Any] = {}
    for name, value in interface.items():
        data[name] = sorted(value) if isinstance(value, set | frozenset) else value
        try:
            encoded(data[name])
        except TypeError as error:
            raise TypeError(f"{name} {error}; in_process=True takes anything") from None
    return data


def _elsewhere(*_arguments: Any, **_options: Any) -> Any:
    """In place of a function that is in another process."""
    raise TypeError("this function is in another process")
