"""The functions of the judge, and what can stand in for each: nothing, a constant of its type, its first argument.

A stub replaces the code of a function and not its name, so that everybody who holds the function calls the stub.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

import softproof
from softproof.verdicts.verdict import AGREES, DISAGREES, Verdict

LEFT_OUT = ("softproof.mutants", "softproof.__main__")  # wrong implementations, and what runs only as a program
Reply = Callable[[tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True)
class Function:
    """A function or method of the judge."""

    name: str  # such as "verdicts/compare.py::Elements.of_rows"
    itself: FunctionType = field(compare=False)
    parameters: tuple[str, ...]
    bound: bool  # whether `self` or `cls` comes first
    returns: str
    source: str  # a digest

    @property
    def stubs(self) -> dict[str, Reply]:
        """What stands in for it, by name; constants of its type first, which break less besides."""
        nothing: dict[str, Reply] = {"None": lambda *_: None}
        if self.returns == "None":
            return nothing
        found = {name: _constantly(value) for name, value in _constants(self.returns)}
        if self.returns.startswith(("Array", "NDArray", "Floats", "Balls", "Truth")):
            found |= {"zeros": _filled(0.0), "ones": _filled(1.0)}
        return found | ({"its argument": self._argument} if self.parameters else {}) | nothing

    def _argument(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The first argument that is neither `self` nor `cls`."""
        own = arguments[self.bound :]
        return next(iter((*own, *named.values(), *arguments)), None)


def _constantly(value: Callable[[], Any]) -> Reply:
    return lambda *_: value()


def _filled(value: float) -> Reply:
    """One number in the shape of the first argument that is an array."""

    def reply(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        arrays = (each for each in (*arguments, *named.values()) if isinstance(each, np.ndarray))
        return np.full(next(arrays, np.zeros(())).shape, value)

    return reply


CONSTANTS: dict[str, tuple[tuple[str, Callable[[], Any]], ...]] = {
    "bool": (("True", lambda: True), ("False", lambda: False)),
    "int": (("0", lambda: 0), ("1", lambda: 1)),
    "float": (("0.0", lambda: 0.0), ("inf", lambda: np.inf)),
    "str": (("''", str), ("'x'", lambda: "x")),
    "tuple": (("()", tuple),),
    "Sequence": (("()", tuple),),
    "list": (("[]", list),),
    "dict": (("{}", dict),),
    "Mapping": (("{}", dict),),
    "Outputs": (("{}", dict),),
    "set": (("set()", set),),
    "frozenset": (("frozenset()", frozenset),),
    "Iterator": (("nothing", lambda: iter(())),),
    "Iterable": (("nothing", lambda: iter(())),),
    "Answers": (("nothing", lambda: iter(())),),
    "Verdict": (("agrees", lambda: Verdict(AGREES)), ("disagrees", lambda: Verdict(DISAGREES))),
}


def _constants(returns: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Those of the outermost type of an annotation; of each, where there are several."""
    for each in returns.split(" | "):
        yield from CONSTANTS.get(each.split("[")[0].strip(), ())


# ---- what there is --------------------------------------------------------------------------------------------------


@functools.cache
def functions() -> dict[str, Function]:
    """Every function and method of the judge that does something, by name."""
    found = {}
    for info in pkgutil.walk_packages(softproof.__path__, "softproof."):
        if info.name.startswith(LEFT_OUT):
            continue
        try:
            module = import_module(info.name)
        except ImportError:  # an adapter whose framework is not installed
            continue
        for each in _defined(module):
            if (function := _function(module, each)) is not None:
                found[function.name] = function
    return found


def _defined(module: ModuleType) -> Iterator[FunctionType]:
    """Functions that a module defines, and methods of its classes, without what decorators have put around them."""
    own = [each for each in vars(module).values() if getattr(each, "__module__", None) == module.__name__]
    members = [member for each in own if isinstance(each, type) for member in vars(each).values()]
    for each in (*own, *members):
        inner = getattr(each, "fget", None) or getattr(each, "func", None) or getattr(each, "__func__", each)
        inner = inspect.unwrap(inner) if callable(inner) else inner
        if isinstance(inner, FunctionType) and inner.__code__.co_filename == module.__file__:
            yield inner


def _function(module: ModuleType, function: FunctionType) -> Function | None:
    """None for what is defined in place, and for what has no body of its own."""
    qualified = function.__code__.co_qualname
    if "<" in qualified:
        return None
    text = textwrap.dedent(inspect.getsource(function))
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    body = [each for each in tree.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    if not body or isinstance(body[0], ast.Pass):
        return None
    assert module.__file__ is not None
    assert softproof.__file__ is not None
    place = Path(module.__file__).relative_to(Path(softproof.__file__).parent)
    parameters = tuple(inspect.signature(function).parameters)
    bound = parameters[:1] in (("self",), ("cls",))
    returns = ast.unparse(tree.returns) if tree.returns else ""
    return Function(f"{place}::{qualified}", function, parameters[bound:], bound, returns, digest(text))


def digest(text: str) -> str:
    """A short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ---- in its place ---------------------------------------------------------------------------------------------------


def _stand_in(*arguments: Any, **named: Any) -> Any:
    reply: Any = "reply"
    return reply(arguments, named)


def code(function: FunctionType, reply: Reply) -> CodeType:
    """Code that may be assigned to the function's `__code__`."""
    template = _stand_in.__code__
    constants = tuple(reply if each == "reply" else each for each in template.co_consts)
    return template.replace(
        co_consts=constants, co_freevars=function.__code__.co_freevars, co_name=function.__code__.co_name
    )


def replace_by(name: str, stub: str) -> None:
    """Let a stub answer for a function of this process, for good."""
    function = functions()[name]
    function.itself.__code__ = code(function.itself, function.stubs[stub])


def watch() -> list[str]:
    """A list of the functions that are called from now on, each once; a function that was called is its old self."""
    called: list[str] = []

    def note(function: Function, original: CodeType) -> Reply:
        def reply(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
            function.itself.__code__ = original
            called.append(function.name)
            return function.itself(*arguments, **named)

        return reply

    for each in functions().values():
        each.itself.__code__ = code(each.itself, note(each, each.itself.__code__))
    return called
