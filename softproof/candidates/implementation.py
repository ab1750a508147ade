"""The interfaces that the judge needs: of what it judges, and of the process that this lives in."""

from __future__ import annotations

from typing import Protocol

from ..problem.interface import Interface
from ..problem.problem import Problem, Result
from .isolation.protections import Protections


class Implementation(Protocol):
    """The interface that the judge needs."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations it has."""

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats it can be asked in."""

    @property
    def interface(self) -> Interface:
        """How it is called, and so what of a problem it is asked."""

    def differentiates(self, operation: str) -> bool:
        """Whether it has gradients for `operation`."""

    def supports(self, operation: str) -> frozenset[str]:
        """Which optional inputs and options of `operation` it takes."""

    def takes(self, problem: Problem) -> bool:
        """Whether a problem has the shape and the fixed options that it takes."""

    def answer(self, problem: Problem, device: str) -> Result:
        """Value, gradients and what it has of derivatives in a direction; leaves the problem as it was.

        An exception becomes `Result.raised`.
        """


class Process(Protocol):
    """The process that a candidate's functions live in, as the judge sees it.

    It is the judge's own (`HERE`), or another one, which can be lost, protected from and started again (`isolated.py`).
    """

    @property
    def elsewhere(self) -> bool:
        """Whether it is another than the judge's."""

    @property
    def lost(self) -> str:
        """Why there will be no more answers; empty while there are."""

    @property
    def protections(self) -> Protections:
        """What has protected the judge from it."""

    @property
    def printed(self) -> int:
        """How many bytes have been printed there and nobody has seen."""

    def denied(self, error: str, /) -> str:
        """What was kept from the candidate, as far as an error of its tells, and how to allow that."""

    def limit(self, seconds: float, /) -> None:
        """Let no question, and no start, take longer from now on."""

    def restart(self) -> None:
        """Start again, as if nothing had been asked; if that cannot be done, it is lost."""

    def end(self) -> None:
        """No more questions."""


class _Here:
    """The judge's own process: never lost, never ended, and nothing protects the judge from what is in it."""

    elsewhere, lost, printed = False, "", 0
    protections: Protections = ()

    def denied(self, _error: str, /) -> str:
        return ""

    def limit(self, _seconds: float, /) -> None:
        pass

    def restart(self) -> None:
        pass

    def end(self) -> None:
        pass


HERE: Process = _Here()
