"""A function is opened: its operation, its names, and the first usual question that it answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..candidates.candidate import Candidate
from ..candidates.guesses import inputs_in_order, operation_of
from ..candidates.lookalikes import is_certain, is_mask, lookalikes
from ..candidates.outliving import outliving
from ..diagnosis.interview import Given
from ..problem.interface import InterfaceArguments
from ..problem.operations import OPERATIONS, REDUCTIONS
from ..problem.outputs import value_shape
from ..problem.problem import Problem, Result
from ..problem.row_masks import MASKS
from ..verdicts.judgement import judge
from .calling import SEVERAL, TOO_MANY, missing_in
from .fitting import Fit
from .harmless import plain
from .ladder import widest
from .otherwise import hard_coded, in_half

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
    tried: set[str] = field(default_factory=set)  # parameters that look like a mask

    def _open(self, *, afresh: bool = False) -> None:
        """With all that is known so far, if that is more than before; `afresh` in any case."""
        known = {key: value for key, value in self.found.arguments.items() if key in _OF_AN_INTERFACE}
        if hasattr(self, "candidate"):
            if known == self.known and not (afresh or self.candidate.process.lost):
                return
            self.candidate.close()
        self.candidate, self.known = outliving(self.opener({**self.given, **known})), known

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
            self.candidate.close()
            raise CannotAskError(
                f"what does {self.name} compute? Neither its name nor its parameters tell: "
                f"--operation {', '.join(OPERATIONS)}"
            )
        self.found.operation = operation
        self.found.says("operation", operation, why)
        self._open()

    def _names(self) -> None:
        """What it calls inputs and options; doubtful names are tried out later."""
        operation, parameters = self.found.operation, self.candidate.capabilities.parameters(self.found.operation)
        names = {**inputs_in_order(operation, parameters), **self.given.get("names", {})}
        for option, theirs in lookalikes(operation, parameters, names).items():
            names |= {option: theirs} if is_certain(option, theirs) else {}
        if names:
            self.found.says("names", names, "what it calls them")
            self._open()
        self.found.says("adapter", self.candidate.adapter, "the arrays that it takes")

    def _usual(self) -> Problem:
        """The first usual question that it answers, best by a value of a possible shape; errors tell how to call it."""
        raised, answered = "", None
        for _ in range(3):
            for dtype, ndim in ((dtype, ndim) for ndim in (2, 3, 1, 4, 0) for dtype in FIRST):
                problem = self._plain(dtype, ndim)
                if problem is None or dtype not in self.candidate.dtypes or not self.candidate.takes(problem):
                    continue
                error = self._asked(problem).raised
                raised = raised or error or ""
                if error is None and self._has_a_shape(problem):
                    return problem
                if error is None:
                    answered = answered or problem
                elif self._called_otherwise(error, problem):
                    break
            else:
                break
        if answered is None:
            raise CannotAskError(self._advice(raised))
        return answered

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
            return self.candidate.answer(replace(problem, grad_output=None), self.device)

    def _called_otherwise(self, error: str, asked: Problem) -> bool:
        """Whether an error tells that it has several results, or takes its inputs by name; then it is opened so.

        What it has to be given, and looks like an option or a mask, is that.
        """
        inputs = OPERATIONS[self.found.operation].inputs
        parameters = self.candidate.capabilities.parameters(self.found.operation)
        needed, neutral = self._needed(error), self._neutral(error)
        if SEVERAL.search(error) and self.candidate.interface.output is None:
            self.found.says("output", 0, "it gives several results; this one is judged")
        elif TOO_MANY.search(error) and inputs[0] not in self.candidate.interface.names:
            names = dict(zip(inputs, parameters, strict=False)) | dict(self.candidate.interface.names)
            self.found.says("names", names, "what it calls them")
        elif needed:
            self._calls({**self.candidate.interface.names, **needed})
            self.found.notes += [GIVEN.format(theirs=theirs, ours=ours) for ours, theirs in needed.items()]
        elif neutral:
            self.found.says("extra", {**self.given.get("extra", {}), **neutral}, "what it has to be given")
            self.found.not_tested |= {f"another {name} than {value}": HAS_NO_DEFAULT for name, value in neutral.items()}
        else:
            return self._masked(error, asked)
        self._open()
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
        self._calls({**names, max(own, key=own.__getitem__): missing[0]})
        self.found.not_tested[f"{missing[0]} of other rows"] = ALL_COUNT
        return True

    def _needed(self, error: str) -> dict[str, str]:
        """What it says that it lacks, by the optional input or option that looks like it."""
        names, operation = missing_in(error), self.found.operation
        known = self.candidate.interface.names
        alike = lookalikes(operation, self.candidate.capabilities.parameters(operation), known) if names else {}
        return {ours: theirs for ours, theirs in alike.items() if theirs in names}

    def _neutral(self, error: str) -> dict[str, float]:
        """What it says that it lacks, if all of that is a temperature, with the value of one that does nothing."""
        names = missing_in(error)
        return dict.fromkeys(names, 1.0) if names and all(each in TEMPERATURES for each in names) else {}

    def _calls(self, names: Mapping[str, str]) -> None:
        """It is opened so, and it is asked anew which arrays it takes."""
        self.found.says("names", names, "what it calls them")
        self.found.arguments.pop("adapter", None)
        self._open()
        self.found.says("adapter", self.candidate.adapter, "the arrays that it takes")

    def _advice(self, raised: str) -> str:
        """What to do where nothing is answered."""
        if denied := self.candidate.process.denied(raised):
            return f"it answers no question: raised {raised}. {denied}"
        if names := missing_in(raised):
            options = " ".join(f"--extra {name}=VALUE" for name in names)
            return f"it answers no question: raised {raised}. Say what it is to be given: {options}"
        device = "; if it needs a GPU: --device cuda" if self.device == "cpu" else ""
        return f"it answers no question: raised {raised}. Describe how it is called: --name, --extra, --ndim{device}"

    def _is_right(self, asked: Problem, instead: Mapping[str, Any] | None = None) -> bool:
        """Whether the value agrees under the widest model of the ladder, as the answer for other options too."""
        asked = replace(asked, grad_output=None)
        with warnings.catch_warnings(action="ignore"):
            given = Given(self.candidate, in_half(asked, self.candidate.answer(asked, self.device)))
            meant = replace(asked, options={**asked.options, **(instead or {})})
            return judge(given, meant, device=self.device, arithmetic=widest(asked.dtype, self.device)).ok

    def _leaves_out(self, name: str) -> None:
        """One more thing that cannot be asked."""
        left = [*self.found.arguments.get("without", self.given.get("without", ())), name]
        self.found.says("without", left, self.found.comments.get("without", LEFT_OUT))


_OF_AN_INTERFACE = {"operation", "adapter", *InterfaceArguments.__annotations__} - {"supports"}
TEMPERATURES = ("temperature", "temp", "tau")
ALL_COUNT = "it is given a mask of the rows whose label is not ignored"
HAS_NO_DEFAULT = "it has no default, and the operation has no such option"
GIVEN = "{theirs} has no default: without {ours} it is given what changes no number (0 for a bias, 1 for weights)"
LEFT_OUT = "what it answers with an error, or in float32"
