"""What is under judgement: anything that answers a Problem with a Result.

A candidate is a module with functions named after the operations (and, beside each, its ``<operation>_backward``,
``<operation>_jvp`` and ``<operation>_hvp``), or one function. Its arrays are NumPy's or torch's; a torch function
without a backward pass is differentiated by autograd.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

import numpy as np

from .guard import Guard
from .operations import DIRECTIONAL, OPERATIONS, gradient_names, value_shape
from .problem import Array, Problem, Result

ADAPTERS = ("numpy", "torch")
Q = TypeVar("Q")
A = TypeVar("A")


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

    def answer(self, problem: Problem, device: str) -> Result:
        """Value, gradients and what it has of derivatives in a direction; leaves the problem as it was.

        An exception becomes `Result.raised`.
        """


@dataclass(frozen=True)
class Candidate:
    """Functions by operation, their backward passes (where there are any), and the arrays that they take."""

    name: str
    functions: Mapping[str, Callable[..., Any]]
    backwards: Mapping[str, Callable[..., Any]]
    adapter: str
    source: str = ""  # Python text that names the target again
    without: frozenset[str] = frozenset()  # optional inputs, options and kinds of input that are not to be asked
    jvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # derivatives in a direction
    hvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # those of the gradient
    tried: bool = True  # whether it may be asked a harmless question to find out what it can do

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
        """The formats that the adapter has."""
        return tuple(self.arrays.DTYPES)

    @property
    def layouts(self) -> tuple[str, ...]:
        """How the adapter can lay arrays out in memory."""
        return tuple(self.arrays.LAYOUTS)

    @property
    def lost(self) -> str:
        """Why there will be no more answers; empty for one that lives in this process."""
        return ""

    @property
    def printed(self) -> int:
        """How many bytes it has printed and nobody has seen."""
        return 0

    def renew(self) -> None:
        """Start again, as if it had not been asked anything."""

    def close(self) -> None:
        """End what was started for it."""

    def only(self, operation: str) -> Candidate:
        """The same candidate with one of its operations."""
        if operation not in self.functions:
            raise ValueError(f"{self.name} has no {operation}; it has {', '.join(self.functions)}")
        return replace(self, functions={operation: self.functions[operation]})

    def differentiates(self, operation: str) -> bool:
        """With a backward pass of its own, or by autograd."""
        return bool(OPERATIONS[operation].gradients) and (operation in self.backwards or self.adapter == "torch")

    def supports(self, operation: str) -> frozenset[str]:
        """Which extras the function's signature names, and which derivatives in a direction there are.

        A function that hides its signature is taken to support all extras.
        """
        return (self._named(operation) - set(DIRECTIONAL)) | (self._directional[operation] - self.without)

    def _named(self, operation: str) -> frozenset[str]:
        extras = frozenset(OPERATIONS[operation].extras) - self.without
        try:
            parameters = inspect.signature(self.functions[operation]).parameters.values()
        except ValueError:
            return extras
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return extras
        return extras & {*OPERATIONS[operation].kinds, *(parameter.name for parameter in parameters)}

    @cached_property
    def _directional(self) -> dict[str, frozenset[str]]:
        """The derivatives in a direction that each operation has, tried out once."""
        return {each: frozenset(kind for kind in DIRECTIONAL if self._has(each, kind)) for each in self.functions}

    def _has(self, operation: str, kind: str) -> bool:
        """With a function of its own; or by autograd, which may refuse, unless the candidate brings a backward pass."""
        if kind not in OPERATIONS[operation].kinds:
            return False
        if operation in (self.jvps if kind == "jvp" else self.hvps):
            return True
        if operation in self.backwards or self.adapter != "torch" or not self.tried:
            return False
        return any(self._answers(operation, kind, device) for device in self.arrays.devices())

    def _answers(self, operation: str, kind: str, device: str) -> bool:
        question = _probe(self, operation)
        question = replace(question, grad_output=np.ones(value_shape(question)), tangent=np.array([[0.5, 0.25]]))
        try:
            self._along(question, self._made(question, device), kind)
        except (Exception, SystemExit):  # whatever it is that the candidate cannot do
            return False
        return True

    def _made(self, problem: Problem, device: str) -> dict[str, Any]:
        """The arrays of a problem, as the adapter has them."""
        return {
            name: self.arrays.make(values, problem.dtype, problem.layout_of(name), device)
            for name, values in _given(problem).items()
        }

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        """Value, gradients and derivatives in a direction, or what was raised."""
        return self.ask(problem, device, self.outputs)

    def ask(self, problem: Problem, device: str, way: Callable[[Problem, dict[str, Any]], dict[str, Any]]) -> Result:
        """What `way` makes of the problem and its arrays, or what was raised, and which arrays it changed."""
        given, arrays, guard = _given(problem), self._made(problem, device), Guard()
        try:
            outputs = {name: self.arrays.take(array) for name, array in way(problem, arrays).items()}
        except (Exception, SystemExit) as error:  # any failure of the candidate is an answer, and a wrong one
            return Result(raised=f"{type(error).__name__}{_place(error)}: {error}", changed=guard.changed())
        if changed := guard.changed():
            return Result(changed=changed)
        after = {name: self.arrays.take(array).values for name, array in arrays.items()}
        written = [name for name in given if not np.array_equal(after[name], given[name], equal_nan=True)]
        return Result(outputs, written=tuple(written))

    def conducts(self, asks: Callable[[Q], Iterable[A]], question: Q) -> Iterable[A]:
        """What a way of asking makes of a question, where the candidate lives."""
        return asks(question)

    def outputs(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        """Value, gradients and derivatives in a direction by name, as the candidate's own arrays."""
        found = self._value_and_gradients(problem, arrays)
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
        found = grads if isinstance(grads, tuple) else (grads,)
        return dict(zip(gradient_names(problem), (grad for grad in found if grad is not None), strict=True))

    def call(
        self, problem: Problem, function: Callable[..., Any] | None = None, *before: Any
    ) -> Callable[[Mapping[str, Any]], Any]:
        """The function applied to arrays by name: positional inputs in order, the rest by keyword."""
        operation = OPERATIONS[problem.operation]
        function = function or self.functions[problem.operation]

        def call(arrays: Mapping[str, Any]) -> Any:
            positional = [arrays[name] for name in operation.inputs]
            keywords = {name: arrays[name] for name in operation.optional if name in arrays}
            return function(*before, *positional, **keywords, **problem.options)

        return call


