"""A candidate that goes on in a new process after an error that ends its device, as a label out of range does on CUDA.

For questions that find out what it takes: such an error refuses one of them, and says nothing of the next.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..problem.problem import Problem
from .candidate import Candidate
from .devices import ends_a_device
from .isolated import Isolated
from .protocol import Told


@dataclass(frozen=True)
class Outliving(Isolated):
    """The same candidate, and process after process."""

    def tell(self, problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> Told:
        """From its process; after an error of the device, the next answer is from another."""
        told = super().tell(problem, device, directive, arguments)
        if told.raised is not None and ends_a_device(told.raised):
            self.process.restart()
        return told


def outliving(candidate: Candidate) -> Candidate:
    """One that outlives its device, where it has a process of its own."""
    if not isinstance(candidate, Isolated):
        return candidate
    return Outliving(**{each.name: getattr(candidate, each.name) for each in fields(candidate)})
