"""What a function computes in place of what its name says: minus a loss, or an entropy of logits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..candidates.guesses import OF_LOGITS, gives_logarithms
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
        """The usual question; of an entropy or a divergence that is right for logits alone, that of logits."""
        before = self.found.operation
        if before not in OF_LOGITS or self._fits(_rolled(usual)):
            return usual
        others = (OF_LOGITS[before], "its numbers are right for logits"), (before, self.found.comments["operation"])
        for operation, why in others:
            self.found.operation = operation
            self.found.says("operation", operation, why)
            self._open()
            asked = self._plain(usual.dtype, main_input(usual).ndim)
            if asked is not None and self._fits(asked):
                return asked
        return usual


def _rolled(problem: Problem) -> Problem:
    """The same with distributions that differ."""
    inputs = {name: np.roll(array, place, -1) for place, (name, array) in enumerate(problem.inputs.items())}
    return replace(problem, inputs=inputs)
