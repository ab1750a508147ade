"""The interface that the judge needs of what it judges."""

from __future__ import annotations

from typing import Protocol

from ..problem.problem import Problem, Result


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
