"""What a directive is given: a candidate, the question and its arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.formats import FORMATS
from ..problem.outputs import gradient_names
from ..problem.problem import Problem

if TYPE_CHECKING:
    from .candidate import Candidate

Arrays = dict[str, Any]
FAR = 1000.0  # e^-FAR is 0 in every format


@dataclass(frozen=True)
class Task:
    """A candidate, the question and its arrays, and what else a directive is told."""

    candidate: Candidate
    problem: Problem
    arrays: Arrays
    arguments: tuple[str, ...] = ()
    device: str = "cpu"
    observed: list[tuple[str, ...]] = field(default_factory=list)  # a key of OBSERVATIONS, and names

    @property
    def upstream(self) -> Any:
        """The upstream gradient."""
        return self.arrays["grad_output"]

    @property
    def call(self) -> Callable[[Mapping[str, Any]], Any]:
        """The candidate's function of the arrays."""
        return self.candidate.call(self.problem)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The inputs whose gradients are asked."""
        return gradient_names(self.problem)

    def outputs(self) -> Arrays:
        """The answer to the question as usual."""
        return self.candidate.outputs(self.problem, self.arrays)

    def others(self) -> Arrays:
        """Arrays of the same shapes with the numbers in the opposite order, logits far away: another question."""
        return self.candidate.made(far_away(turned(self.problem)), self.device)


def turned(problem: Problem) -> Problem:
    """The problem with all numbers in the opposite order."""
    inputs = {name: np.flip(x) for name, x in problem.inputs.items()}
    vectors = {name: getattr(problem, name) for name in ("grad_output", "tangent")}
    return replace(problem, inputs=inputs, **{name: np.flip(x) for name, x in vectors.items() if x is not None})


def by_output(value: Any, grads: Mapping[str, Any]) -> Arrays:
    """Value and gradients by the names of outputs."""
    return {"value": value} | {f"grad_{name}": grad for name, grad in grads.items()}


def far_away(problem: Problem) -> Problem:
    """The problem with all logits so much larger that no exponential of a difference from them is a number above 0.

    What is mixed up of two questions, such as the largest logits, then shows; between near ones it cancels.
    """
    if "logits" not in problem.inputs:
        return problem
    logits = problem.inputs["logits"]
    moved = FORMATS[problem.dtype].round(logits.astype(np.float64) + FAR)
    return replace(problem, inputs={**problem.inputs, "logits": np.where(np.isfinite(moved), moved, logits)})
