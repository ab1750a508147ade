"""Parameters of which a question says nothing: those without a default, and masks, get what changes no number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..problem.interface import Interface
from ..problem.operations import DEFAULTS, OPERATIONS
from ..problem.option_values import check_option
from ..problem.problem import Array, Problem
from ..problem.row_masks import MASKS, all_count, by_mask
from ..problem.rows import class_count
from .signature import signature_of

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def unsaid(
    function: Callable[..., Any], problem: Problem, interface: Interface, positional: int = 0
) -> Mapping[str, Any]:
    """By our names: weights of 1, a bias of 0 and masks as NumPy arrays; an option as torch.nn.functional has it.

    The first parameters are given by position: so many. A mask is given where its parameter is named, but one with a
    default not where all rows count; and an option
    where its parameter has another default than torch's.

    >>> def layer(x, weight, bias): ...
    >>> problem = Problem("linear", "float32", {"input": [[0.0]], "weight": [[1.0], [2.0]]})
    >>> unsaid(layer, problem, Interface(), 2)
    {'bias': array([0., 0.])}
    """
    about, parameters = OPERATIONS[problem.operation], _by_name(function, positional)
    said = {*problem.inputs, *problem.options, *interface.fixed}
    missing = []
    for name in (*about.optional, *about.options):
        theirs = interface.names.get(name, name)
        if name not in said and theirs in parameters.keys() - interface.extra.keys():
            missing += [name] if _is_otherwise(name, parameters[theirs]) else []
    masks = {name: made(problem) for name, made in MASKS.items() if interface.names.get(name) in parameters}
    if masks and all_count(problem):  # a mask with a default is left out
        masks = {name: each for name, each in masks.items() if _needs(parameters[interface.names[name]])}
    return {name: DEFAULTS[name] if name in about.options else _neutral(name, problem) for name in missing} | masks


def says_by_a_mask(function: Callable[..., Any], problem: Problem, interface: Interface) -> bool:
    """Whether it is a mask alone that tells a loss which rows count: it has no label that is ignored."""
    theirs = interface.names.get("ignore_index", "ignore_index")
    return "target" in problem.inputs and by_mask(interface.names) and theirs not in _by_name(function, 0)


def other_defaults(function: Callable[..., Any], operation: str, interface: Interface) -> tuple[str, ...]:
    """Options with a default of their own, which is not asked: that of torch is given in its place.

    >>> def loss(logits, target, reduction="sum", label_smoothing=0.0): ...
    >>> other_defaults(loss, "cross_entropy", Interface())
    ('reduction',)
    """
    defaults = {name: each for name, each in _by_name(function, 0).items() if each is not inspect.Parameter.empty}
    theirs = {name: interface.names.get(name, name) for name in OPERATIONS[operation].options}
    asked = defaults.keys() - interface.extra.keys()
    return tuple(
        name
        for name, called in theirs.items()
        if name not in interface.fixed and called in asked and _is_otherwise(name, defaults[called])
    )


def _by_name(function: Callable[..., Any], positional: int) -> dict[str, Any]:
    """The defaults of the parameters after the first that can be given by name, as far as a function tells."""
    try:
        parameters = list(signature_of(function).parameters.values())
    except (ValueError, TypeError):
        return {}
    return {each.name: each.default for each in parameters[positional:] if each.kind in _BY_NAME}


def _needs(default: Any) -> bool:
    """Whether there is no default."""
    return default is inspect.Parameter.empty


def _is_otherwise(name: str, default: Any) -> bool:
    """Whether there is no default, or that of an option is another value which torch's option may have, too.

    >>> _is_otherwise("ignore_index", 0), _is_otherwise("reduction", "token_mean"), _is_otherwise("dim", None)
    (True, False, False)
    """
    if _needs(default):
        return True
    try:
        check_option(name, default)
    except (ValueError, TypeError):
        return False
    return name in DEFAULTS and bool(default != DEFAULTS[name])


def _neutral(name: str, problem: Problem) -> Array:
    """Class weights, or a bias, one for each class; that of a weight with positions has them too."""
    positions = problem.inputs["linear_weight"].shape[1:-1] if name == "linear_bias" else ()
    return np.full((class_count(problem), *positions), 0.0 if "bias" in name else 1.0)
