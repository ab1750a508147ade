"""A mutant and its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ..problem.operations import OPERATIONS

Pass = Literal["forward", "backward", "both", "state"]


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation: what it does, where that was seen, what comes of it, and what brings it to light.

    `place` says whether the value is wrong, the gradients are, both are, or only what happens besides (inputs written,
    memory shared, answers that change).
    """

    name: str
    group: str
    story: str
    effect: str
    trigger: str
    source: str
    place: Pass
    operation: str
    implementation: Callable[..., Any]  # a function, or the class of one
    dtypes: tuple[str, ...] = ("float32",)
    accuracy: str = "C"

    def make(self) -> Callable[..., Any]:
        """One that has not been asked anything yet, with the arguments of its counterpart in torch.nn.functional."""
        made = self.implementation() if isinstance(self.implementation, type) else self.implementation
        assert callable(made)
        return made


def left_out(operation: str) -> list[str]:
    """Shapes that the steps of `correct` do not take, and so no mutant of them: they have one axis of classes."""
    shapes = ("empty_classes", "scalars", "several_dims", "k_dimensional")
    return [each for each in shapes if each in OPERATIONS[operation].kinds]


MUTANTS: dict[str, Mutant] = {}
Implementation = TypeVar("Implementation", bound=Callable[..., Any])


def group(title: str) -> Callable[..., Callable[[Implementation], Implementation]]:
    """A decorator for the mutants of one group, which notes each in MUTANTS."""

    def record(
        name: str, story: str, effect: str, trigger: str, source: str, place: Pass, operation: str = "", **more: Any
    ) -> Callable[[Implementation], Implementation]:
        def note(implementation: Implementation) -> Implementation:
            if name in MUTANTS:
                raise ValueError(f"there are two mutants named {name!r}")
            about = operation or getattr(implementation, "operation", "")
            MUTANTS[name] = Mutant(name, title, story, effect, trigger, source, place, about, implementation, **more)
            return implementation

        return note

    return record
