"""Parameters without a default of which a question says nothing: they are given what changes no number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..problem.interface import Interface
from ..problem.operations import DEFAULTS, OPERATIONS
from ..problem.problem import Array, Problem
from ..problem.rows import class_count
from .signature import signature_of

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def unsaid(
    function: Callable[..., Any], problem: Problem, interface: Interface, positional: int = 0
) -> Mapping[str, Any]:
    """By our names: weights of 1 and a bias of 0, as NumPy arrays; an option as torch.nn.functional has it.

    The first parameters are given by position: so many.

    >>> def layer(x, weight, bias): ...
    >>> problem = Problem("linear", "float32", {"input": [[0.0]], "weight": [[1.0], [2.0]]})
    >>> unsaid(layer, problem, Interface(), 2)
    {'bias': array([0., 0.])}
    """
    about, required = OPERATIONS[problem.operation], {*_required(function, positional)} - interface.extra.keys()
    said = {*problem.inputs, *problem.options, *interface.fixed}
    missing = [name for name in (*about.optional, *about.options)
               if name not in said and interface.names.get(name, name) in required]  # fmt: skip
    return {name: DEFAULTS[name] if name in about.options else _neutral(name, problem) for name in missing}


def _required(function: Callable[..., Any], positional: int) -> Iterator[str]:
    """The parameters after the first that have no default and can be given by name, as far as a function tells."""
    try:
        parameters = list(signature_of(function).parameters.values())
    except (ValueError, TypeError):
        return
    yield from (each.name for each in parameters[positional:] if each.kind in _BY_NAME and each.default is each.empty)


def _neutral(name: str, problem: Problem) -> Array:
    """Class weights, or a bias, one for each class; that of a weight with positions has them too."""
    positions = problem.inputs["linear_weight"].shape[1:-1] if name == "linear_bias" else ()
    return np.full((class_count(problem), *positions), 0.0 if "bias" in name else 1.0)
