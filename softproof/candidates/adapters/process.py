"""Programs in any language as candidates: questions on their standard input, answers on their standard output.

docs/guides/adapters.md describes the protocol, which is lines of text, and after a line that announces an array its
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...problem.interface import Interface
from ...problem.operations import OPERATIONS
from ...problem.problem import Array, Problem
from ..candidate import Candidate
from ..protocol import most_bytes
from .program import Program, ProgramError


def load(target: Any, operation: str | None, interface: Interface) -> Candidate:
    """A candidate from a command, such as ``"./softmax --fast"``, which is started once, and again when it has ended.

    The program says of itself what it may be asked; `interface` can leave out more of it.

    Raises: ValueError where it cannot be started, or does not describe itself as the protocol says.
    """
    if not isinstance(target, str):
        raise TypeError(f"target is a {type(target).__name__}; expected a command, such as './softmax'")
    for name in ("names", "extra", "output"):
        if (value := getattr(interface, name)) != getattr(Interface(), name):
            raise ValueError(f"{name} is {value!r}; a program is asked by the names of the protocol, and nothing else")
    program = Program(target)
    try:
        about = program.start()
    except (OSError, ValueError, ProgramError) as error:  # a quotation without its end is a ValueError
        raise ValueError(f"target {target!r}: {error}") from error
    if operation not in (None, about.operation):
        raise ValueError(f"operation is {operation!r}; {target} says that it computes {about.operation!r}")
    takes = frozenset(about.takes)
    interface = replace(
        interface,
        supports=takes if interface.supports is None else takes & interface.supports,
        without=interface.without | set(about.without) | ({"several_dims"} & set(OPERATIONS[about.operation].kinds)),
        fixed={**about.fixed, **interface.fixed},
        ndim=interface.ndim or frozenset(about.ndim),
    )
    forward, backward = _functions(program, about.operation)
    return Candidate(
        target,
        {about.operation: forward},
        {about.operation: backward} if about.gradients else {},
        "process",
        repr(target),
        interface,
        formats=tuple(about.dtypes),
        arrangements=("contiguous",),
    )


def _functions(program: Program, operation: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The value and the gradients, as functions of arrays."""
    about = OPERATIONS[operation]

    def ask(positional: tuple[Array, ...], keywords: Mapping[str, Any]) -> dict[str, Array]:
        arrays = dict(zip(about.inputs, positional, strict=True))
        arrays |= {name: keywords[name] for name in about.optional if name in keywords}
        options = {name: value for name, value in keywords.items() if name in about.options}
        upstream = keywords.get("grad_output")
        most = most_bytes(Problem(operation, "float64", arrays, options, upstream))
        return program.ask(arrays if upstream is None else {**arrays, "grad_output": upstream}, options, most)

    def forward(*positional: Array, **keywords: Any) -> Array:
        return _one(ask(positional, keywords), "value")

    def backward(grad_output: Array, *positional: Array, **keywords: Any) -> tuple[Array | None, ...]:
        answer = ask(positional, {**keywords, "grad_output": grad_output})
        given = {*about.inputs, *(name for name in about.optional if name in keywords)}
        wanted = [name for name in about.gradients if name in given]
        labels = {name for name, x in zip(about.inputs, positional, strict=True) if x.dtype.kind == "i"}
        return tuple(None if name in labels else _one(answer, f"grad_{name}") for name in wanted)

    return forward, backward


def _one(found: Mapping[str, Array], name: str) -> Array:
    if name not in found:
        raise ProgramError(f"the answer has {', '.join(found) or 'no array'}; expected {name}")
    return found[name]
