"""What a function computes in place of what its name says: minus a loss, or an entropy of logits."""

from __future__ import annotations

from dataclasses import dataclass

from ..candidates.guesses import gives_logarithms
from ..problem.problem import Problem
from ..problem.rows import main_input
from .arranged import Arranged

MINUS = "it gives log-probabilities, which are minus the losses"


@dataclass
class Meaning(Arranged):
    """One function, and which operation it is, by its answers."""

    def _negative(self, usual: Problem) -> None:
        """Whether its name says that it gives log-probabilities, and these times -1 are the losses."""
        given = "target" not in usual.inputs or self.candidate.interface.negative
        if given or not gives_logarithms(self.name) or self._fits(usual):
            return
        self.found.says("negative", True, MINUS)
        self._open()
        if self._fits(usual):
            self.found.notes.append(f"{MINUS}, and it is judged so")
            return
        self.found.arguments.pop("negative")
        self._open()

    def _of_logits(self, usual: Problem) -> Problem:
        """The usual question; of an entropy that is wrong for probabilities and right for logits, that of logits."""
        if self.found.operation != "entropy" or self._fits(usual):
            return usual
        entries = ("softmax_entropy", "its numbers are right for logits"), ("entropy", self.found.comments["operation"])
        for operation, why in entries:
            self.found.operation = operation
            self.found.says("operation", operation, why)
            self._open()
            asked = self._plain(usual.dtype, main_input(usual).ndim)
            if asked is not None and self._fits(asked):
                return asked
        return usual
