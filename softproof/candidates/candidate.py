"""What is under judgement: anything that answers a Problem with a Result.

A candidate is a module with functions named after the operations (and, beside each, its ``<operation>_backward``,
``<operation>_jvp`` and ``<operation>_hvp``), or one function. Its arrays are NumPy's, torch's or JAX's; torch and JAX
differentiate what has no backward pass. `softproof.candidates.loading` makes candidates.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from ..problem.formats import FORMATS, HALF
from ..problem.interface import HALF_VALUE, Interface
from ..problem.operations import DEFAULTS, DIRECTIONAL, OPERATIONS, gradient_names, value_shape
from ..problem.problem import COMMON_LAYOUTS, LAYOUTS, Output, Problem, Result
from ..problem.records import CALLABLE, FLAG, TEXT, a, by_name, check_fields, one_of, tuple_of
from .directives import DIRECTIVES, Task
from .guard import Guard
from .isolation.protections import Protections
from .places import place_of
from .protocol import Told, given, result_of

ADAPTERS = ("numpy", "torch", "jax", "onnx", "process")
_NUMPYS = ("onnx", "process")  # adapters whose functions take and give NumPy's arrays


@dataclass(frozen=True)
class Framework:
    """What is known of an adapter before its module is imported."""

    dtypes: tuple[str, ...]
    layouts: tuple[str, ...]
    differentiates: bool = False


_THREE, _FOUR = ("float64", "float32", "float16"), ("float64", "float32", "float16", "bfloat16")
FRAMEWORKS = {
    "torch": Framework(_FOUR, COMMON_LAYOUTS, differentiates=True),
    "jax": Framework(_FOUR, ("contiguous",), differentiates=True),
    **dict.fromkeys(("numpy", *_NUMPYS), Framework(_THREE, tuple(LAYOUTS))),
}


class Implementation(Protocol):
    """The interface that the judge needs."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations it has."""

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats it can be asked in."""

    def differentiates(self, operation: str) -> bool:
        """Whether it has gradients for `operation`."""

    def supports(self, operation: str) -> frozenset[str]:
        """Which optional inputs and options of `operation` it takes."""

    def takes(self, problem: Problem) -> bool:
        """Whether a problem has the shape and the fixed options that it takes."""

    def answer(self, problem: Problem, device: str) -> Result:
        """Value, gradients and what it has of derivatives in a direction; leaves the problem as it was.

        An exception becomes `Result.raised`.
        """


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
class Candidate:
    """Functions by operation, their backward passes (where there are any), and the arrays that they take."""

    name: str
    functions: Mapping[str, Callable[..., Any]]
    backwards: Mapping[str, Callable[..., Any]]
    adapter: str
    source: str = ""  # Python text that names the target again
    interface: Interface = field(default_factory=Interface)
    jvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # derivatives in a direction
    hvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # those of the gradient
    tried: bool = True  # whether it may be asked a harmless question to find out what it can do
    formats: tuple[str, ...] = ()  # that it can be asked in, where these are not all that the adapter has
    arrangements: tuple[str, ...] = ()  # of its arrays in memory, the same way

    def __post_init__(self) -> None:
        check_fields(self, _FIELDS)

    @property
    def arrays(self) -> Any:
        """The adapter's module: `make`, `take`, `check_device`, `DTYPES`."""
        return _adapter(self.adapter)

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
    def elsewhere(self) -> bool:
        """Whether its functions live in another process."""
        return False

    def reported(self, _operation: str) -> tuple[str, ...]:
        """What is believed of it because it says so, and for no other reason."""
        return ()

    @property
    def lost(self) -> str:
        """Why there will be no more answers; empty for one that lives in this process."""
        return ""

    @property
    def protections(self) -> Protections:
        """What protects the judge from it: nothing, where it lives in this process."""
        return ()

    @property
    def printed(self) -> int:
        """How many bytes it has printed and nobody has seen."""
        return 0

    def renew(self) -> None:
        """Start again, as if it had not been asked anything."""

    def close(self) -> None:
        """End what was started for it."""

    def parameters(self, operation: str) -> tuple[str, ...]:
        """The names of what its function takes, as far as they are known; they are suggested, and no more."""
        return named_in_order(self.functions[operation])

    def leaving_out(self, names: Iterable[str]) -> Candidate:
        """The same candidate, which is not asked these optional inputs, options and kinds of input."""
        return replace(self, interface=replace(self.interface, without=self.interface.without | frozenset(names)))

    def checked(self, ways: Iterable[str]) -> Candidate:
        """The candidate, whose interface fits its operations, their signatures and the ways of asking again."""
        named = [named_by(each) for each in self.functions.values()]
        taken = None if None in named else {name for each in named if each for name in each}
        self.interface.check(self.operations, ways, taken, self.name)
        return self

    def probe(self, operation: str, *, bare: bool = False) -> Problem:
        """A harmless question that it may be asked: two classes, one row; `bare` of the axis that it may take."""
        about, ndim = OPERATIONS[operation], self.interface.ndim
        dimensions = max(2 if not ndim or 2 in ndim else min(ndim), 0 if "scalars" in about.kinds else 1)
        place = min(1, dimensions - 1) if operation == "cross_entropy" else dimensions - 1
        row = np.full([2 if axis == place else 1 for axis in range(dimensions)], 0.5)
        labels = np.zeros([1] * (dimensions - 1), int)
        inputs: dict[str, Any] = {
            name: labels if name == "target" else np.full((2, 2), 0.5) if "weight" in name else row
            for name in about.inputs
        }
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
        return not (self.answer(question).raised or "").startswith("TypeError")

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
            self._along(question, self.made(question, device), kind)
        except (Exception, SystemExit):  # whatever it is that the candidate cannot do
            return False
        return True

    def made(self, problem: Problem, device: str) -> dict[str, Any]:
        """The arrays of a problem, as the adapter has them."""
        return {
            name: self.arrays.make(values, problem.dtype, problem.layout_of(name), device)
            for name, values in given(problem).items()
        }

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
            outputs = {name: self._taken_from(array) for name, array in DIRECTIVES[directive](task).items()}
        except (Exception, SystemExit) as error:  # any failure of the candidate is an answer, and a wrong one
            return Told(raised=f"{type(error).__name__}{place_of(error)}: {_words(error)}", changed=guard.changed())
        if changed := guard.changed():
            return Told(changed=changed)
        after = {name: self.arrays.take(array).values for name, array in task.arrays.items()}
        return Told(outputs, after, observed=tuple(task.observed))

    def _taken_from(self, array: Any) -> Output:
        """What came back, which a directive may have taken already."""
        return array if type(array) is Output else self.arrays.take(array)

    def outputs(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        """Value, gradients and derivatives in a direction by name, as the candidate's own arrays."""
        return self._value_and_gradients(problem, arrays) | self.directional(problem, arrays)

    def directional(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        """What it has of derivatives in the direction of the tangent, if there is one."""
        found: dict[str, Any] = {}
        if problem.tangent is None:
            return found
        has = self.supports(problem.operation)
        if "jvp" in has:
            found["jvp"] = self._along(problem, arrays, "jvp")
        if "hvp" in has and problem.grad_output is not None:
            found["hvp_logits"] = self._along(problem, arrays, "hvp")
        return found

    def _along(self, problem: Problem, arrays: dict[str, Any], kind: str) -> Any:
        """A derivative in the direction of the tangent: "jvp" of the value, "hvp" of the gradient of the logits."""
        siblings = self.jvps if kind == "jvp" else self.hvps
        vectors = [arrays["tangent"]] if kind == "jvp" else [arrays["tangent"], arrays["grad_output"]]
        if problem.operation in siblings:
            return self.call(problem, siblings[problem.operation], *vectors)(arrays)
        if kind == "jvp":
            return self.arrays.jvp(self.call(problem), arrays, arrays["tangent"])
        return self.arrays.hvp(self.call(problem), arrays, arrays["grad_output"], arrays["tangent"])

    def _value_and_gradients(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        call = self.call(problem)
        if problem.grad_output is None:
            return {"value": call(arrays)}
        names, upstream = gradient_names(problem), arrays["grad_output"]
        if problem.operation in self.backwards:
            value, by_name = call(arrays), self.gradients(problem, arrays, upstream)
        else:
            value, by_name = self.arrays.differentiate(call, arrays, names, upstream)
        return {"value": value} | {f"grad_{name}": grad for name, grad in by_name.items()}

    def gradients(self, problem: Problem, arrays: dict[str, Any], upstream: Any) -> dict[str, Any]:
        """What the candidate's own backward pass gives, by input."""
        grads = self.call(problem, self.backwards[problem.operation], upstream)(arrays)
        found = [grad for grad in (grads if isinstance(grads, tuple) else (grads,)) if grad is not None]
        wanted = gradient_names(problem)
        if len(found) != len(wanted):
            raise ValueError(
                f"gradients from the backward pass: {len(found)}; inputs that have a gradient: {', '.join(wanted)}"
            )
        return dict(zip(wanted, found, strict=True))

    def call(
        self, problem: Problem, function: Callable[..., Any] | None = None, *before: Any
    ) -> Callable[[Mapping[str, Any]], Any]:
        """The function applied to arrays by name: positional inputs in order, the rest by keyword."""
        operation, interface = OPERATIONS[problem.operation], self.interface
        asked = function or self.functions[problem.operation]
        first = next((i for i, name in enumerate(operation.inputs) if name in interface.names), len(operation.inputs))

        def call(arrays: Mapping[str, Any]) -> Any:
            own = {name: self.arrays.copy(x) if name in interface.writes else x for name, x in arrays.items()}
            positional = [own[name] for name in operation.inputs[:first]]
            named = {name: own[name] for name in (*operation.inputs[first:], *operation.optional) if name in own}
            keywords = interface.given({**named, **problem.options})
            found = asked(*before, *positional, **keywords, **interface.extra)
            if function is not None:
                return found
            found = found if interface.output is None else found[interface.output]
            rounds = HALF_VALUE in interface.without and problem.dtype in HALF and _is_float32(found)
            return self.arrays.cast(found, problem.dtype) if rounds else found

        return call


def _is_float32(answer: Any) -> bool:
    """Whether it is an array of that type, of any framework."""
    return str(getattr(answer, "dtype", "")).removeprefix("torch.") == "float32"


def _words(error: BaseException) -> str:
    """What an exception says, if it can be asked."""
    try:
        return str(error)
    except Exception as another:  # an exception is as much the candidate's as its answer is
        return f"its message raised {type(another).__name__}"


@cache
def _adapter(name: str) -> ModuleType:
    return importlib.import_module(f".adapters.{'numpy' if name in _NUMPYS else name}_arrays", __package__)


def named_by(function: Callable[..., Any]) -> set[str] | None:
    """The parameters that a function names; None where it hides them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    hidden = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return None if hidden else {parameter.name for parameter in parameters}


def named_in_order(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters that a function names, if it tells."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return ()
    return tuple(each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL))
