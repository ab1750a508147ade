"""The parameters that a function names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

KEPT = 64  # functions whose signatures are read once: reading one takes longer than many a call


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """That of a function; of a module of a framework, which takes anything itself, that of its `forward`."""
    return _kept(function) if hasattr(function, "__code__") else _read(function)  # what is no function may change


@lru_cache(KEPT)
def _kept(function: Callable[..., Any]) -> inspect.Signature:
    return _read(function)


def _read(function: Callable[..., Any]) -> inspect.Signature:
    found, forward = inspect.signature(function), getattr(function, "forward", None)
    anything = all(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in found.parameters.values())
    return inspect.signature(forward) if anything and callable(forward) and not isinstance(function, type) else found


def named_by(function: Callable[..., Any]) -> set[str] | None:
    """The parameters that a function names; None where it hides them."""
    try:
        parameters = signature_of(function).parameters.values()
    except ValueError:
        return None
    hidden = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return None if hidden else {parameter.name for parameter in parameters}


def named_in_order(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters that a function names, if it tells."""
    return tuple(each.name for each in _told(function) if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL))


def switches_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters that are True or False by default."""
    return tuple(each.name for each in _told(function) if isinstance(each.default, bool))


def _told(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """All parameters, if the function tells."""
    try:
        return [*signature_of(function).parameters.values()]
    except (ValueError, TypeError):
        return []
