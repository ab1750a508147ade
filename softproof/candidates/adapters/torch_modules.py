"""Classes of torch as functions: a module that holds a layer's weight itself, and an autograd function's `apply`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any

import torch

from ...problem.operations import OPERATIONS
from ..built import Recipe, tried


def with_weights(module: Any, operation: str) -> Callable[..., Any] | None:
    """A module as a function that is given the weight, and the bias, that it holds; None where it holds others.

    Args:
        module: whose parameters are a weight and, maybe, a bias.
        operation: `linear`, of features; or `linear_cross_entropy`, of features and labels.
    """
    _, bias = WEIGHTS[operation]
    named = {name.rpartition(".")[2]: name for name, _ in module.named_parameters()}
    own = len(named) == len(list(module.parameters())) and named.keys() in ({"weight"}, {"weight", "bias"})
    parameters = list(inspect.signature(module.forward).parameters.values())
    given = len(OPERATIONS[operation].inputs) - 1
    if not own or len(parameters) < given or (operation == "linear" and len(parameters) > given):
        return None

    def function(features: Any, matrix: Any, *targets: Any, **options: Any) -> Any:
        arrays = {named["weight"]: matrix} | ({named["bias"]: options.pop(bias)} if "bias" in named else {})
        with ALONE:
            return torch.func.functional_call(module, arrays, (features, *targets), options)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    first = [inspect.Parameter(name, kind) for name in OPERATIONS[operation].inputs]
    last = [inspect.Parameter(bias, inspect.Parameter.KEYWORD_ONLY)] if "bias" in named else []
    further = [each.replace(kind=each.KEYWORD_ONLY) for each in parameters[given:] if each.kind in _BY_POSITION[:2]]
    function.__signature__ = inspect.Signature([*first, *further, *last])  # type: ignore[attr-defined]  # inspect's
    return function


def of_class(kind: Any, operation: str) -> Recipe | None:
    """A class of such modules, with a bias if it can be said; None of another."""
    maker: Callable[..., Any] = partial(kind, bias=True) if "bias" in inspect.signature(kind).parameters else kind
    module = tried(maker)
    function = None if module is None else with_weights(module, operation)
    if function is None:
        return None
    return Recipe(
        maker, lambda module: with_weights(module, operation) or module, inspect.signature(function), kind.forward
    )


ALONE = RLock()  # a module has one weight at a time
WEIGHTS = {"linear": ("weight", "bias"), "linear_cross_entropy": ("linear_weight", "linear_bias")}
_BY_POSITION = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def by_name(apply: Callable[..., Any]) -> Callable[..., Any]:
    """`Function.apply`, which takes arguments by position alone and hides what they are, with those of `forward`."""
    function: Any = getattr(apply, "__self__")  # noqa: B009  # a bound method, of which a Callable does not know
    base: Any = torch.autograd.Function
    parameters = list(inspect.signature(function.forward).parameters.values())
    takes_context = function.setup_context is base.setup_context
    own = [each for each in parameters[takes_context:] if each.kind in _BY_POSITION]
    named = [
        each if each.kind is each.VAR_POSITIONAL else each.replace(kind=each.POSITIONAL_OR_KEYWORD) for each in own
    ]
    signature = inspect.Signature(named)

    def called(*arguments: Any, **named: Any) -> Any:
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        return apply(*bound.args)

    called.__signature__ = signature  # type: ignore[attr-defined]  # which inspect reads
    called.__wrapped__ = function.forward  # type: ignore[attr-defined]  # whose module is the user's
    called.__name__, called.__qualname__, called.__module__ = function.__name__, apply.__qualname__, function.__module__
    return called
