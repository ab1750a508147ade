"""What a function takes for a mask: of the rows that count, or one that leaves nothing out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..candidates.lookalikes import is_mask
from ..problem.class_masks import CLASS_MASKS, has_logits_alone
from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS, PER_ROW
from ..problem.problem import Problem
from ..problem.row_masks import MASKS, by_mask
from ..problem.rows import main_input
from ..problem.whole_masks import WHOLE
from .calling import missing_in
from .harmless import ignored_label, kinds, labelled, with_thirds
from .introduction import NAMES, Opening


@dataclass
class Masks(Opening):
    """One function, and what of its parameters is a mask."""

    def _of_rows(self, needed: Mapping[str, str], asked: Problem) -> bool:
        """Whether weights that it lacks are right as those of rows, one of which does not count, and not of classes."""
        theirs = next(filter(is_mask, needed.values()))
        names = {**self.candidate.interface.names, "row_weights": theirs}
        if "target" not in asked.inputs or not is_labels(asked):
            return False
        one = labelled(asked, ignored_label(asked))
        if not self._keeps({"names": names}, NAMES, lambda: self._fits(one)):
            return False
        self._says_by_a_mask("row_weights", theirs)
        return True

    def _masked(self, error: str, asked: Problem) -> bool:
        """Whether it lacks a mask, and has a loss with one that lets all rows count; of other rows that is 0 or NaN.

        It is best in the format that is asked: a sum of booleans is an integer. No name is tried twice.
        """
        missing = missing_in(error)
        if "target" not in asked.inputs or len(missing) != 1 or not is_mask(missing[0]) or missing[0] in self.tried:
            return False
        self.tried.add(missing[0])
        names, own = dict(self.candidate.interface.names), dict[str, bool]()
        for kind in MASKS:
            self._calls({**names, kind: missing[0]})
            value = self._asked(asked).outputs.get("value")
            if value is not None and np.nan_to_num(value.values).any():
                own[kind] = value.dtype == asked.dtype
        if not own:
            self._calls(names)
            return False
        kind = max(own, key=own.__getitem__)
        self._calls({**names, kind: missing[0]})
        self._says_by_a_mask(kind, missing[0])
        return True

    def _all_through(self, error: str, asked: Problem) -> bool:
        """Whether it lacks a mask, and is right with one that leaves nothing out, where none tells which rows count."""
        missing, ndim = missing_in(error), main_input(asked).ndim
        if len(missing) != 1 or not is_mask(missing[0]) or f"{missing[0]} {ndim}" in self.tried:
            return False
        self.tried.add(f"{missing[0]} {ndim}")
        alone = OPERATIONS[asked.operation].value == PER_ROW and ndim == ROWS  # or one number for all rows

        def holds() -> bool:
            return self._fits(asked) and self._fits(with_thirds(asked))

        if self._of_some_classes(missing[0], asked, holds):
            return True

        of_rows = sorted(WHOLE, key=lambda whole: not whole.endswith("_rows")) if alone else []
        for whole, one in (*((each, False) for each in WHOLE), *((each, True) for each in of_rows)):
            how: dict[str, Any] = {"extra": {**self.candidate.interface.extra, missing[0]: whole}}
            how |= {"row_by_row": True} if one else {}
            if self._keeps(how, "a mask that leaves nothing out", holds):
                self.found.not_tested[f"{missing[0]} that leaves something out"] = NO_SUCH_MASK
                self.found.notes += [BY_ROWS] if one else []
                return True
        return False

    def _of_some_classes(self, theirs: str, asked: Problem, holds: Callable[[], bool]) -> bool:
        """Whether it is right with a mask of the classes whose logit is not -inf, where some are and where none is."""
        if not has_logits_alone(asked.operation):
            return False
        about = kinds(asked.operation, asked.dtype, self.candidate.supports(asked.operation), asked)
        masked = next((each.problem for each in about if each.option == "masked"), None)
        if masked is None:
            return False
        for name in CLASS_MASKS:
            how = {"extra": {**self.candidate.interface.extra, theirs: name}}
            if self._keeps(how, "a mask of classes", lambda: holds() and self._fits(masked)):
                self.found.notes.append(f"{theirs} {CLASSES_COUNT}")
                return True
        return False

    def _optional_mask(self, usual: Problem) -> None:
        """A mask that it may be given, if its answers are right then where a row does not count."""
        names, operation = dict(self.candidate.interface.names), self.found.operation
        if "target" not in usual.inputs or not is_labels(usual) or by_mask(names):
            return
        taken = {*names.values(), *self.candidate.interface.extra}
        possible = [each for each in self.candidate.capabilities.parameters(operation)
                    if is_mask(each) and each not in taken]  # fmt: skip
        asked = labelled(usual, ignored_label(usual))
        for theirs, kind in product(possible, sorted(MASKS, key="row_weights".__ne__)):
            if self._keeps({"names": {**names, kind: theirs}}, NAMES, lambda: self._is_right(asked)):
                self._says_by_a_mask(kind, theirs)
                return

    def _says_by_a_mask(self, kind: str, theirs: str) -> None:
        """That it takes a mask. One that multiplies gives 0/0, or 0 times NaN, which is asked if its user names it."""
        self.found.notes.append(f"{theirs} {ALL_COUNT}")
        if "weight" in theirs.lower():
            self.found.not_tested[f"{theirs} other than 0 and 1"] = "no option of the operation weights rows"
        for left in {*OF_MASKS} & {*OPERATIONS[self.found.operation].kinds} - {*self.given.get("without", ())}:
            self.found.not_tested[left] = OF_MASKS[left].format(theirs=theirs, kind=kind)
            self._leaves_out(left)
        self._open()

    def _calls(self, names: Mapping[str, str]) -> None:
        """It is opened so."""
        self.found.says("names", names, NAMES)
        if not names:
            self.found.arguments.pop("names")
        self._open()


ROWS = 2  # axes of a matrix of rows
ONE_NUMBER = "it gives one number for all rows"
SEVERAL_ROWS = "what it makes of several rows"
BY_ROWS = f"{ONE_NUMBER}, and is given one row at a time: {SEVERAL_ROWS} is NOT TESTED"
CLASSES_COUNT = "is given as a mask of the classes whose logit is not -inf, and other logits are given there"
ALL_COUNT = "is given as a mask of the rows whose label is not ignored"
OF_MASKS = {
    "all_ignored": "{theirs} without a row that counts; to judge that: --name {kind}={theirs}",
    "ignored_nonfinite": "rows of NaN that {theirs} leaves out; to judge that: --name {kind}={theirs}",
}
NO_SUCH_MASK = "nothing in the operation says what it would leave out"
