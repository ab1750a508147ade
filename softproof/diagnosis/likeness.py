"""Whether two answers to a problem are alike: wrong in the same elements, by the same amount, and right elsewhere.

How near "the same" is follows from the bounds: two computations of one number lie apart by the error of each, which a
bound allows near the truth, and which counts roundings where the number is another than the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..bounds.arithmetic import Arithmetic, height
from ..bounds.models import Model, arithmetic_of
from ..bounds.theorems import bound
from ..problem.losses import mixed_weights
from ..problem.problem import Array, Problem, Result
from ..truth.solver import FLOAT64, solve
from ..verdicts.misfits import not_an_answer

BITS = 128  # of the truth, where float64 does not do
RAISED = "raised"
DIRECTIONAL = ("jvp", "hvp_logits")


@dataclass(frozen=True)
class Answer:
    """Arrays by output; or what is in their place, in a word or two that are the same for the same fault."""

    fault: str = ""
    outputs: Mapping[str, Array] = field(default_factory=dict)


def answer_of(problem: Problem, result: Result, device: str = "cpu") -> Answer:
    """What a result has; an error is like any other error."""
    if result.raised is not None:
        return Answer(RAISED)
    lacks = frozenset(each for each in DIRECTIONAL if each not in result.outputs)
    if fault := not_an_answer(problem, result, device, lacks):
        return Answer(fault)
    return Answer(outputs={name: output.values for name, output in result.outputs.items()})


@dataclass(frozen=True)
class Yardstick:
    """The truth about a problem, and how far two answers to it may lie apart."""

    exact: Mapping[str, Array]
    allowed: Mapping[str, Array]
    unit: float  # the relative error of one number that is not the truth

    @classmethod
    def of(cls, problem: Problem, model: Model) -> Yardstick:
        """For one problem under one model."""
        arithmetic = arithmetic_of(model, problem)
        floats = problem.dtype != "float64" and not mixed_weights(problem)
        truth = solve(problem, FLOAT64 if floats else BITS)
        exact = {name: values.astype(np.float64) for name, values in truth.items()}
        return cls(exact, bound(problem, arithmetic), _unit(problem, arithmetic))

    @property
    def right(self) -> Answer:
        """The truth itself."""
        return Answer(outputs=self.exact)

    def wrong(self, answer: Answer) -> bool:
        """Whether an answer differs from the truth by more than is allowed."""
        return bool(answer.fault) or any(self.refuted(name, x).any() for name, x in answer.outputs.items())

    def alike(self, first: Answer, second: Answer) -> bool:
        """Whether two answers may come from the same wrong computation, in the outputs that both have."""
        if first.fault or second.fault:
            return first.fault == second.fault
        names = first.outputs.keys() & second.outputs.keys()
        return bool(names) and all(self._alike(name, first.outputs[name], second.outputs[name]) for name in names)

    def refuted(self, name: str, x: Array) -> Array:
        """The elements of an output that differ from the truth by more than is allowed."""
        exact = self.exact[name]
        with np.errstate(invalid="ignore"):
            near = np.abs(x - exact) <= self.allowed[name]
        return np.asarray(~(near | same(x, exact)))

    def _alike(self, name: str, x: Array, y: Array) -> bool:
        if x.shape != y.shape:
            return False
        x, y, exact, allowed = (np.asarray(each, np.float64) for each in (x, y, self.exact[name], self.allowed[name]))
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            apart = np.abs(x - y)
            larger = np.maximum(np.abs(x), np.abs(y))
            scaled = np.where(exact != 0, allowed * np.maximum(1, larger / np.abs(exact)), allowed)
            size = np.where(np.isfinite(larger), larger, 0.0)
            most = size.max(-1, keepdims=True, initial=0.0) if size.ndim else size
            near = np.isfinite(apart) & (apart <= 2 * scaled + self.unit * most)
            errors = np.minimum(np.abs(x - exact), np.abs(y - exact))
        both = self.refuted(name, x) & self.refuted(name, y)
        neither = ~(self.refuted(name, x) | self.refuted(name, y))
        alike = np.where(both, near & (apart < errors), near | neither)
        return bool((alike | same(x, y)).all())


def same(x: Array, y: Array) -> Array:
    """Where numbers are the same, or both NaN."""
    return np.asarray((x == y) | (np.isnan(x) & np.isnan(y)))


def _unit(problem: Problem, arithmetic: Arithmetic) -> float:
    """Roundings of a sum of as many terms as the longest dimension has, of its exponentials and its logarithm."""
    longest = max([1, *(size for array in problem.inputs.values() for size in array.shape)])
    roundings = arithmetic.c_exp + arithmetic.c_log + height(arithmetic.depth, longest)
    return roundings * arithmetic.compute.u + arithmetic.storage.u