def _place(error: BaseException) -> str:
    """The last line of a traceback that is not this package's own, if there is one."""
    own = Path(__file__).parent
    frames = [each for each in traceback.extract_tb(error.__traceback__) if own not in Path(each.filename).parents]
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _given(problem: Problem) -> dict[str, Array]:
    """All arrays of a problem."""
    vectors = {"grad_output": problem.grad_output, "tangent": problem.tangent}
    return dict(problem.inputs) | {name: array for name, array in vectors.items() if array is not None}


@cache
def _adapter(name: str) -> ModuleType:
    return importlib.import_module(f".adapters.{name}_arrays", __package__)


Target = str | ModuleType | Callable[..., Any] | Candidate


def load(target: Target, operation: str | None = None, adapter: str | None = None, *, tried: bool = True) -> Candidate:
    """A candidate from a module, a callable, or a name such as ``"manual"`` or ``"package.module:function"``.

    Without `operation` a callable is taken for the operation that it is named after; without `adapter` it is tried
    on a NumPy array first, then on a torch tensor, and the one that it answers in kind is used. One that is not to be
    `tried` takes tensors if its module imports torch, and has no derivatives in a direction but its own functions.

    >>> load(lambda logits, dim: logits, operation="softmax").adapter
    'numpy'
    """
    if adapter not in (None, *ADAPTERS):
        raise ValueError(f"adapter is {adapter!r}; expected one of {', '.join(ADAPTERS)}")
    if operation not in (None, *OPERATIONS):
        raise ValueError(f"operation is {operation!r}; expected one of {', '.join(OPERATIONS)}")
    if isinstance(target, Candidate):
        return target if operation is None else target.only(operation)
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    found = _resolve(target) if isinstance(target, str) else target
    if isinstance(found, ModuleType):
        names = [operation] if operation else list(OPERATIONS)
        functions = {each: getattr(found, each) for each in names if callable(getattr(found, each, None))}
        siblings: Any = found
        if not functions:
            raise ValueError(f"module {name} has no function named {' or '.join(names)}")
    elif callable(found):
        operation = operation or getattr(found, "__name__", "")
        if operation not in OPERATIONS:
            raise ValueError(f"which operation is {name}? Name it (operation=, --operation): {', '.join(OPERATIONS)}")
        functions = {operation: found}
        siblings = inspect.getmodule(found)
    else:
        raise TypeError(f"target is a {type(found).__name__}; expected a module, a callable, or the name of one")
    backwards, jvps, hvps = (_beside(functions, siblings, suffix) for suffix in ("backward", "jvp", "hvp"))
    adapter = adapter or _guess_adapter(functions, tried)
    return Candidate(name, functions, backwards, adapter, _source(target, found), jvps=jvps, hvps=hvps, tried=tried)


