"""What is under judgement: anything that answers a Problem with a Result.

A candidate is a module with functions named after the operations (and, beside each, its ``<operation>_backward``,
``<operation>_jvp`` and ``<operation>_hvp``), or one function. Its arrays are NumPy's, torch's or JAX's; torch and JAX
differentiate what has no backward pass. `softproof.candidates.loading` makes candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ..problem.formats import FORMATS
from ..problem.interface import Interface
from ..problem.operations import OPERATIONS
from ..problem.problem import LAYOUTS, Problem, Result
from ..problem.records import CALLABLE, FLAG, TEXT, a, by_name, check_fields, one_of, tuple_of
from .capabilities import Capabilities
from .frameworks import ADAPTERS, FRAMEWORKS
from .implementation import HERE, Process
from .protocol import Told, result_of
from .telling import told_by

_FUNCTIONS = by_name(CALLABLE, "functions", OPERATIONS)
_FIELDS = {
    **dict.fromkeys(("name", "source"), TEXT),
    **dict.fromkeys(("functions", "backwards", "jvps", "hvps"), _FUNCTIONS),
    "adapter": one_of(ADAPTERS),
    "interface": a(Interface, "a softproof.Interface"),
    "tried": FLAG,
    "formats": tuple_of(one_of(FORMATS), f"some of {', '.join(FORMATS)}"),
    "arrangements": tuple_of(one_of(LAYOUTS), f"some of {', '.join(LAYOUTS)}"),
}


@dataclass(frozen=True)
class Candidate:
    """Functions by operation and how they are called: who can be asked.

    What they can do is found out by its `capabilities`, and where they live is its `process`.
    """

    name: str
    functions: Mapping[str, Callable[..., Any]]
    backwards: Mapping[str, Callable[..., Any]]  # their backward passes, where there are any
    adapter: str
    source: str = ""  # Python text that names the target again
    interface: Interface = field(default_factory=Interface)
    jvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # derivatives in a direction
    hvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # those of the gradient
    tried: bool = True  # whether it may be asked a harmless question to find out what it can do
    formats: tuple[str, ...] = ()  # that it can be asked in, where these are not all that the adapter has
    arrangements: tuple[str, ...] = ()  # of its arrays in memory, the same way

    def __post_init__(self) -> None:
        check_fields(self, _FIELDS)

    # ---- what is known of it

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations it has."""
        return tuple(self.functions)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats that it can be asked in."""
        return self.formats or FRAMEWORKS[self.adapter].dtypes

    @property
    def layouts(self) -> tuple[str, ...]:
        """How its arrays can lie in memory."""
        if "layouts" in self.interface.without:
            return ("contiguous",)
        return self.arrangements or FRAMEWORKS[self.adapter].layouts

    def takes(self, problem: Problem) -> bool:
        """Whether a problem is one that it can be asked, as far as its interface says."""
        return self.interface.takes(problem)

    def only(self, operation: str) -> Candidate:
        """The same candidate with one of its operations."""
        if operation not in self.functions:
            raise ValueError(f"{self.name} has no {operation}; it has {', '.join(self.functions)}")
        return replace(self, functions={operation: self.functions[operation]})

    def leaving_out(self, names: Iterable[str]) -> Candidate:
        """The same candidate, which is not asked these optional inputs, options and kinds of input."""
        return replace(self, interface=replace(self.interface, without=self.interface.without | frozenset(names)))

    # ---- what it can do

    @cached_property
    def capabilities(self) -> Capabilities:
        """What its functions can do, as far as that is known or found out."""
        return Capabilities(replace(self))  # of a copy: two that hold each other stay when nobody holds them

    def differentiates(self, operation: str) -> bool:
        """With a backward pass of its own, or by its framework."""
        return self.capabilities.differentiates(operation)

    def supports(self, operation: str) -> frozenset[str]:
        """Which optional inputs, options and kinds of input it takes, and which derivatives in a direction it has."""
        return self.capabilities.supports(operation)

    # ---- what it answers

    @property
    def process(self) -> Process:
        """Where its functions live."""
        return HERE

    def close(self) -> None:
        """End the process that was started for it, if there is one."""
        self.process.end()

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        """Value, gradients and derivatives in a direction, or what was raised."""
        return self.ask(problem, device)

    def ask(self, problem: Problem, device: str, directive: str = "answer", *arguments: str) -> Result:
        """What a directive (`directives.py`) makes of the problem and its arrays, or what was raised."""
        return result_of(problem, self.tell(problem, device, directive, arguments))

    def tell(self, problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> Told:
        """The candidate's side of an answer, where its functions are."""
        return told_by(self, problem, device, directive, arguments)
