"""One rewriting: the bug that it should be taken for, its operation, and its functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from softproof import Candidate, load

LEFT_OUT = ("nonfinite", "empty", "empty_classes", "scalars", "several_dims", "probabilities", "invalid_labels",
            "unbatched", "negative_weights", "jvp", "hvp", "unnormalised", "k_dimensional")  # fmt: skip


@dataclass(frozen=True)
class Rewriting:
    """A wrong function of NumPy arrays, and its gradient, if it has one."""

    name: str
    operation: str
    forward: Callable[..., Any]
    backward: Callable[..., Any] | None = None
    ndim: tuple[int, ...] = ()
    keeps: tuple[str, ...] = ()  # kinds of question that it takes, of those that are usually left out

    @property
    def candidate(self) -> Candidate:
        """What the judge asks."""
        from softproof import OPERATIONS

        kinds = set(OPERATIONS[self.operation].kinds) & set(LEFT_OUT)
        found = load(self.forward, self.operation, "numpy", ndim=list(self.ndim), without=sorted(kinds - {*self.keeps}))
        return found if self.backward is None else replace(found, backwards={self.operation: self.backward})
