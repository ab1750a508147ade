"""What a function computes in place of what its name says: minus a loss, or an entropy of logits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..candidates.guesses import OF_LOGITS, SWITCHES, gives_logarithms, inputs_in_order, is_plain, neutral_values
from ..problem.operations import OPERATIONS, PER_ROW
from ..problem.problem import Array, Problem
from ..problem.rows import main_input
from .arranged import MINUS, Arranged
from .harmless import apart
from .introduction import NAMES, CannotAskError
from .masks import BY_ROWS, ONE_NUMBER, ROWS

NEAR = 1e-4  # the relative distance by which a mean of rows is recognised; how exact it is is not judged
DEFAULTS = "as it is called by default, without {}, it gives other numbers than {}"
BESIDE = "with what changes nothing, since its default changes the value"


@dataclass
class Meaning(Arranged):
    """One function, and which operation it is, by its answers."""

    def _negative(self, usual: Problem) -> None:
        """Whether its name says that it gives log-probabilities, and these times -1 are the losses."""
        given = "target" not in usual.inputs or self.candidate.interface.negative
        names = self.name, str(self.candidate.interface.output)
        if given or not any(map(gives_logarithms, names)) or self._fits(usual):
            return
        if self._keeps({"negative": True}, MINUS, lambda: self._fits(usual)):
            self.found.notes.append(f"{MINUS}, and it is judged so")

    def _row_by_row(self, usual: Problem) -> Problem:
        """The usual question; of what gives one number for all rows, and is right for each alone, that of rows."""
        rows = self._plain(usual.dtype, ROWS)
        if OPERATIONS[usual.operation].value != PER_ROW or self.candidate.interface.row_by_row or rows is None:
            return usual
        value = self._asked(rows).outputs.get("value")
        if value is None or value.values.size != 1:
            return usual
        if not self._keeps({"row_by_row": True}, ONE_NUMBER, lambda: self._fits(apart(rows))):
            return usual
        self.found.notes.append(BY_ROWS)
        return rows

    def _in_order(self, usual: Problem) -> Problem:
        """The usual question; inputs whose names say another order than ours are given in ours, if only that is right.

        As those of a divergence of q from p, that is called with q first.
        """
        parameters, given = self.candidate.capabilities.parameters(usual.operation), self.given.get("names", {})
        order, names = inputs_in_order(usual.operation, parameters), dict(self.candidate.interface.names)
        if not order or order.keys() & given.keys() or self._fits(apart(usual)):
            return usual
        self._calls({name: theirs for name, theirs in names.items() if name not in order})
        with suppress(CannotAskError):
            other = self._usual()
            if self._fits(apart(other)):
                self.found.notes.append(f"{', '.join(order.values())}: its inputs are right in the order of torch")
                return other
        self._calls(names)
        return usual

    def _switched(self, usual: Problem) -> Problem:
        """The usual question; a function that says by a switch that it takes no logits is told that these are some.

        It is only where its value is right then, and not without.
        """
        parameters, given = self.candidate.capabilities.parameters(usual.operation), self.candidate.interface.extra
        switches = {name: SWITCHES[name] for name in parameters if name in SWITCHES and name not in given}
        if not switches or "logits" not in usual.inputs or self._fits(usual):
            return usual
        right: list[Problem] = []

        def holds() -> bool:
            right.extend(each for each in self._of_any_shape(usual) if not right and self._fits(each))
            return bool(right)

        if not self._keeps({"extra": {**given, **switches}}, "that its input is logits", holds):
            return usual
        for name, value in switches.items():
            self.found.not_tested[f"another {name} than {value}"] = "its input would be no logits"
        return right[0]

    def _beside_its_defaults(self, usual: Problem) -> Problem:
        """The usual question; parameters of its own whose defaults change the value are given what changes nothing.

        As a temperature of 4, or a mean over the rows of a divergence. It is only where its value is right then.
        """
        if any(self._fits(apart(each)) for each in self._of_any_shape(usual)):
            return usual
        about, interface = OPERATIONS[usual.operation], self.candidate.interface
        known = {*about.inputs, *about.extras, *interface.extra, *interface.names.values()}
        parameters = self.candidate.capabilities.parameters(usual.operation)
        own = [each for each in parameters[len(about.inputs) :] if each not in known]
        numbers: dict[str, Any] = {name: neutral_values(name)[0] for name in own if is_plain(name)}
        each_row = {"reduction": "none"} if "reduction" in own else {}
        for chosen in filter(None, (each_row, numbers | each_row if numbers and each_row else {}, numbers)):
            extra, right = {**interface.extra, **chosen}, list[Problem]()
            reduced = self._value_of(usual, extra) if "reduction" in chosen else None
            if self._keeps({"extra": extra}, BESIDE, partial(self._is_right_beside, usual, reduced, right)):
                for name, value in chosen.items():
                    self.found.not_tested[f"another {name} than {value}"] = "its default changes the value"
                self.found.notes.append(DEFAULTS.format(", ".join(chosen), usual.operation))
                return right[0]
        return usual

    def _is_right_beside(self, usual: Problem, reduced: Array | None, right: list[Problem]) -> bool:
        """Whether it is right for some shape, which is kept; and its own reduction is one of what it gives for rows."""
        right.extend(each for each in self._of_any_shape(usual) if not right and self._fits(apart(each)))
        return bool(right) and (reduced is None or self._is_reduced(right[0], reduced))

    def _value_of(self, usual: Problem, extra: Mapping[str, Any]) -> Array:
        """What it gives by its own reduction, with the rest of these arguments; nothing if it does not answer."""
        given: list[Array] = []

        def answers() -> bool:
            value = self._asked(usual).outputs.get("value")
            given.extend([] if value is None else [value.values])
            return False

        self._keeps({"extra": {name: each for name, each in extra.items() if name != "reduction"}}, BESIDE, answers)
        return given[0] if given else np.empty(0)

    def _is_reduced(self, usual: Problem, reduced: Array) -> bool:
        """Whether a number is a sum or a mean, over rows or all entries, of what it gives for each row."""
        value = self._asked(usual).outputs.get("value")
        if value is None or reduced.size != 1:
            return False
        total, rows, entries = value.values.sum(), value.values.size, main_input(usual).size
        batch = main_input(usual).shape[0]
        return any(np.isclose(reduced, total / count, rtol=NEAR) for count in (1, rows, entries, batch))

    def _of_any_shape(self, usual: Problem) -> Iterator[Problem]:
        """The usual question, and the same with rows of one axis."""
        yield usual
        if main_input(usual).ndim != ROWS and (rows := self._plain(usual.dtype, ROWS)) is not None:
            yield rows

    def _of_logits(self, usual: Problem) -> Problem:
        """The usual question; of an entropy or a divergence that is right for logits alone, that of logits."""
        before = self.found.operation
        if before not in OF_LOGITS or self._fits(apart(usual)):
            return usual
        others = (OF_LOGITS[before], "its numbers are right for logits"), (before, self.found.comments["operation"])
        names = dict(self.candidate.interface.names)
        for operation, why in others:
            self.found.operation = operation
            self.found.says("operation", operation, why)
            if names:
                ours = dict(zip(OPERATIONS[before].inputs, OPERATIONS[operation].inputs, strict=True))
                self.found.says("names", {ours.get(name, name): each for name, each in names.items()}, NAMES)
            self._open()
            asked = self._plain(usual.dtype, main_input(usual).ndim)
            if asked is not None and self._fits(asked):
                return asked
        return usual
