"""A right variant, what it is asked, and its wrong twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...problem.formats import FORMATS
from ...problem.interface import Interface
from ...problem.kinds import SHAPES
from ...problem.operations import DIRECTIONAL, OPERATIONS
from ...problem.outputs import output_shapes
from ...problem.problem import Array, Output, Problem, Result
from ...problem.rows import axis_of, shaped, to_rows
from .sums import NARROW, Spoiled, Sum

# The assumptions of docs/theory/bounds.md beyond A1 to A7, each set with the model that has them.
MODELS = {
    (): "any-order",
    ("A3''",): "any-order-through-maximum",
    ("A4'",): "stored-logsumexp",
    ("A3''", "A4'"): "stored-logsumexp-through-maximum",
    ("A2'", "A3'", "A4'"): "fused",
    ("A2'", "A3'", "A3''", "A4'"): "fused-through-maximum",
    ("A2'", "A3'", "A4'", "A4'''"): "folded-logsumexp",
    ("A2'", "A2''", "A3'", "A4'"): "fused-base-2",
}
SHAPELESS = ("empty_classes", "k_dimensional")  # kinds of question that are not rows of classes


@dataclass(frozen=True)
class Asked:
    """A problem in rows, in the format that is computed in, and the sum that the variant is about."""

    problem: Problem
    sum: Sum

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """float64, or float32 for narrower formats as well."""
        return np.float64 if self.problem.dtype == "float64" else np.float32

    def rows(self, array: Array) -> Array:
        """An array with classes (R, C)."""
        return to_rows(array, axis_of(self.problem)).astype(self.dtype)

    def array(self, name: str) -> Array:
        """An input as it is."""
        return self.problem.inputs[name].astype(self.dtype)

    @property
    def x(self) -> Array:
        """Logits, or probabilities p, in rows (R, C)."""
        return self.rows(next(iter(self.problem.inputs.values())))

    @property
    def g(self) -> Array:
        """The upstream gradient of one number per row (R, 1), or of one number at all (1, 1)."""
        return np.asarray(self.problem.grad_output, self.dtype).reshape(-1, 1)

    @property
    def differentiates(self) -> bool:
        """Whether gradients are asked."""
        return self.problem.grad_output is not None


Answer = dict[str, Array]  # by output, in row form
Formula = Callable[[Asked], Answer]


@dataclass(frozen=True)
class Right:
    """A right implementation: an operation by a formula, with one of its sums in an order; what more it assumes.

    `below` bounds the logits that the formula is for. It is an `Implementation`.
    """

    operation: str
    formula: Formula
    sum: Sum
    words: str
    needs: tuple[str, ...] = ()
    below: float = np.inf

    @property
    def name(self) -> str:
        """Operation, formula, order, and what is wrong with it, if anything."""
        spoiled = f", the last term {self.sum.spoiled}" if self.sum.spoiled else ""
        return f"{self.operation}: {self.words}; {self.sum.order.__name__}{spoiled}"

    @property
    def model(self) -> str:
        """The narrowest of the named models that has what the variant needs."""
        return next(name for names, name in MODELS.items() if set(self.needs) <= set(names))

    @property
    def operations(self) -> tuple[str, ...]:
        """The one that it has."""
        return (self.operation,)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats that it can be asked in."""
        return tuple(name for name in FORMATS if name != "float64" or self.sum.order not in NARROW)

    def twin(self, spoiled: Spoiled) -> Right:
        """The same with one term of its sum dropped or doubled, which is wrong."""
        return replace(self, sum=Sum(self.sum.order, spoiled))

    @property
    def interface(self) -> Interface:
        """That of torch."""
        return Interface()

    def differentiates(self, operation: str) -> bool:
        """It does."""
        return operation == self.operation

    def supports(self, operation: str) -> frozenset[str]:
        """Everything but rows without a softmax, labels of no class, derivatives in a direction, and SHAPELESS."""
        left_out = {"nonfinite", "ignored_nonfinite", "invalid_labels", *DIRECTIONAL, *SHAPELESS}
        return frozenset(OPERATIONS[operation].extras) - left_out

    def takes(self, problem: Problem) -> bool:
        """Whether every row has a softmax, and the logits are in the range that the formula is for."""
        if any(SHAPES[kind](problem) for kind in SHAPELESS):
            return False
        x = problem.inputs.get("logits", np.zeros(1))
        finite = np.isfinite(x)
        alone = "logits" in problem.inputs and not finite.any(axis_of(problem)).all()
        return not alone and bool((finite | (x == -np.inf)).all() and (np.abs(x[finite]) <= self.below).all())

    def answer(self, problem: Problem, device: str = "cpu") -> Result:  # it lives on the CPU
        """Value and gradients, rounded once to the format of the problem."""
        with np.errstate(all="ignore"):
            outputs = self.formula(Asked(problem, self.sum))
        shapes, fmt = output_shapes(problem), FORMATS[problem.dtype]
        wide = np.float64 if problem.dtype == "float64" else np.float32
        return Result({
            name: Output(shaped(problem, name, fmt.round(outputs[name]), shape).astype(wide), problem.dtype)
            for name, shape in shapes.items()
        })  # fmt: skip
