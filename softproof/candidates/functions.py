"""How a candidate's functions are called: positional inputs in order, the rest by keyword; and with which arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.class_masks import filled, masks_classes
from ..problem.formats import HALF
from ..problem.interface import HALF_VALUE, Interface
from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS
from ..problem.problem import Array, Problem
from ..problem.row_masks import classes_for_all
from ..problem.size_limits import with_sizes
from .axes import given_problem, given_so
from .frameworks import arrays_of
from .protocol import given
from .results import only_result, result_at
from .row_by_row import row_by_row
from .unsaid import says_by_a_mask, unsaid

if TYPE_CHECKING:
    from .candidate import Candidate


def placed(candidate: Candidate, problem: Problem) -> dict[str, Array]:
    """The numbers of a problem, with their axes in the candidate's order."""
    arrays = given(problem)
    if masks_classes(candidate.interface.extra):
        arrays["logits"] = filled(problem)
    return {name: given_so(name, values, problem, candidate.interface) for name, values in arrays.items()}


def made(candidate: Candidate, problem: Problem, device: str) -> dict[str, Any]:
    """The arrays of a problem, as the adapter has them."""
    make = arrays_of(candidate.adapter).make
    return {
        name: make(values, problem.dtype, problem.layout_of(name), device)
        for name, values in placed(candidate, problem).items()
    }


def called(
    candidate: Candidate, problem: Problem, function: Callable[..., Any] | None = None, *before: Any
) -> Callable[[Mapping[str, Any]], Any]:
    """The candidate's function of the operation, or one of its derivatives, applied to arrays by name."""
    operation, interface, framework = OPERATIONS[problem.operation], candidate.interface, arrays_of(candidate.adapter)
    own = function or candidate.functions[problem.operation]
    asked = own
    if interface.row_by_row:
        asked = row_by_row(own if function else _alone(own, interface), framework, interface.extra)
    first = positional(problem.operation, interface)
    missing = unsaid(own, problem, interface, len(before) + first)
    missing = {name: given_so(name, x, problem, interface) if isinstance(x, np.ndarray) else x
               for name, x in missing.items()}  # fmt: skip
    masked = says_by_a_mask(own, problem, interface)
    labels = classes_for_all(problem) if masked and is_labels(problem) else None
    labels = labels if labels is None else given_so("target", labels, problem, interface)
    options = {name: each for name, each in problem.options.items() if not masked or name != "ignore_index"}

    def call(arrays: Mapping[str, Any]) -> Any:
        copied = {name: framework.copy(x) if name in interface.writes else x for name, x in arrays.items()}
        if labels is not None:
            copied["target"] = framework.like(copied["target"], labels)
        positional = [copied[name] for name in operation.inputs[:first]]
        named = {name: copied[name] for name in (*operation.inputs[first:], *operation.optional) if name in copied}
        first_of_all = copied[operation.inputs[0]]
        filled = {name: _filled(framework, first_of_all, x) for name, x in missing.items()}
        keywords = interface.given({**filled, **named, **options})
        extra = {}
        if interface.extra:
            shape = tuple(first_of_all.shape)
            shape = (1, *shape[1:]) if interface.row_by_row else shape
            given = with_sizes(interface.extra, given_problem(problem, interface), shape)
            extra = {name: _filled(framework, first_of_all, x) if isinstance(interface.extra[name], str) else x
                     for name, x in given.items()}  # fmt: skip
        answer = asked(*before, *positional, **keywords, **extra)
        if function is not None:  # a derivative, of one array or of several
            return _minus(answer) if interface.negative else answer
        return _value(interface, problem, framework, first_of_all, answer)

    fixed = labels is None and not masks_classes(interface.extra)
    if candidate.adapter == "jax" and fixed:  # whose masks are numbers of this question, as the rest is not
        call.key = own, _form(problem, interface)  # type: ignore[attr-defined]  # by which it is compiled once
    return call


def _form(problem: Problem, interface: Interface) -> tuple[Any, ...]:
    """All of a question but its numbers, and how it is asked."""
    shapes = tuple((name, values.shape) for name, values in problem.inputs.items())
    return problem.operation, problem.dtype, shapes, repr(problem.options), repr(interface)


def _value(interface: Interface, problem: Problem, framework: Any, array: Any, answer: Any) -> Any:
    """What of an answer is the value; a Python number, which has no format, in the type of an array."""
    value = answer if interface.row_by_row else picked(interface, answer)  # or picked from that of each row
    if type(value) in (float, int):
        value = framework.like(array, np.asarray(value))
    rounds = HALF_VALUE in interface.without and problem.dtype in HALF and _is_float32(value)
    value = framework.cast(value, problem.dtype) if rounds else value
    adds = interface.summed and "reduction" in OPERATIONS[problem.operation].options and hasattr(value, "shape")
    value = value.sum() if adds else value
    return _minus(value) if interface.negative else value


def picked(interface: Interface, answer: Any) -> Any:
    """The result that is the value."""
    return only_result(answer) if interface.output is None else result_at(answer, interface.output, "the value")


def _alone(function: Callable[..., Any], interface: Interface) -> Callable[..., Any]:
    """The function, of whose results the value alone is given."""
    return lambda *arrays, **named: picked(interface, function(*arrays, **named))


def positional(operation: str, interface: Interface) -> int:
    """How many inputs are given by position: those in front of the first that has another name."""
    inputs = OPERATIONS[operation].inputs
    return next((place for place, name in enumerate(inputs) if name in interface.names), len(inputs))


def _minus(answer: Any) -> Any:
    """The opposite of an array, or of each of several; what is none stays what it is."""
    if isinstance(answer, tuple | list):
        return tuple(map(_minus, answer))
    return -answer if hasattr(answer, "__neg__") else answer


def _filled(framework: Any, array: Any, value: Any) -> Any:
    """What a question does not say: numbers in the type of an array, booleans, or an option."""
    if not isinstance(value, np.ndarray):
        return value
    return framework.like(array, value) != 0 if value.dtype == bool else framework.like(array, value)


def _is_float32(answer: Any) -> bool:
    """Whether it is an array of that type, of any framework."""
    return str(getattr(answer, "dtype", "")).removeprefix("torch.") == "float32"
