"""A candidate in a process of its own: what it breaks there, it breaks for itself alone.

Its functions stay there; problems go in and answers come back. When the process ends, or is too slow to answer, that is
the answer to this question and to all that follow, until `renew`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .channel import Child, LostError
from .implementation import Candidate
from .problem import Problem, Result

A = TypeVar("A")
SECONDS = 120.0  # for one question
OF_DEVICES = ("CUDA error", "HIP error", "device-side assert")  # in the words of torch


@dataclass(frozen=True)
class Isolated(Candidate):
    """What the judge needs to know of a candidate, and the process that it lives in."""

    extras: dict[str, frozenset[str]] = field(default_factory=dict)  # what each operation supports
    differentiable: frozenset[str] = frozenset()
    home: _Home | None = None

    def differentiates(self, operation: str) -> bool:
        """With a backward pass of its own, or by autograd."""
        return operation in self.differentiable

    def supports(self, operation: str) -> frozenset[str]:
        """Which extras it has."""
        return self.extras[operation]

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        """From its process, or why there is none."""
        try:
            found: Result = self._home.ask(("answer", problem, device))
        except LostError as error:
            return Result(lost=str(error))
        self._home.notice(found)
        return found

    def conducts(self, asks: Callable[[Any], Iterable[A]], question: Any) -> Iterable[A]:
        """In its process, all at once; there the candidate takes its place in the question again."""
        answers: list[A] = self._home.ask(("conduct", asks, replace(question, candidate=None)))
        for answer in answers:
            self._home.notice(getattr(answer, "result", None))
        return answers

    @property
    def _home(self) -> _Home:
        if self.home is None:
            raise TypeError(f"{self.name} is described, and has no process; softproof.isolated.isolated gives one")
        return self.home

    @property
    def elsewhere(self) -> bool:
        """In a process of its own, which has looked at the device."""
        return True

    @property
    def lost(self) -> str:
        """Why it gives no answers any more; empty while it does."""
        return self._home.lost

    @property
    def printed(self) -> int:
        """How many bytes have been printed in its processes."""
        return self._home.printed

    def renew(self) -> None:
        """Start again; if that cannot be done, it is lost."""
        self._home.restart()

    def close(self) -> None:
        """End its process."""
        self._home.end()


class _Home:
    """One process after the other, each with the same candidate."""

    def __init__(self, prepare: Callable[..., Candidate], arguments: Sequence[Any], seconds: float) -> None:
        self.question, self.seconds = (prepare, arguments), seconds
        self.lost, self.earlier = "", 0
        self.child: Child | None = None

    def start(self) -> Isolated | ValueError | TypeError:
        """A new process, and what lives in it."""
        self.end()
        self.child, self.lost = Child("softproof.worker"), ""
        found: Isolated | ValueError | TypeError = self.ask(self.question, max(self.seconds, SECONDS))
        return found

    def notice(self, result: Result | None) -> None:
        """An error after which a device computes nothing more for this process ends it."""
        if result is not None and result.raised is not None and any(each in result.raised for each in OF_DEVICES):
            self.lost = result.raised

    def end(self) -> None:
        """No more questions."""
        if self.child is not None:
            self.child.end()
            self.earlier, self.child, self.lost = self.printed, None, "its process has been closed"

    def restart(self) -> None:
        """What was started once should be the same again."""
        try:
            found = self.start()
        except LostError:
            return  # and says so, whatever is asked
        if isinstance(found, Exception):
            self.lost = f"could not be started again: {found}"

    def ask(self, question: Any, seconds: float | None = None) -> Any:
        """The answer; LostError if there is none in time."""
        if self.lost or self.child is None:
            raise LostError(self.lost)  # as every question since
        try:
            return self.child.ask(question, seconds or self.seconds)
        except LostError as error:
            self.lost = str(error)
            raise

    @property
    def printed(self) -> int:
        """In bytes."""
        return self.earlier + (self.child.printed if self.child else 0)


def isolated(prepare: Callable[..., Candidate], arguments: Sequence[Any], seconds: float = SECONDS) -> Isolated:
    """The candidate that `prepare(*arguments, tried)` gives in a new process; the first argument names the target.

    Each question may take `seconds`, and the import as long as by default, or longer. Where a candidate does not
    survive being tried out, it is prepared again without.

    Raises: ValueError or TypeError as `prepare` does; ValueError where even the import is not survived.
    """
    home = _Home(prepare, (*arguments, True), seconds)
    try:
        found = home.start()
    except LostError:
        home = _Home(prepare, (*arguments, False), seconds)
        try:
            found = home.start()
        except LostError as error:
            raise ValueError(f"target {arguments[0]!r}: when it was imported, {error}") from error
    if isinstance(found, Exception):
        raise found
    return replace(found, home=home)


def described(candidate: Candidate) -> Isolated:
    """A candidate without its functions, which cannot be sent."""
    return Isolated(
        candidate.name,
        dict.fromkeys(candidate.functions, _elsewhere),
        dict.fromkeys(candidate.backwards, _elsewhere),
        candidate.adapter,
        candidate.source,
        candidate.interface,
        dict.fromkeys(candidate.jvps, _elsewhere),
        dict.fromkeys(candidate.hvps, _elsewhere),
        extras={name: candidate.supports(name) for name in candidate.operations},
        differentiable=frozenset(filter(candidate.differentiates, candidate.operations)),
        formats=candidate.dtypes,
        arrangements=candidate.layouts,
    )


def _elsewhere(*_arguments: Any, **_options: Any) -> Any:
    """In place of a function that is in another process."""
    raise TypeError("this function is in another process")