def _beside(functions: Mapping[str, Callable[..., Any]], module: Any, suffix: str) -> dict[str, Callable[..., Any]]:
    """The functions of the module that are named ``<name>_<suffix>``."""
    names = {each: f"{getattr(function, '__name__', '')}_{suffix}" for each, function in functions.items()}
    return {each: getattr(module, name) for each, name in names.items() if callable(getattr(module, name, None))}


def _resolve(name: str) -> Any:
    """The object that ``module`` or ``module:attribute`` names."""
    module_name, _, attribute = name.partition(":")
    if "/" in module_name or module_name.endswith(".py"):
        suggestion = Path(module_name).stem
        raise ValueError(
            f"target {name!r}: a target is a module, not a file; try {suggestion} or {suggestion}:function"
        )
    if not module_name:
        raise ValueError(f"target {name!r}: it names no module; expected package.module or package.module:function")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"target {name!r}: there is no module {error.name!r}") from error
    except (Exception, SystemExit) as error:  # whatever its module does
        raise ValueError(f"target {name!r}: importing it raised {type(error).__name__}: {error}") from error
    for part in attribute.split(".") if attribute else ():
        if not hasattr(found, part):
            raise ValueError(f"target {name!r}: {getattr(found, '__name__', found)} has no {part!r}")
        found = getattr(found, part)
    return found


def _source(target: Target, found: Any) -> str:
    """How to write the target in Python: a name that can be imported, or the bare name of a local function."""
    if isinstance(target, str):
        return repr(target)
    if isinstance(found, ModuleType):
        return repr(found.__name__)
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", type(found).__name__)
    local = module in (None, "__main__") or "<" in name or not hasattr(found, "__qualname__")  # an object has no name
    return name.split(".")[-1] if local else repr(f"{module}:{name}")


def _guess_adapter(functions: Mapping[str, Callable[..., Any]], tried: bool) -> str:
    """The framework whose arrays the first function answers in kind; failing both, the one its module imports."""
    operation, function = next(iter(functions.items()))
    asked = ADAPTERS if importlib.util.find_spec("torch") else ADAPTERS[:1]
    for adapter in asked if tried else ():
        candidate = Candidate("probe", {operation: function}, {}, adapter)
        if candidate.answer(_probe(candidate, operation)).raised is None:
            return adapter
    return "torch" if "torch" in getattr(function, "__globals__", {}) else "numpy"


def _probe(candidate: Candidate, operation: str) -> Problem:
    """A harmless question: two classes, one row."""
    row, square = [[0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]
    inputs: dict[str, Any] = {
        name: [0] if name == "target" else square if "weight" in name else row for name in OPERATIONS[operation].inputs
    }
    return Problem(operation, "float64", inputs, {"dim": -1} if "dim" in candidate._named(operation) else {})
