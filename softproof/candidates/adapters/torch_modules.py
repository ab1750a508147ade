"""A module of torch that holds a layer's weight itself, as a function that is given one."""

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
