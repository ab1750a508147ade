"""What a candidate can do: what its interface and its functions say, and what harmless questions find out."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.operations import DEFAULTS, DIRECTIONAL, OPERATIONS
from ..problem.outputs import value_shape
from ..problem.problem import Problem
from ..problem.row_masks import by_mask
from .frameworks import FRAMEWORKS, arrays_of
from .functions import made, positional
from .signature import named_by, named_in_order, switches_of
from .swallowing import ignores
from .task import Task
from .unsaid import other_defaults

if TYPE_CHECKING:
    from .candidate import Candidate


class Capabilities:
    """Those of one candidate, each found out once, when somebody wants to know."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate

    @property
    def by_framework(self) -> bool:
        """Whether its framework differentiates what has no backward pass of its own."""
        return FRAMEWORKS[self.candidate.adapter].differentiates and "gradient" not in self.candidate.interface.without

    def differentiates(self, operation: str) -> bool:
        """With a backward pass of its own, or by its framework."""
        own = operation in self.candidate.backwards and "gradient" not in self.candidate.interface.without
        return bool(OPERATIONS[operation].gradients) and (own or self.by_framework)

    def check_device(self, device: str) -> None:
        """ValueError where its arrays cannot live there."""
        arrays_of(self.candidate.adapter).check_device(device)

    def parameters(self, operation: str) -> tuple[str, ...]:
        """The names of what its function takes, as far as they are known; they are suggested, and no more."""
        return named_in_order(self.candidate.functions[operation])

    def switches(self, operation: str) -> tuple[str, ...]:
        """Those of its parameters that are True or False by default."""
        return switches_of(self.candidate.functions[operation])

    def other_defaults(self, operation: str) -> tuple[str, ...]:
        """Options that are another value by default than torch's."""
        return other_defaults(self.candidate.functions[operation], operation, self.candidate.interface)

    def reported(self, _operation: str, /) -> tuple[str, ...]:
        """What is believed of it because it says so, and for no other reason."""
        return ()

    def supports(self, operation: str) -> frozenset[str]:
        """Which extras the interface or the signature names, and which derivatives in a direction there are.

        A function that hides its signature is tried out; where that cannot be done it is taken to support all extras.
        """
        return self._named[operation] | (self._directional[operation] - self.candidate.interface.without)

    def question(self, operation: str, *, bare: bool = False) -> Problem:
        """A harmless question that it may be asked: two classes, one row; `bare` of the axis that it may take."""
        about, ndim = OPERATIONS[operation], self.candidate.interface.ndim
        dimensions = max(2 if not ndim or 2 in ndim else min(ndim), 0 if "scalars" in about.kinds else 1)
        place = min(1, dimensions - 1) if operation == "cross_entropy" else dimensions - 1
        row = np.full([2 if axis == place else 1 for axis in range(dimensions)], 0.5)
        labels: Any = np.zeros([1] * (dimensions - 1), int)
        target = row if "labels" in self.candidate.interface.without else labels
        inputs: dict[str, Any] = {
            name: target if name == "target" else np.full((2, 2), 0.5) if "weight" in name else row
            for name in about.inputs
        } | dict.fromkeys(about.constants, np.ones(()))
        options = {name: value for name, value in self.candidate.interface.fixed.items() if name in about.options}
        if not bare and "dim" in self._named[operation]:
            options["dim"] = -1
        return Problem(operation, self.candidate.dtypes[0], inputs, options)

    @cached_property
    def _named(self) -> dict[str, frozenset[str]]:
        """The inputs, options and kinds of input that each operation takes."""
        interface = self.candidate.interface
        left_out = interface.left_out | set(DIRECTIONAL)
        return {each: self._taken(each) - left_out for each in self.candidate.functions}

    def _taken(self, operation: str) -> frozenset[str]:
        extras, kinds = frozenset(OPERATIONS[operation].extras), frozenset(OPERATIONS[operation].kinds)
        interface = self.candidate.interface
        if interface.supports is not None:
            return (extras & interface.supports) | kinds
        names = named_by(self.candidate.functions[operation])
        if names is None:
            return frozenset(each for each in extras if each in kinds or self._survives(operation, each))
        by_place = self.parameters(operation)[: positional(operation, interface)]
        names -= {each for each in by_place if each not in interface.names.values()}
        masked = {"ignore_index"} & extras if by_mask(interface.names) else set()
        own = {name: names - {theirs for ours, theirs in interface.names.items() if ours != name} for name in extras}
        taken = (each for each in extras if each in kinds or interface.names.get(each, each) in own[each])
        return frozenset({*taken, *masked})

    def _survives(self, operation: str, extra: str) -> bool:
        """Whether a harmless question with an option or an input raises no TypeError, as an unknown argument does."""
        if not self.candidate.tried:
            return True
        question = self.question(operation, bare=True)
        if extra in OPERATIONS[operation].options:
            question = replace(question, options={**question.options, extra: DEFAULTS[extra]})
        else:
            question = replace(question, inputs={**question.inputs, extra: np.ones(2)})
        if (self.candidate.answer(question).raised or "").startswith("TypeError"):
            return False
        return not ignores(self.candidate, self.question(operation, bare=True), extra, self.parameters(operation))

    @cached_property
    def _directional(self) -> dict[str, frozenset[str]]:
        """The derivatives in a direction that each operation has, tried out once."""
        return {
            each: frozenset(kind for kind in DIRECTIONAL if self._has(each, kind)) for each in self.candidate.functions
        }

    def _has(self, operation: str, kind: str) -> bool:
        """With a function of its own; or by its framework, which may refuse, unless it brings a backward pass."""
        candidate = self.candidate
        if kind not in OPERATIONS[operation].kinds:
            return False
        if operation in (candidate.jvps if kind == "jvp" else candidate.hvps):
            return True
        if operation in candidate.backwards or not self.by_framework or not candidate.tried:
            return False
        return any(
            _answers(candidate, self.question(operation), kind, device)
            for device in arrays_of(candidate.adapter).devices()
        )


def _answers(candidate: Candidate, question: Problem, kind: str, device: str) -> bool:
    """Whether it has a derivative in a direction of a question."""
    tangent = np.resize([0.5, 0.25], question.inputs["logits"].shape)
    question = replace(question, grad_output=np.ones(value_shape(question)), tangent=tangent)
    try:
        Task(candidate, question, made(candidate, question, device)).along(kind)
    except (Exception, SystemExit):  # whatever it is that the candidate cannot do
        return False
    return True
