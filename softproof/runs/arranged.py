"""A usual question that a function answers, with its axes in the order of the function, or with probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from ..candidates.axes import OF_LOSSES
from ..candidates.guesses import gives_logarithms
from ..diagnosis.interview import Given
from ..problem.arrangements import ARRANGEMENTS, may_keep
from ..problem.interface import MATRICES
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem, Result
from ..problem.row_masks import MASKS
from ..verdicts.judgement import judge
from .introduction import FIRST, LEFT_OUT, CannotAskError
from .ladder import widest
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
            if self._transposed() or self._columns(None) or self._of_positions(str(raised)) or self._kept(None):
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
        if usual is None and soft is not None and self._keeps(self._without_labels(), LEFT_OUT, self._answers_right):
            self.found.not_tested["labels"] = "it raises an error for labels, and is right for probabilities"
            return self._usual()
        if usual is None and not self._answers_with_classes_last():
            raise error or CannotAskError("it answers no question")
        return usual or self._usual()

    def _without_labels(self) -> dict[str, Any]:
        """What says that it is asked target probabilities alone."""
        return {"without": sorted({*self.candidate.interface.without, "labels"})}

    def _answers_right(self) -> bool:
        """Whether it answers some usual question, once its errors have told how, and is right."""
        with suppress(CannotAskError):
            return "target" in self._usual().inputs and self._fits(self._usual())
        return False

    def _columns(self, usual: Problem | None) -> bool:
        """Whether what is not right is, if it is given a row in each column, with labels or with probabilities."""
        about, given = OPERATIONS[self.found.operation], self.candidate.interface
        if given.columns or not ARRANGEMENTS["columns"].fits(about) or not given.ndim <= ARRANGEMENTS["columns"].ndim:
            return False

        def holds() -> bool:
            rows = self._plain(FIRST[0] if usual is None else usual.dtype, 2)
            return rows is not None and self.candidate.takes(rows) and self._fits(rows)

        if holds():
            return False
        found = self._keeps({"columns": True}, COLUMNS, holds)
        if not found and "probabilities" in self.candidate.supports(self.found.operation):
            found = self._keeps({"columns": True, **self._without_labels()}, COLUMNS, holds)
        self.found.notes += [f"{COLUMNS}, and it is asked so"] if found else []
        return found

    def _kept(self, usual: Problem | None) -> bool:
        """Whether a matrix that is not right is with labels (N, 1), with losses of rows (N, 1), or with both."""
        given, operation = self.candidate.interface, self.found.operation
        rows = self._plain(FIRST[0] if usual is None else usual.dtype, 2)
        if given.keepdim or rows is None or not self.candidate.takes(rows):
            return False
        has = "reduction" in OPERATIONS[operation].options and "reduction" not in given.fixed
        takes = has and "reduction" in self.candidate.supports(operation)
        of_each = replace(rows, options={**rows.options, "reduction": "none"}) if has else rows
        if self._all_fit([rows, of_each] if takes else [rows]):
            return False
        signs = (False, True) if gives_logarithms(self.name) and not given.negative else (False,)
        for kept, sign in product((["target", "value"], ["target"], ["value"]), signs):
            how: dict[str, Any] = {"keepdim": kept} | ({"negative": True} if sign else {})
            if "value" in kept and has and not takes:
                how["fixed"] = {**given.fixed, "reduction": "none"}
            asked = [rows, of_each] if takes and "value" in kept else [of_each if "value" in kept else rows]
            if {*kept} <= may_keep(operation) and self._keeps(how, KEPT, partial(self._all_fit, asked)):
                self.found.notes.append(f"{' and '.join(kept)}: {KEPT}, and it is asked so")
                self.found.notes += [f"{MINUS}, and it is judged so"] if sign else []
                return True
        return False

    def _all_fit(self, asked: Iterable[Problem]) -> bool:
        return all(self.candidate.takes(each) and self._fits(each) for each in asked)

    def _of_positions(self, error: str) -> bool:
        """Whether what answers no question of rows is right for positions, with a mask if its error tells of one."""
        for mask in self._masks(error):
            if self._classes_last(None, mask) or self._shifted(None, mask):
                for kind, theirs in mask.get("names", {}).items():
                    if kind in MASKS:
                        self._says_by_a_mask(kind, theirs)
                return True
        return False

    def _answers_with_classes_last(self) -> bool:
        """Whether it gives a value of a possible shape then alone, right or wrong; it is asked so."""
        given, operation = self.candidate.interface.fixed, self.found.operation
        asked = self._plain(FIRST[0], 3)
        if operation not in OF_LOSSES or "dim" in given or asked is None or not self.candidate.takes(asked):
            return False
        found = self._keeps({"fixed": {**given, "dim": -1}}, LAST_AXIS, partial(self._has_a_shape, asked))
        self.found.notes += [LAST_AXIS] if found else []
        return found

    def _classes_last(self, usual: Problem | None, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a loss of positions is right with its classes along the last axis, and not along the second.

        Then it is asked so, and with what is given `more`. `usual` is the usual question, if it answers one.
        """
        operation, given = self.found.operation, self.candidate.interface.fixed
        if operation not in OF_LOSSES or "dim" in given or (usual is not None and not self._is_right(usual)):
            return False
        asked = self._plain(FIRST[0] if usual is None else usual.dtype, 3)
        if asked is None or not self.candidate.takes(asked) or self._is_right(asked):
            return False
        found = self._keeps({"fixed": {**given, "dim": -1}, **(more or {})}, "the values that its answers have",
                            lambda: self._is_right(asked) or (usual is None and self._fits(asked)))  # fmt: skip
        self.found.notes += [LAST_AXIS] if found else []
        return found

    def _shifted(self, usual: Problem | None, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a loss that is not right is right for labels that belong to the position before; it is asked so.

        As a language model has them, of rows of one sequence, or with its classes last. It is given `more`, too, and
        `usual` is the usual question, if it answers one.
        """
        given = self.candidate.interface
        if "target" not in OPERATIONS[self.found.operation].inputs or given.shifted or (usual and self._fits(usual)):
            return False
        if not given.ndim <= ARRANGEMENTS["shifted"].ndim:
            return False  # since its user says so
        dtype = FIRST[0] if usual is None else usual.dtype
        orders: list[dict[str, Any]] = [{}]
        if self.found.operation in OF_LOSSES and "dim" not in given.fixed:
            orders.append({"fixed": {**given.fixed, "dim": -1}})
        signs: list[dict[str, Any]] = (
            [{}, {"negative": True}] if gives_logarithms(self.name) and not given.negative else [{}]
        )

        def holds() -> bool:
            asked = (self._plain(dtype, ndim) for ndim in (2, 3))
            return any(self._fits(each) for each in asked if each is not None and self.candidate.takes(each))

        sums: list[dict[str, Any]] = [{"shifted": True}]
        if "reduction" not in {*self.candidate.supports(self.found.operation), *given.fixed}:
            sums += [{"shifted": True, "summed": True}, {"summed": True}]
        why = "what its answers are right for"
        for how in (each | sign | order for each in sums for sign in signs for order in orders):
            one_by_one = {name: value for name, value in how.items() if name != "summed"} | dict(more or {})
            if "summed" in how and not self._keeps(one_by_one, why, partial(self._gives_sums, dtype)):
                continue
            if self._keeps({**how, **(more or {})}, why, holds):
                self.found.notes += [LAST_AXIS] if "fixed" in how else []
                self.found.notes += [SUMMED] if "summed" in how else []
                self.found.notes += [NEXT_LABEL] if "shifted" in how else []
                self.found.notes += [f"{MINUS}, and it is judged so"] if "negative" in how else []
                return True
        return False

    def _gives_sums(self, dtype: str) -> bool:
        """Whether it gives the sum of each sequence of several, in their order."""
        asked = self._plain(dtype, 3)
        value = None if asked is None or not self.candidate.takes(asked) else self._asked(asked).outputs.get("value")
        if asked is None or value is None or value.values.shape != asked.inputs["target"].shape[:1]:
            return False
        for place, total in enumerate(value.values):
            rows = {name: each[place : place + 1] for name, each in asked.inputs.items()}
            meant = replace(asked, inputs=rows, options={**asked.options, "reduction": "sum"}, grad_output=None)
            given = Given(self.candidate, Result({"value": replace(value, values=np.asarray(total))}))
            if not judge(given, meant, device=self.device, arithmetic=widest(dtype, self.device)).ok:
                return False
        return True

    def _transposed(self) -> bool:
        """Whether a layer that answers no question is right if its weight is (features, classes); it is asked so."""
        own = [each for each in OPERATIONS[self.found.operation].inputs if each in MATRICES]
        if not own or self.candidate.interface.transposed:
            return False

        def holds() -> bool:
            try:
                return self._fits(self._usual())
            except CannotAskError:
                return False

        found = self._keeps({"transposed": own}, "a matrix that it takes as (features, classes)", holds)
        told = f"{own[0]} is (features, classes) for it, and torch's is (classes, features)"
        self.found.notes += [told] if found else []
        return found


KEPT = "(N, 1) in place of (N,)"
COLUMNS = "it takes a row in each column, (C, N)"
SUMMED = (
    "it gives sums of losses, such as one of each sequence, which are added up: which of them is which is NOT TESTED"
)
NEXT_LABEL = (
    "it compares the logits of each position with the next label, and is asked so: if it is not meant to, it is wrong"
)
MINUS = "it gives log-probabilities, which are minus the losses"
LAST_AXIS = "its classes lie along the last axis of arrays with positions, (N, d1, …, C), and it is asked so"
