"""Which function is the backward pass of a NumPy function: one beside it, in the way that it is meant, or a result.

A parameter of a name such as y may be an input or the value. Which it is, differences of the value tell. What has to be
found out is tried out by one small question; where that has no answer, a backward pass takes what it usually takes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.operations import OPERATIONS
from ..problem.outputs import gradient_names, output_shapes, value_shape
from ..problem.problem import Array, Problem
from .backward_passes import function_in, of_results, readings
from .functions import called, made

if TYPE_CHECKING:
    from .candidate import Candidate

_OF_GRADIENTS = re.compile(r"(?i)partial|backward|vjp|pull_?back|grad")
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
STEP = 2.0**-17  # of the differences, in float64: about the cube root of its rounding error


def with_backward_passes(candidate: Candidate, of_forward: Mapping[str, Callable[..., Any]]) -> Candidate:
    """The same candidate with those that it has: beside its functions, `of_forward` by another name, or among results.

    One by another name counts only if it gives gradients, as does a function among results.
    """
    chosen = {each: _nearest(candidate, each, readings(candidate.functions[each], backward))
              for each, backward in candidate.backwards.items()}  # fmt: skip
    for operation, function in candidate.functions.items():
        if operation in chosen or not candidate.tried or not OPERATIONS[operation].gradients:
            continue
        found = []
        if operation in of_forward:
            found.append(_nearest(candidate, operation, readings(function, of_forward[operation])))
        if _gives_a_function(candidate, operation):
            found.append(of_results(function))
        gives = (each for each in found if _gives_gradients(candidate, operation, each))
        if (first := next(gives, None)) is not None:
            chosen[operation] = first
    return replace(candidate, backwards=chosen)


def makes_functions(function: Callable[..., Any]) -> bool:
    """Whether a function may give one, as far as its code tells.

    >>> makes_functions(lambda x: (x, lambda g: g)), makes_functions(lambda x: [each for each in x])
    (True, False)
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    inner = (each.co_name for each in getattr(code, "co_consts", ()) if isinstance(each, CodeType))
    named = filter(_OF_GRADIENTS.search, getattr(code, "co_names", ()))
    return any(name not in _COMPREHENSIONS for name in inner) or any(named)


def _nearest(candidate: Candidate, operation: str, possible: list[Callable[..., Any]]) -> Callable[..., Any]:
    """The reading whose gradient is nearest to differences of the value; the first where none gives one."""
    if len(possible) == 1 or not candidate.tried:
        return possible[0]
    return min(possible, key=lambda each: _distance(replace(candidate, backwards={operation: each}), operation))


def _question(candidate: Candidate, operation: str) -> Problem:
    """One of numbers that differ, with an upstream gradient other than 1."""
    plain = candidate.capabilities.question(operation)
    inputs = {name: x if x.dtype.kind != "f" else np.resize([0.25, 0.75, -0.5, 1.25], x.shape)
              for name, x in plain.inputs.items()}  # fmt: skip
    problem = replace(plain, inputs=inputs, grad_output=None)
    shape = value_shape(problem)
    return replace(problem, grad_output=np.resize([0.5, -1.5, 2.0], shape))


def _distance(candidate: Candidate, operation: str) -> float:
    """How far the gradient of the first input is from what differences of the value say, in one direction."""
    problem = _question(candidate, operation)
    name, gradient = gradient_names(problem)[0], _gradients(candidate, problem)
    x = problem.inputs[name]
    direction = np.resize([1.0, -0.5, 0.25], x.shape)
    moved = (_moved(problem, name, x + sign * STEP * direction) for sign in (1, -1))
    ends = [candidate.answer(each).outputs.get("value") for each in moved]
    if gradient is None or None in ends:
        return inf
    after, before = (each.values for each in ends if each is not None)
    if after.shape != value_shape(problem):
        return inf
    slope = ((after - before) * problem.grad_output).sum() / (2 * STEP)
    return float(np.abs((gradient[f"grad_{name}"] * direction).sum() - slope))


def _moved(problem: Problem, name: str, values: Array) -> Problem:
    return replace(problem, inputs={**problem.inputs, name: values}, grad_output=None)


def _gradients(candidate: Candidate, problem: Problem) -> Mapping[str, Array] | None:
    """Those that it gives, if they have the shapes of what they are gradients of."""
    outputs, shapes = candidate.answer(problem).outputs, output_shapes(problem)
    names = [name for name in shapes if name != "value"]
    right = all(name in outputs and outputs[name].values.shape == shapes[name] for name in names)
    return {name: outputs[name].values for name in names} if right else None


def _gives_gradients(candidate: Candidate, operation: str, backward: Callable[..., Any]) -> bool:
    asked = replace(candidate, backwards={operation: backward})
    return _gradients(asked, _question(candidate, operation)) is not None


def _gives_a_function(candidate: Candidate, operation: str) -> bool:
    """Whether one of its results is a function; it is called only if its code makes functions, or names a gradient."""
    if not makes_functions(candidate.functions[operation]):
        return False
    question = candidate.capabilities.question(operation)
    try:
        answer = called(candidate, question, candidate.functions[operation])(made(candidate, question, "cpu"))
    except (Exception, SystemExit):  # whatever it is that it does not take
        return False
    return function_in(answer) is not None
