"""Functions by operation, and how they are called: positional inputs in order, the rest by keyword, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..problem.formats import HALF
from ..problem.interface import HALF_VALUE, Interface
from ..problem.operations import OPERATIONS
from ..problem.outputs import gradient_names
from ..problem.problem import Array, Problem
from .classes_last import given_so
from .frameworks import arrays_of
from .protocol import given
from .unsaid import unsaid


@dataclass(frozen=True)
class Functions:
    """Functions by operation, their backward passes (where there are any), and the arrays that they take."""

    name: str
    functions: Mapping[str, Callable[..., Any]]
    backwards: Mapping[str, Callable[..., Any]]
    adapter: str
    source: str = ""  # Python text that names the target again
    interface: Interface = field(default_factory=Interface)
    jvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # derivatives in a direction
    hvps: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # those of the gradient

    @property
    def arrays(self) -> Any:
        """The adapter's module: `make`, `take`, `check_device`, `DTYPES`."""
        return arrays_of(self.adapter)

    def placed(self, problem: Problem) -> dict[str, Array]:
        """The numbers of a problem, with their axes in the candidate's order."""
        return {name: given_so(name, values, problem, self.interface) for name, values in given(problem).items()}

    def made(self, problem: Problem, device: str) -> dict[str, Any]:
        """The arrays of a problem, as the adapter has them."""
        return {
            name: self.arrays.make(values, problem.dtype, problem.layout_of(name), device)
            for name, values in self.placed(problem).items()
        }

    def value_and_gradients(self, problem: Problem, arrays: dict[str, Any]) -> dict[str, Any]:
        """By name, from its own backward pass or by its framework."""
        call = self.call(problem)
        if problem.grad_output is None:
            return {"value": call(arrays)}
        names, upstream = gradient_names(problem), arrays["grad_output"]
        if problem.operation in self.backwards:
            value, by_name = call(arrays), self.gradients(problem, arrays, upstream)
        else:
            value, by_name = self.arrays.differentiate(call, arrays, names, upstream)
        return {"value": value} | {f"grad_{name}": grad for name, grad in by_name.items()}

    def gradients(self, problem: Problem, arrays: dict[str, Any], upstream: Any) -> dict[str, Any]:
        """What the candidate's own backward pass gives, by input."""
        grads = self.call(problem, self.backwards[problem.operation], upstream)(arrays)
        present = [grad for grad in (grads if isinstance(grads, tuple) else (grads,)) if grad is not None]
        about = OPERATIONS[problem.operation]
        missing = unsaid(self.backwards[problem.operation], problem, self.interface, 1 + len(about.inputs))
        wanted = [name for name in about.gradients if name in {*gradient_names(problem), *missing}]
        if len(present) != len(wanted):
            raise ValueError(
                f"gradients from the backward pass: {len(present)}; inputs that have a gradient: {', '.join(wanted)}"
            )
        return {name: grad for name, grad in zip(wanted, present, strict=True) if name not in missing}

    def call(
        self, problem: Problem, function: Callable[..., Any] | None = None, *before: Any
    ) -> Callable[[Mapping[str, Any]], Any]:
        """The function applied to arrays by name: positional inputs in order, the rest by keyword."""
        operation, interface = OPERATIONS[problem.operation], self.interface
        asked = function or self.functions[problem.operation]
        first = next((i for i, name in enumerate(operation.inputs) if name in interface.names), len(operation.inputs))
        missing = unsaid(asked, problem, interface, len(before) + first)

        def call(arrays: Mapping[str, Any]) -> Any:
            own = {name: self.arrays.copy(x) if name in interface.writes else x for name, x in arrays.items()}
            positional = [own[name] for name in operation.inputs[:first]]
            named = {name: own[name] for name in (*operation.inputs[first:], *operation.optional) if name in own}
            first_of_all = own[operation.inputs[0]]
            filled = {name: self.arrays.like(first_of_all, x) if isinstance(x, np.ndarray) else x
                      for name, x in missing.items()}  # fmt: skip
            keywords = interface.given({**filled, **named, **problem.options})
            answer = asked(*before, *positional, **keywords, **interface.extra)
            if function is not None:
                return answer
            answer = answer if interface.output is None else answer[interface.output]
            rounds = HALF_VALUE in interface.without and problem.dtype in HALF and _is_float32(answer)
            return self.arrays.cast(answer, problem.dtype) if rounds else answer

        return call

    def along(self, problem: Problem, arrays: dict[str, Any], kind: str) -> Any:
        """A derivative in the direction of the tangent: "jvp" of the value, "hvp" of the gradient of the logits."""
        siblings = self.jvps if kind == "jvp" else self.hvps
        vectors = [arrays["tangent"]] if kind == "jvp" else [arrays["tangent"], arrays["grad_output"]]
        if problem.operation in siblings:
            return self.call(problem, siblings[problem.operation], *vectors)(arrays)
        if kind == "jvp":
            return self.arrays.jvp(self.call(problem), arrays, arrays["tangent"])
        return self.arrays.hvp(self.call(problem), arrays, arrays["grad_output"], arrays["tangent"])


def _is_float32(answer: Any) -> bool:
    """Whether it is an array of that type, of any framework."""
    return str(getattr(answer, "dtype", "")).removeprefix("torch.") == "float32"
