"""A class, a method of one, or a function that makes a loss, as one function: its options are given when it is made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from .guesses import INPUTS, neutral_values, size_named, words_of

KEPT = 16  # things that are made once for the same plain arguments
_PLAIN = (str, int, float, bool, type(None))
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_MAKES = r"\b(make|build|get|create|new|factory|maker|builder)\b"
_INPUTS = {name for names in INPUTS.values() for name in names}


class Recipe(NamedTuple):
    """What makes a thing, the function of the thing that is called, with its signature, and code of the user's."""

    maker: Callable[..., Any]
    called: Callable[[Any], Callable[..., Any]]
    signature: inspect.Signature
    code: Callable[..., Any]


def of_class(kind: Any, method: str = "__call__") -> Recipe:
    """A method of what a class makes."""
    code = getattr(kind, method)
    _, *parameters = inspect.signature(code).parameters.values()
    if all(each.kind in _VARIADIC for each in parameters) and inspect.isfunction(getattr(kind, "forward", None)):
        _, *parameters = inspect.signature(kind.forward).parameters.values()  # to which it passes all that it is given
    return Recipe(kind, lambda thing: getattr(thing, method), inspect.Signature(parameters), code)


def of_factory(function: Any) -> Recipe | None:
    """A function that is named as one that makes something, takes no input, and gives a function; None of another."""
    if not inspect.isfunction(function) or not re.search(_MAKES, words_of(function.__name__)):
        return None
    missing = [each.name for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    if any(name.lower() in _INPUTS and not size_named(name) for name in missing):
        return None
    thing = tried(function)
    return Recipe(function, lambda thing: thing, _signature(thing), function) if callable(thing) else None


def tried(maker: Callable[..., Any]) -> Any:
    """What it makes of its defaults, of sizes of 2 and of numbers that change nothing; None if these are not enough."""
    missing = [each.name for each in _named(_signature(maker)) if each.default is each.empty]
    given = {name: 2 if size_named(name) else next(iter(neutral_values(name)), None) for name in missing}
    try:
        return maker(**given)
    except Exception:  # whatever it needs
        return None


class Maker:
    """Makes a thing of those arguments that it takes, and are not `taken` by a call; once for plain ones.

    A thing is called again for all questions with the same plain arguments, so that a state that it keeps is seen.
    Where one of them is an array, a thing is made for each question.
    """

    def __init__(self, maker: Callable[..., Any], taken: Collection[str]) -> None:
        self.maker, fixed = maker, getattr(maker, "keywords", {})  # of a partial
        named = [each for each in _named(_signature(maker)) if each.name not in taken and each.name not in fixed]
        self.parameters = [each.replace(kind=each.KEYWORD_ONLY) if taken else each for each in named]
        self._kept = lru_cache(KEPT, typed=True)(self._of_pairs)

    def made(self, given: dict[str, Any]) -> Any:
        """What it makes of the arguments that it takes, which are taken out of those given."""
        own = {each.name: given.pop(each.name) for each in self.parameters if each.name in given}
        if all(isinstance(each, _PLAIN) for each in own.values()):
            return self._kept(*chain.from_iterable(own.items()))
        return self.maker(**own)

    def _of_pairs(self, *pairs: Any) -> Any:
        return self.maker(**dict(zip(pairs[::2], pairs[1::2], strict=True)))

    def signature(self, call: inspect.Signature) -> inspect.Signature:
        """What a call takes, and then what it makes a thing of, by name."""
        parameters = list(call.parameters.values())
        last = [each for each in parameters if each.kind is each.VAR_KEYWORD]
        first = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
        return call.replace(parameters=[*first, *self.parameters, *last])


def as_function(recipe: Recipe, of: Any) -> Callable[..., Any]:
    """A function of what a thing is called with, and then of what it is made with, under the name `of` the user's.

    >>> class Scaled:
    ...     def __init__(self, factor=1.0): self.factor = factor
    ...     def __call__(self, x): return self.factor * x
    >>> scaled = as_function(of_class(Scaled), Scaled)
    >>> scaled(2.0), scaled(2.0, factor=3.0), inspect.signature(scaled)
    (2.0, 6.0, <Signature (x, *, factor=1.0)>)
    """
    maker = Maker(recipe.maker, recipe.signature.parameters)

    def function(*inputs: Any, **given: Any) -> Any:
        if not recipe.signature.parameters:  # it is made of the inputs
            given, inputs = dict(zip((each.name for each in maker.parameters), inputs, strict=False)) | given, ()
        thing = maker.made(given)
        return recipe.called(thing)(*inputs, **given)

    function.__signature__ = maker.signature(recipe.signature)  # type: ignore[attr-defined]  # which inspect reads
    function.__wrapped__ = recipe.code  # type: ignore[attr-defined]  # whose module is the user's
    function.__name__, function.__qualname__, function.__module__ = of.__name__, of.__qualname__, of.__module__
    return function


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """That of a function; of one that hides it, anything."""
    try:
        return inspect.signature(function)
    except ValueError:
        kinds = (("inputs", inspect.Parameter.VAR_POSITIONAL), ("options", inspect.Parameter.VAR_KEYWORD))
        return inspect.Signature([inspect.Parameter(name, kind) for name, kind in kinds])


def _named(signature: inspect.Signature) -> list[inspect.Parameter]:
    """The parameters that have names."""
    return [each for each in signature.parameters.values() if each.kind not in _VARIADIC]
