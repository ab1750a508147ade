"""What of a target is called: itself, what a class or a factory makes, or a module of torch given its weights."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from .built import as_function, of_class, of_factory

MODULE, FUNCTION = "torch.nn.modules.module.Module", "torch.autograd.function.Function"
WITH_WEIGHTS = ("linear", "linear_cross_entropy")


def by_name(found: Any) -> Any:
    """A target; if it is an autograd function of torch, its `apply`, with the parameters of its `forward` by name."""
    found = found.apply if FUNCTION in _bases(found) else found
    of = getattr(found, "__self__", None)
    is_apply = getattr(found, "__name__", "") == "apply" and FUNCTION in _bases(of)
    return _of_torch().by_name(found) if is_apply else found


def member(found: Any, name: str) -> Any:
    """What has this name in a module or a class; a method of a class is a function of what it makes too."""
    value = getattr(found, name)
    if not isinstance(found, type) or not _is_method(inspect.getattr_static(found, name)):
        return value
    return found if name in ("forward", "__call__") else as_function(of_class(found, name), value)


def _is_method(function: Any) -> bool:
    """Whether a function of a class is meant for its objects; a class may hold functions as a module does."""
    return inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") == "self"


def function_of(found: Any, operation: str) -> Callable[..., Any]:
    """A target as one function of inputs and options."""
    if operation in WITH_WEIGHTS and MODULE in _bases(type(found)):
        weighted: Callable[..., Any] | None = _of_torch().with_weights(found, operation)
        return weighted or found
    is_class = isinstance(found, type)
    if is_class and MODULE in _bases(found):
        recipe = _of_torch().of_class(found, operation) if operation in WITH_WEIGHTS else None
        return as_function(recipe or of_class(found, "forward"), found)
    for method in ("__call__", "forward") if is_class else ():
        if _is_method(inspect.getattr_static(found, method, None)):
            return as_function(of_class(found, method), found)
    recipe = of_factory(found)
    return found if recipe is None else as_function(recipe, found)


def _bases(found: Any) -> list[str]:
    """The names of a class and of those that it is made of; none of what is no class."""
    return [f"{base.__module__}.{base.__qualname__}" for base in found.__mro__] if isinstance(found, type) else []


def _of_torch() -> Any:
    """What is to be known of torch, which is imported where a target needs it."""
    return importlib.import_module(f"{__package__}.adapters.torch_modules")
