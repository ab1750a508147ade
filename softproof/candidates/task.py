"""What a directive is given: a candidate, the question and its arrays, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS
from ..problem.outputs import gradient_names
from ..problem.problem import Problem
from .frameworks import arrays_of
from .functions import called, made, picked
from .results import result_at, results_within
from .unsaid import unsaid

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
    def framework(self) -> Any:
        """The adapter's module: `make`, `take`, `check_device`, `DTYPES`."""
        return arrays_of(self.candidate.adapter)

    @property
    def upstream(self) -> Any:
        """The upstream gradient."""
        return self.arrays["grad_output"]

    @property
    def call(self) -> Callable[[Mapping[str, Any]], Any]:
        """The candidate's function of the arrays."""
        return called(self.candidate, self.problem)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The inputs whose gradients are asked."""
        return gradient_names(self.problem)

    def outputs(self) -> Arrays:
        """The answer to the question as usual: value, gradients and derivatives in a direction by name."""
        return self.value_and_gradients() | self.directional()

    def value_and_gradients(self) -> Arrays:
        """By name, from the candidate's own backward pass or by its framework."""
        call = self.call
        if self.problem.grad_output is None:
            return {"value": call(self.arrays)}
        if self.problem.operation in self.candidate.backwards:
            return by_output(call(self.arrays), self.gradients(self.upstream))
        return by_output(*self.framework.differentiate(call, self.arrays, self.wanted, self.upstream))

    def gradients(self, upstream: Any) -> Arrays:
        """What the candidate's own backward pass gives, by input; or the results beside the value."""
        if self.candidate.interface.beside(self.problem.operation):
            return self.results_beside()
        problem, backward = self.problem, self.candidate.backwards[self.problem.operation]
        upstream = self.of_each_sum(upstream) if self.candidate.interface.summed else upstream
        grads = called(self.candidate, problem, backward, upstream)(self.arrays)
        present = [grad for grad in (grads if isinstance(grads, tuple) else (grads,)) if grad is not None]
        about = OPERATIONS[problem.operation]
        missing = unsaid(backward, problem, self.candidate.interface, 1 + len(about.inputs))
        wanted = [name for name in about.gradients if name in {*self.wanted, *missing}]
        if len(present) != len(wanted):
            raise ValueError(
                f"gradients from the backward pass: {len(present)}; inputs that have a gradient: {', '.join(wanted)}"
            )
        return {name: grad for name, grad in zip(wanted, present, strict=True) if name not in missing}

    def of_each_sum(self, upstream: Any) -> Any:
        """The upstream gradient of what is added up: that of the sum, for each."""
        function, interface = self.candidate.functions[self.problem.operation], self.candidate.interface
        sums = picked(interface, called(self.candidate, self.problem, function)(self.arrays))
        return self.framework.like(sums, np.full(np.shape(sums), float(upstream)))

    def results_beside(self) -> Arrays:
        """The results that are gradients, by input: those for an upstream gradient of 1, and no other."""
        if self.problem.grad_output is None or not (self.problem.grad_output == 1).all():
            raise ValueError("grad_output is another than 1; a gradient beside the value is the one for 1")
        results = called(self.candidate, self.problem, self.candidate.functions[self.problem.operation])(self.arrays)
        places = self.candidate.interface.beside(self.problem.operation)
        return {name: result_at(results, places[name], f"the gradient of {name}") for name in self.wanted}

    def results(self) -> Arrays:
        """Each of several results that is an array, by its number or name."""
        results = called(self.candidate, self.problem, self.candidate.functions[self.problem.operation])(self.arrays)
        found: Arrays = {}
        by_number = isinstance(self.candidate.interface.output, int)
        for place, result in results_within(results, by_number=by_number).items():
            with suppress(TypeError):
                found[f"result {place}"] = self.framework.take(result)
        return found

    def directional(self) -> Arrays:
        """What the candidate has of derivatives in the direction of the tangent, if there is one."""
        derivatives: Arrays = {}
        if self.problem.tangent is None:
            return derivatives
        has = self.candidate.supports(self.problem.operation)
        if "jvp" in has:
            derivatives["jvp"] = self.along("jvp")
        if "hvp" in has and self.problem.grad_output is not None:
            derivatives["hvp_logits"] = self.along("hvp")
        return derivatives

    def along(self, kind: str) -> Any:
        """A derivative in the direction of the tangent: "jvp" of the value, "hvp" of the gradient of the logits."""
        candidate, tangent = self.candidate, self.arrays["tangent"]
        siblings = candidate.jvps if kind == "jvp" else candidate.hvps
        vectors = [tangent] if kind == "jvp" else [tangent, self.upstream]
        if self.problem.operation in siblings:
            return called(candidate, self.problem, siblings[self.problem.operation], *vectors)(self.arrays)
        if kind == "jvp":
            return self.framework.jvp(self.call, self.arrays, tangent)
        return self.framework.hvp(self.call, self.arrays, self.upstream, tangent)

    def others(self) -> Arrays:
        """Arrays of the same shapes with the numbers in the opposite order, logits far away: another question."""
        return made(self.candidate, far_away(turned(self.problem)), self.device)


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
