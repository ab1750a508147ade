"""What a forward and backward pass answers to one problem, element by element, and where the chain first goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from flint import ctx

from ...bounds.algebra import Allowed
from ...bounds.arithmetic import any_order
from ...problem.formats import FORMATS
from ...problem.problem import Array, Problem
from ...problem.validation import did_you_mean
from ..elements import Elements
from .carried import carried
from .layers import Layers, Linear

KINK = 169  # the row of docs/theory/semantics.md
BITS = (128, 512, 2048)
Pass = Callable[[Array, Array, dict[str, Array]], tuple[Any, Mapping[str, Any]]]


def ask(function: Pass, problem: Problem, wanted: Sequence[str]) -> dict[str, Array] | str:
    """The loss and the gradients that are `wanted`, of the shapes of the inputs; or what is wrong with the answer."""
    kept = {name: array.astype(problem.dtype) for name, array in problem.inputs.items() if name != "target"}
    kept["labels"] = problem.inputs["target"]
    given = {name: array.copy() for name, array in kept.items()}
    parameters = {name: array for name, array in given.items() if name not in ("x", "labels")}
    try:
        with np.errstate(all="ignore"):
            loss, gradients = function(given["x"], given["labels"], parameters)
            found = {name: np.asarray(gradients[name]) for name in wanted if name in gradients}
            found["loss"] = np.asarray(loss)
    except Exception as error:  # whatever the function does
        return f"raised {type(error).__name__}: {error}; expected (loss, gradients), with gradients by name"
    if changed := [name for name in kept if not np.array_equal(kept[name], given[name])]:
        return f"the call changed {', '.join(changed)}; work on a copy"
    for name in ("loss", *wanted):
        shape = kept[name].shape if name in kept else ()
        if name not in found:
            hint = did_you_mean(name, [each for each in gradients if isinstance(each, str)])
            return f"gradients has no {name!r}; expected {', '.join(wanted)}{hint}"
        if found[name].dtype.kind != "f":
            return f"{title(name)} has dtype {found[name].dtype}; expected floating-point numbers"
        if found[name].shape != shape:
            turned = "; is it transposed?" if found[name].T.shape == shape else ""
            return f"{title(name)} has shape {found[name].shape}; expected {shape}{turned}"
    return found


def title(name: str) -> str:
    """How a verdict calls an output."""
    return name if name == "loss" else f"grad_{name}"


def compare(layers: Layers, problem: Problem, answer: Mapping[str, Array]) -> dict[str, Elements]:
    """Each output beside the truth, in the order of the chain rule; each as one row (1, k)."""
    found: dict[str, Elements] = {}
    for bits in BITS:
        found = _compared(layers, problem, answer, bits, any_slope=False)
        if not all(each.agreed.all() for each in found.values()):
            beside = _compared(layers, problem, answer, bits, any_slope=True)
            found = {name: each.unless(KINK, beside[name].agreed, np.isfinite) for name, each in found.items()}
        if not any(each.open.any() for each in found.values()):
            break
    return found


def _compared(
    layers: Layers, problem: Problem, answer: Mapping[str, Array], bits: int, any_slope: bool
) -> dict[str, Elements]:
    def row(array: Array) -> Array:
        return array.reshape(1, -1)

    storage = FORMATS[problem.dtype]
    with ctx.workprec(bits), np.errstate(all="ignore"):
        exact = carried(layers, problem.inputs, any_order(problem.dtype), any_slope)
        return {
            name: Elements.of(row(answer[name]), row(each.exact), 0.0, Allowed(each.size, row(each.error)), storage)
            for name, each in exact.items()
            if name in answer
        }


# ---- where the chain first goes wrong --------------------------------------------------------------------------------


def advice(layers: Layers, wrong: set[str], telling: set[str]) -> str:
    """Which steps of the chain to look at: those after all that is right and before the first that is wrong.

    Where all of an output is 0, that it is right tells nothing.
    """
    if wrong == {"loss"}:
        return "all gradients are right, so the logits are: look at how the loss is formed of them"
    if "loss" in wrong:
        return "the loss comes first: look at the forward pass before you look at a gradient"
    steps = ["the gradient of the logits, (p - y)/N"]
    for layer in reversed(layers):
        if not isinstance(layer, Linear):
            steps.append(f"the slope of {layer}")
            continue
        weight, bias = layer.names
        if {weight, bias} & wrong and (sound := {weight, bias} & telling - wrong):
            how = (
                f"gᵀ h, where h is the input of layer {layer.number}"
                if weight in wrong
                else "the sum of g over the rows"
            )
            (name,), (other,) = {weight, bias} & wrong, sound
            return f"{title(other)} is right, and so the gradient g of the layer: look at {title(name)} = {how}"
        if {weight, bias} & wrong:
            break
        steps = [f"the product of the gradient with {weight}"]
    return f"what comes before is right: look at {' and '.join(steps)}"
