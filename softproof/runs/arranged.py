"""A usual question that a function answers, with its axes in the order of the function, or with probabilities."""

from __future__ import annotations

from dataclasses import dataclass

from ..candidates.axes import OF_LOSSES
from ..problem.interface import MATRICES
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from .introduction import FIRST, CannotAskError
from .otherwise import soft_question
from .usual import Usual


@dataclass
class Arranged(Usual):
    """One function, and the order of its axes."""

    def _usual_or_soft(self) -> Problem:
        """A usual question that it answers; of a loss that raises an error for labels, with target probabilities.

        Whether it is right for them is another question; who is right for labels somewhere takes labels.
        """
        error, usual = None, None
        try:
            usual = self._usual()
        except CannotAskError as raised:
            if self._transposed() or self._classes_last(None):
                return self._usual()
            error = raised
        soft = soft_question(
            self.candidate, self.found.operation, FIRST[0] if usual is None else usual.dtype, self.device
        )
        if soft is not None and (self._fits(soft) or (self._has_a_shape(soft) and not (usual and self._fits(usual)))):
            self.found.not_tested["labels"] = "it raises an error for labels of several rows, and answers probabilities"
            self._leaves_out("labels")
            self._open()
            return self._usual()
        if usual is None:
            raise error or CannotAskError("it answers no question")
        return usual

    def _classes_last(self, usual: Problem | None) -> bool:
        """Whether a loss of positions is right with its classes along the last axis, and not along the second.

        Then it is asked so. `usual` is the usual question, if it answers one.
        """
        operation, given = self.found.operation, self.candidate.interface.fixed
        if operation not in OF_LOSSES or "dim" in given or (usual is not None and not self._is_right(usual)):
            return False
        asked = self._plain(FIRST[0] if usual is None else usual.dtype, 3)
        if asked is None or not self.candidate.takes(asked) or self._is_right(asked):
            return False
        before = self.found.arguments.get("fixed"), self.found.comments.get("fixed", "")
        self.found.says("fixed", {**given, "dim": -1}, "the values that its answers have")
        self._open()
        if self._is_right(asked) or (usual is None and self._fits(asked)):
            self.found.notes.append(LAST_AXIS)
            return True
        self.found.arguments.pop("fixed")
        if before[0] is not None:
            self.found.says("fixed", *before)
        self._open()
        return False

    def _transposed(self) -> bool:
        """Whether a layer that answers no question is right if its weight is (features, classes); it is asked so."""
        own = [each for each in OPERATIONS[self.found.operation].inputs if each in MATRICES]
        if not own or self.candidate.interface.transposed:
            return False
        self.found.says("transposed", own, "a matrix that it takes as (features, classes)")
        self._open()
        try:
            right = self._fits(self._usual())
        except CannotAskError:
            right = False
        if right:
            self.found.notes.append(f"{own[0]} is (features, classes) for it, and torch's is (classes, features)")
            return True
        self.found.arguments.pop("transposed")
        self._open()
        return False


LAST_AXIS = "its classes lie along the last axis of arrays with positions, (N, d1, …, C), and it is asked so"
