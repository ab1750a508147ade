"""A function is opened: its operation, and its names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..candidates.candidate import Candidate
from ..candidates.guesses import inputs_in_order, operation_of, results_in_order
from ..candidates.lookalikes import is_certain, is_mask, lookalikes_of
from ..candidates.outliving import outliving
from ..diagnosis.interview import Given
from ..problem.interface import InterfaceArguments
from ..problem.operations import OPERATIONS, REDUCTIONS
from ..problem.outputs import value_shape
from ..problem.problem import Problem, Result
from ..problem.row_masks import MASKS
from ..verdicts.judgement import judge
from .calling import SEVERAL, missing_in, names_of_results
from .fitting import Fit
from .harmless import apart, plain
from .ladder import widest
from .otherwise import hard_coded, told_alone

Opener = Callable[[Mapping[str, Any]], Candidate]
FIRST = ("float32", "float64", "bfloat16", "float16")  # formats in which a usual question is tried


@dataclass
class Profile:
    """The entry of a table for one function, with a comment for each key; what is not tested, and why; what to know."""

    operation: str
    arguments: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    not_tested: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unchecked: str = ""  # how a label of no class is answered, where that is no error
    fits: dict[str, Fit] = field(default_factory=dict)  # by dtype

    def says(self, key: str, value: Any, comment: str) -> None:
        """One line of the table."""
        self.arguments[key], self.comments[key] = value, comment


class CannotAskError(ValueError):
    """It answers no question, and what to do."""


@dataclass
class Opening:
    """One function, which is opened again with what has been found out, until it answers a usual question."""

    opener: Opener
    name: str  # of the function
    given: Mapping[str, Any]  # what its user says already
    device: str
    found: Profile = field(default_factory=lambda: Profile(""))
    candidate: Candidate = field(init=False)
    known: Mapping[str, Any] = field(init=False)  # when it was opened
    answers: bool = False  # a usual question
    tried: set[str] = field(default_factory=set)  # parameters that look like a mask
    raised: str = ""  # by the last question
    waiting: Candidate | None = None  # as it was before something is tried out, and will be again if that does not hold

    def _open(self, *, afresh: bool = False) -> None:
        """With all that is known so far, if that is more than before; `afresh` in any case.

        Until it answers a usual question, the arrays that it takes are found out anew each time.
        """
        unknown = set() if self.answers else {"adapter"}
        known = {key: value for key, value in self.found.arguments.items() if key in _OF_AN_INTERFACE - unknown}
        if hasattr(self, "candidate"):
            if known == self.known and not (afresh or self.candidate.process.lost):
                return
            if self.candidate is not self.waiting:
                self.candidate.close()
        self.candidate, self.known = outliving(self.opener({**self.given, **known})), known
        if "adapter" in self.found.arguments:
            self.found.arguments["adapter"] = self.candidate.adapter

    def _operation(self) -> None:
        """By what its user says, by its name, or by its parameters."""
        self.found.operation = operation = str(self.given.get("operation") or operation_of(self.name, ()))
        why = "as you say" if self.given.get("operation") else "by its name"
        if operation and why == "by its name":
            self.found.arguments["operation"] = operation
            self._open()
            parameters = self.candidate.capabilities.parameters(operation)
            if (other := operation_of(self.name, parameters)) != operation:
                operation, why = other, "by its name and its parameters"
        if not operation:
            self.found.arguments["operation"] = "cross_entropy"  # any, since all tell their parameters
            self._open()
            parameters = self.candidate.capabilities.parameters("cross_entropy")
            operation, why = operation_of(self.name, parameters), "by its parameters"
        if not operation:
            operation, why = self._by_its_answers(len(parameters)), "since its answers are right for it"
        if not operation:
            self.candidate.close()
            raise CannotAskError(
                f"what does {self.name} compute? Neither its name nor its parameters tell: "
                f"--operation {', '.join(OPERATIONS)}"
            )
        self.found.operation = operation
        self.found.says("operation", operation, why)
        self._open()

    def _by_its_answers(self, parameters: int) -> str:
        """The first operation, of no more inputs than parameters, for which an answer is right, if there is one."""
        for operation, about in OPERATIONS.items():
            self.found.operation = operation
            if len(about.inputs) <= parameters and self._keeps({"operation": operation}, "", self._is_right_for_any):
                return operation
        self.found.operation = ""
        return ""

    def _is_right_for_any(self) -> bool:
        """Whether the answer to a usual question of some shape is right."""
        asked = (self._plain(dtype, ndim) for dtype in FIRST[:2] for ndim in (2, 3, 4, 1))
        possible = (each for each in asked if each is not None and each.dtype in self.candidate.dtypes)
        return any(self._fits(apart(each)) for each in possible if self.candidate.takes(each))

    def _names(self) -> None:
        """What it calls inputs and options; doubtful names are tried out later."""
        operation, parameters = self.found.operation, self.candidate.capabilities.parameters(self.found.operation)
        names = {**inputs_in_order(operation, parameters), **self.given.get("names", {})}
        for option, theirs in lookalikes_of(self.candidate, operation, names).items():
            names |= {option: theirs} if is_certain(option, theirs) else {}
        if names:
            self.found.says("names", names, NAMES)
            self._open()
        self.found.says("adapter", self.candidate.adapter, "the arrays that it takes")

    def _has_a_shape(self, asked: Problem) -> bool:
        """Whether its value has a shape that one may have; that of a loss depends on its reduction."""
        value = self._asked(asked).outputs.get("value")
        reductions = REDUCTIONS if "reduction" in OPERATIONS[asked.operation].options else ()
        others = [replace(asked, options={**asked.options, "reduction": each}) for each in reductions]
        return value is not None and value.values.shape in [value_shape(each) for each in (asked, *others)]

    def _fits(self, asked: Problem) -> bool:
        """Whether the value is right for some values of the options that it has no parameter for."""
        free = {*OPERATIONS[asked.operation].options} - self.candidate.supports(asked.operation) - {"ignore_index"}
        return self._is_right(asked) or bool(hard_coded(free, partial(self._is_right, asked)))

    def _plain(self, dtype: str, ndim: int) -> Problem | None:
        operation, fixed = self.found.operation, self.candidate.interface.fixed
        return plain(operation, dtype, self.candidate.supports(operation), ndim, fixed)

    def _asked(self, problem: Problem) -> Result:
        """The value, or what was raised."""
        with warnings.catch_warnings(action="ignore"):
            answer = self.candidate.answer(replace(problem, grad_output=None), self.device)
        self.raised = answer.raised or ""
        return answer

    def _is_right(self, asked: Problem, instead: Mapping[str, Any] | None = None) -> bool:
        """Whether the value agrees under the widest model of the ladder, as the answer for other options too."""
        asked = replace(asked, grad_output=None)
        with warnings.catch_warnings(action="ignore"):
            given = Given(self.candidate, told_alone(asked, self._asked(asked)))
            meant = replace(asked, options={**asked.options, **(instead or {})})
            return judge(given, meant, device=self.device, arithmetic=widest(asked.dtype, self.device)).ok

    def _masks(self, error: str) -> list[dict[str, Any]]:
        """How a function may be opened that lacks what looks like a mask, by what its error says; else as it is."""
        missing, names = missing_in(error), self.candidate.interface.names
        if len(missing) != 1 or not is_mask(missing[0]):
            return [{}]
        return [{"names": {**names, kind: missing[0]}} for kind in MASKS]

    def _keeps(self, arguments: Mapping[str, Any], why: str, holds: Callable[[], bool]) -> bool:
        """Opened with these arguments; whether something holds then, or else they are as they were before."""
        before, comments = dict(self.found.arguments), dict(self.found.comments)
        waiting, known, self.waiting = self.waiting, self.known, self.candidate
        for key, value in arguments.items():
            self.found.says(key, value, why)
        self.raised, found = "", False
        with suppress(ValueError, TypeError):  # of what does not fit the rest of the interface
            self._open()
            found = holds() or self._holds_for_a_result(holds)
        kept, other = (self.candidate, self.waiting) if found else (self.waiting, self.candidate)
        if not found:
            self.found.arguments, self.found.comments, self.known = before, comments, known
        if other is not kept:
            other.close()
        self.candidate, self.waiting = kept, waiting
        return found

    def _holds_for_a_result(self, holds: Callable[[], bool]) -> bool:
        """Whether something holds if one of several results is its value, where the last answer tells of several."""
        raised, places = self.raised, list[int | str]()
        if self.candidate.interface.output is None:
            named, _ = results_in_order(self.found.operation, names_of_results(raised))
            places += [0] if SEVERAL.search(raised) else named
        for place in places:
            self.found.says("output", place, ONE_OF_SEVERAL)
            self._open()
            if holds():
                return True
        return False

    def _leaves_out(self, name: str) -> None:
        """One more thing that cannot be asked."""
        left = [*self.found.arguments.get("without", self.given.get("without", ())), name]
        self.found.says("without", left, self.found.comments.get("without", LEFT_OUT))


_OF_AN_INTERFACE = {"operation", "adapter", *InterfaceArguments.__annotations__} - {"supports"}
NAMES = "what it calls them"
ONE_OF_SEVERAL = "it gives several results; this one is judged"
LEFT_OUT = "what it answers with an error, or in float32"
