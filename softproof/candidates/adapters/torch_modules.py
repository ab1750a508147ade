"""Classes of torch as functions: a module that holds a layer's weight itself, and an autograd function's `apply`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from threading import Lock
from typing import Any

import torch


def as_layer(module: torch.nn.Module) -> Callable[..., Any]:
    """The module as a function of features, a weight and, if it has one, a bias, which stand in for its parameters.

    The module itself, where it has others, or where its forward pass takes more than features.
    """
    named = {name.rpartition(".")[2]: name for name, _ in module.named_parameters()}
    own = len(named) == len(list(module.parameters())) and named.keys() in ({"weight"}, {"weight", "bias"})
    if not own or len(inspect.signature(module.forward).parameters) != 1:
        return module

    alone = Lock()  # the module has one weight at a time

    def called(features: torch.Tensor, **given: torch.Tensor) -> Any:
        with alone:
            return torch.func.functional_call(
                module, {named[name]: array for name, array in given.items()}, (features,)
            )

    def layer(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Any:
        return called(input, weight=weight, bias=bias)

    def without_bias(input: torch.Tensor, weight: torch.Tensor) -> Any:
        return called(input, weight=weight)

    return layer if "bias" in named else without_bias


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
