"""The gradients of a function: of which inputs it has none, and which of its results beside its value are some.

Names of variables are unknown, so its results for a usual question tell. A wrong gradient is no reason to judge the
value alone; but probabilities, or logits that are handed back, have the shape of a gradient, too, and are none.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from ..candidates.axes import taken_so
from ..candidates.guesses import asks_for_gradients
from ..problem.interface import Place, gradient_of
from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS
from ..problem.outputs import gradient_names
from ..problem.problem import Array, Problem
from ..problem.rows import class_count
from ..truth.solver import FLOAT64, solve
from .harmless import kinds, with_ones
from .introduction import LEFT_OUT
from .meaning import Meaning

NEAR = 1e-2  # the relative distance of arrays that are meant to be the same
PARALLEL = 0.9  # the cosine of a gradient, or of a multiple of it, and the right one
COMPARED_WITH = ("p_logits", "p", "target")  # inputs that many detach
RESULT = "result "  # and its number or name: what the directive "results" calls them


@dataclass
class Beside(Meaning):
    """One function, and which of its results are gradients."""

    def _beside(self, usual: Problem) -> None:
        """It is opened with the gradients among its results, if there are any, and its user is told."""
        if usual.operation in self.candidate.backwards:  # which says what its gradient is
            return
        self._switched_on(usual)
        interface = self.candidate.interface
        if interface.output is None or interface.gradients or "gradient" in interface.without:
            return
        found = self._gradients_among(self._with_bias(usual), interface.output)
        if not found:
            return
        self.found.says("gradients", found, "which of its results are gradients, and of which input")
        self._open()
        told = ", ".join(f"its result {place} is judged as the gradient of {name}" for name, place in found.items())
        self.found.notes.append(f"{told}; if it is none: --without gradient")

    def _switched_on(self, usual: Problem) -> None:
        """One that no framework differentiates is told to give its gradient, where it has a switch for that.

        It is only where its value is right without, and it then has several results, of which one is the value.
        """
        interface, operation = self.candidate.interface, usual.operation
        if interface.output is not None or self.candidate.differentiates(operation) or not self._fits(usual):
            return
        for name in self.candidate.capabilities.parameters(operation):
            if asks_for_gradients(name) and name not in {*interface.extra, *interface.names.values()}:
                extra = {"extra": {**interface.extra, name: True}}
                if self._keeps(extra, "that it gives its gradient", partial(self._gives_several, usual)):
                    self.found.not_tested[f"{name} that is False"] = "it is asked for its gradient beside its value"
                    return

    def _gives_several(self, usual: Problem) -> bool:
        """Whether one of several results is the right value."""
        right = self._fits(usual)
        return right and self.candidate.interface.output is not None

    def _constants(self, usual: Problem) -> None:
        """What it is compared with and takes for a constant, as a teacher's logits: such a gradient is not asked.

        It is only where it raises an error for that gradient, and answers without it. Of target probabilities its value
        has to be right, since a loss may take one-hot labels alone.
        """
        if not self.candidate.differentiates(usual.operation) or "gradient" in self.candidate.interface.without:
            return
        supports = self.candidate.supports(usual.operation)
        about = kinds(usual.operation, usual.dtype, supports, usual)
        soft = [each.problem for each in about if each.option == "probabilities" and self._fits(each.problem)]
        for asked, name in product((usual, *soft), COMPARED_WITH):
            if name in gradient_names(asked) and self.candidate.takes(asked) and self._raised(asked):
                self._leaves_gradient(name, self.raised, asked)

    def _leaves_gradient(self, name: str, why: str, asked: Problem) -> None:
        """It is asked no gradient of an input, if it answers a question then."""
        without = [*self.found.arguments.get("without", self.given.get("without", ())), gradient_of(name)]
        if self._keeps({"without": without}, LEFT_OUT, lambda: not self._raised(asked)):
            self.found.not_tested[gradient_of(name)] = f"it is taken for a constant: {why}"

    def _with_bias(self, usual: Problem) -> Problem:
        """The usual question with all inputs that have a gradient and that it takes, for an upstream gradient of 1."""
        about, supports = OPERATIONS[usual.operation], self.candidate.supports(usual.operation)
        more = [name for name in about.optional if name in about.gradients and name in supports]
        inputs = {**usual.inputs, **{name: np.ones(class_count(usual)) for name in more}}
        return with_ones(replace(usual, inputs=inputs, grad_output=None))

    def _gradients_among(self, asked: Problem, value: Place) -> dict[str, Place]:
        """By input: those that are right, then those that are meant to be."""
        names = gradient_names(asked)
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            results = self.candidate.ask(asked, self.device, "results").outputs
            derived = self.candidate.differentiates(asked.operation) and not self._raised(asked)
            exact, known = solve(asked, FLOAT64), [array for each in _known(asked) for array in (each, -each)]
        places = {_place(name): output for name, output in results.items()}
        as_of = {
            (name, place): taken_so(f"grad_{name}", output, asked, self.candidate.interface).values
            for name in names
            for place, output in places.items()
            if place != value
        }
        found = {name: place for (name, place), values in as_of.items() if _is_near(values, exact[f"grad_{name}"])}
        for (name, place), values in as_of.items():
            alike = [each for each in names if asked.inputs[each].shape == values.shape and each != "target"]
            if alike != [name] or name in found or place in found.values():
                continue
            by_shape = "target" in asked.inputs and not derived and not any(_is_near(values, each) for each in known)
            if by_shape or _is_parallel(values, exact[f"grad_{name}"]):
                found[name] = place
            elif not derived:
                told = f"its result {place} is not judged; if it is a gradient: --gradient {name}={place}"
                self.found.notes.append(told)
        return {name: found[name] for name in names if name in found}

    def _raised(self, asked: Problem) -> bool:
        """Whether a framework has no gradient for the value."""
        with warnings.catch_warnings(action="ignore"):
            self.raised = self.candidate.answer(self.candidate.interface.part(asked), self.device).raised or ""
        return bool(self.raised)


def _place(name: str) -> Place:
    """Of a result, as the directive calls it."""
    place = name.removeprefix(RESULT)
    return int(place) if place.isdecimal() else place


def _known(asked: Problem) -> Iterator[Array]:
    """What a loss has on its way to the value, and gives beside it: its inputs, what is made of its logits, labels."""
    yield from asked.inputs.values()
    if "logits" not in asked.inputs:
        return
    x = asked.inputs["logits"].astype(np.float64)
    axis = min(x.ndim - 1, 1)
    shifted = x - x.max(axis, keepdims=True)
    total = np.exp(shifted).sum(axis, keepdims=True)
    yield from (shifted, np.exp(x), np.exp(shifted), np.exp(shifted) / total, shifted - np.log(total))
    if "target" in asked.inputs and is_labels(asked):
        yield np.moveaxis(np.eye(x.shape[axis])[asked.inputs["target"]], -1, axis)


def _is_near(values: Array, known: Array) -> bool:
    """Whether two arrays are meant to be the same."""
    return values.shape == known.shape and bool(
        np.abs(values - known).max(initial=0) <= NEAR * np.abs(known).max(initial=0)
    )


def _is_parallel(values: Array, exact: Array) -> bool:
    """Whether it is the exact one, or a multiple of it, such as one that has not been divided by the rows."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(values) * np.linalg.norm(exact)
        return bool(np.abs((values * exact).sum()) > PARALLEL * lengths)
