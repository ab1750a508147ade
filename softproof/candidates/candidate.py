"""What is under judgement: anything that answers a Problem with a Result.

A candidate is a module with functions named after the operations (and, beside each, its ``<operation>_backward``,
``<operation>_jvp`` and ``<operation>_hvp``), or one function. Its arrays are NumPy's, torch's or JAX's; torch and JAX
differentiate what has no backward pass. `softproof.candidates.loading` makes candidates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..problem.formats import FORMATS
from ..problem.interface import Interface
from ..problem.operations import DEFAULTS, DIRECTIONAL, OPERATIONS
from ..problem.outputs import value_shape
from ..problem.problem import LAYOUTS, Output, Problem, Result
from ..problem.records import CALLABLE, FLAG, TEXT, a, by_name, check_fields, one_of, tuple_of
from .classes_last import taken_so
from .directives import DIRECTIVES
from .frameworks import ADAPTERS, FRAMEWORKS
from .functions import Functions
from .guard import Guard
from .implementation import HERE, Process
from .places import place_of
from .protocol import Told, result_of
from .signature import named_by, named_in_order
from .swallowing import ignores
from .task import Task

_FUNCTIONS = by_name(CALLABLE, "functions", OPERATIONS)
_FIELDS = {
    **dict.fromkeys(("name", "source"), TEXT),
    **dict.fromkeys(("functions", "backwards", "jvps", "hvps"), _FUNCTIONS),
    "adapter": one_of(ADAPTERS),
    "interface": a(Interface, "a softproof.Interface"),
    "tried": FLAG,
    "formats": tuple_of(one_of(FORMATS), f"some of {', '.join(FORMATS)}"),
    "arrangements": tuple_of(one_of(LAYOUTS), f"some of {', '.join(LAYOUTS)}"),
}


@dataclass(frozen=True)
class Candidate(Functions):
    """Functions that can be asked: what they can do, as far as that is known or found out, and their answers."""

    tried: bool = True  # whether it may be asked a harmless question to find out what it can do
    formats: tuple[str, ...] = ()  # that it can be asked in, where these are not all that the adapter has
    arrangements: tuple[str, ...] = ()  # of its arrays in memory, the same way

    def __post_init__(self) -> None:
        check_fields(self, _FIELDS)

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations it has."""
        return tuple(self.functions)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats that it can be asked in."""
        return self.formats or FRAMEWORKS[self.adapter].dtypes

    @property
    def layouts(self) -> tuple[str, ...]:
        """How its arrays can lie in memory."""
        if "layouts" in self.interface.without:
            return ("contiguous",)
        return self.arrangements or FRAMEWORKS[self.adapter].layouts

    @property
    def process(self) -> Process:
        """Where its functions live."""
        return HERE

    def close(self) -> None:
        """End the process that was started for it, if there is one."""
        self.process.end()

    def reported(self, _operation: str) -> tuple[str, ...]:
        """What is believed of it because it says so, and for no other reason."""
        return ()

    def parameters(self, operation: str) -> tuple[str, ...]:
        """The names of what its function takes, as far as they are known; they are suggested, and no more."""
        return named_in_order(self.functions[operation])

    def leaving_out(self, names: Iterable[str]) -> Candidate:
        """The same candidate, which is not asked these optional inputs, options and kinds of input."""
        return replace(self, interface=replace(self.interface, without=self.interface.without | frozenset(names)))

    def checked(self, checks: Iterable[str]) -> Candidate:
        """The candidate, whose interface fits its operations, their signatures and the behaviour checks."""
        named = [named_by(each) for each in self.functions.values()]
        taken = None if None in named else {name for each in named if each for name in each}
        self.interface.check(self.operations, checks, taken, self.name)
        return self

    def probe(self, operation: str, *, bare: bool = False) -> Problem:
        """A harmless question that it may be asked: two classes, one row; `bare` of the axis that it may take."""
        about, ndim = OPERATIONS[operation], self.interface.ndim
        dimensions = max(2 if not ndim or 2 in ndim else min(ndim), 0 if "scalars" in about.kinds else 1)
        place = min(1, dimensions - 1) if operation == "cross_entropy" else dimensions - 1
        row = np.full([2 if axis == place else 1 for axis in range(dimensions)], 0.5)
        labels: Any = np.zeros([1] * (dimensions - 1), int)
        target = row if "labels" in self.interface.without else labels
        inputs: dict[str, Any] = {
            name: target if name == "target" else np.full((2, 2), 0.5) if "weight" in name else row
            for name in about.inputs
        } | dict.fromkeys(about.constants, np.ones(()))
        options = {name: value for name, value in self.interface.fixed.items() if name in about.options}
        if not bare and "dim" in self._named[operation]:
            options["dim"] = -1
        return Problem(operation, self.dtypes[0], inputs, options)

    def only(self, operation: str) -> Candidate:
        """The same candidate with one of its operations."""
        if operation not in self.functions:
            raise ValueError(f"{self.name} has no {operation}; it has {', '.join(self.functions)}")
        return replace(self, functions={operation: self.functions[operation]})

    def differentiates(self, operation: str) -> bool:
        """With a backward pass of its own, or by its framework."""
        own = operation in self.backwards and "gradient" not in self.interface.without
        return bool(OPERATIONS[operation].gradients) and (own or self.by_framework)

    @property
    def by_framework(self) -> bool:
        """Whether its framework differentiates what has no backward pass of its own."""
        return FRAMEWORKS[self.adapter].differentiates and "gradient" not in self.interface.without

    def takes(self, problem: Problem) -> bool:
        """Whether a problem is one that it can be asked, as far as its interface says."""
        return self.interface.takes(problem)

    def supports(self, operation: str) -> frozenset[str]:
        """Which extras the interface or the signature names, and which derivatives in a direction there are.

        A function that hides its signature is tried out; where that cannot be done it is taken to support all extras.
        """
        return self._named[operation] | (self._directional[operation] - self.interface.without)

    @cached_property
    def _named(self) -> dict[str, frozenset[str]]:
        """The inputs, options and kinds of input that each operation takes."""
        left_out = self.interface.without | self.interface.fixed.keys() | set(DIRECTIONAL)
        return {each: self._taken(each) - left_out for each in self.functions}

    def _taken(self, operation: str) -> frozenset[str]:
        extras, kinds = frozenset(OPERATIONS[operation].extras), frozenset(OPERATIONS[operation].kinds)
        if self.interface.supports is not None:
            return (extras & self.interface.supports) | kinds
        names = named_by(self.functions[operation])
        if names is None:
            return frozenset(each for each in extras if each in kinds or self._survives(operation, each))
        return frozenset(each for each in extras if each in kinds or self.interface.names.get(each, each) in names)

    def _survives(self, operation: str, extra: str) -> bool:
        """Whether a harmless question with an option or an input raises no TypeError, as an unknown argument does."""
        if not self.tried:
            return True
        question = self.probe(operation, bare=True)
        if extra in OPERATIONS[operation].options:
            question = replace(question, options={**question.options, extra: DEFAULTS[extra]})
        else:
            question = replace(question, inputs={**question.inputs, extra: np.ones(2)})
        if (self.answer(question).raised or "").startswith("TypeError"):
            return False
        return not ignores(self, self.probe(operation, bare=True), extra, named_in_order(self.functions[operation]))

    @cached_property
    def _directional(self) -> dict[str, frozenset[str]]:
        """The derivatives in a direction that each operation has, tried out once."""
        return {each: frozenset(kind for kind in DIRECTIONAL if self._has(each, kind)) for each in self.functions}

    def _has(self, operation: str, kind: str) -> bool:
        """With a function of its own; or by its framework, which may refuse, unless it brings a backward pass."""
        if kind not in OPERATIONS[operation].kinds:
            return False
        if operation in (self.jvps if kind == "jvp" else self.hvps):
            return True
        if operation in self.backwards or not self.by_framework or not self.tried:
            return False
        return any(self._answers(operation, kind, device) for device in self.arrays.devices())

    def _answers(self, operation: str, kind: str, device: str) -> bool:
        question = self.probe(operation)
        tangent = np.resize([0.5, 0.25], question.inputs["logits"].shape)
        question = replace(question, grad_output=np.ones(value_shape(question)), tangent=tangent)
        try:
            self.along(question, self.made(question, device), kind)
        except (Exception, SystemExit):  # whatever it is that the candidate cannot do
            return False
        return True

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        """Value, gradients and derivatives in a direction, or what was raised."""
        return self.ask(problem, device)

    def ask(self, problem: Problem, device: str, directive: str = "answer", *arguments: str) -> Result:
        """What a directive (`directives.py`) makes of the problem and its arrays, or what was raised."""
        return result_of(problem, self.tell(problem, device, directive, arguments))

    def tell(self, problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> Told:
        """The candidate's side of an answer, where its functions are."""
        task, guard = Task(self, problem, self.made(problem, device), arguments, device), Guard()
        try:
            found = {name: self._taken_from(array) for name, array in DIRECTIVES[directive](task).items()}
        except (Exception, SystemExit) as error:  # any failure of the candidate is an answer, and a wrong one
            return Told(raised=f"{type(error).__name__}{place_of(error)}: {_words(error)}", changed=guard.changed())
        if changed := guard.changed():
            return Told(changed=changed)
        after = {name: self.arrays.take(array) for name, array in task.arrays.items()}
        outputs, after = ({name: taken_so(name, each, problem, self.interface) for name, each in some.items()}
                          for some in (found, after))  # fmt: skip
        return Told(outputs, {name: each.values for name, each in after.items()}, observed=tuple(task.observed))

    def _taken_from(self, array: Any) -> Output:
        """What came back, which a directive may have taken already."""
        return array if type(array) is Output else self.arrays.take(array)

    def outputs(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        """Value, gradients and derivatives in a direction by name, as the candidate's own arrays."""
        return self.value_and_gradients(problem, arrays) | self.directional(problem, arrays)

    def directional(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        """What it has of derivatives in the direction of the tangent, if there is one."""
        derivatives: dict[str, Any] = {}
        if problem.tangent is None:
            return derivatives
        has = self.supports(problem.operation)
        if "jvp" in has:
            derivatives["jvp"] = self.along(problem, arrays, "jvp")
        if "hvp" in has and problem.grad_output is not None:
            derivatives["hvp_logits"] = self.along(problem, arrays, "hvp")
        return derivatives


def _words(error: BaseException) -> str:
    """What an exception says, if it can be asked."""
    try:
        return str(error)
    except Exception as another:  # an exception is as much the candidate's as its answer is
        return f"its message raised {type(another).__name__}"
