"""The operations under judgement: the names, order and differentiability of their arguments.

The order is that of `torch.nn.functional`. A positional input may be called anything by the implementation (torch says
``input`` where we say ``logits``); what is passed by keyword must have the name given here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .formats import FORMATS, Format
from .problem import LAYOUTS, Array, Problem
from .rows import count_classes


@dataclass(frozen=True)
class Operation:
    """One operation: positional `inputs`, `optional` inputs, `options`, the inputs that have `gradients`.

    `kinds` names what not everybody takes or gives: kinds of input, and derivatives in a direction, which are the
    Jacobian times a vector, "jvp", and the derivative of the gradient, the Hessian times a vector, "hvp".
    """

    inputs: tuple[str, ...]
    optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def extras(self) -> tuple[str, ...]:
        """What an implementation may leave out."""
        return self.optional + self.options + self.kinds


# Kinds of input that not everybody takes: probabilities as target, and such that do not sum to 1 or are negative;
# logits without a batch; class weights below 0; labels of no class, which want an error; rows that are not finite.
_LOSS_KINDS = ("probabilities", "unnormalised", "unbatched", "negative_weights", "invalid_labels")
_LOSS_OPTIONS = ("ignore_index", "reduction", "label_smoothing")
DIRECTIONAL = ("jvp", "hvp")  # derivatives in a direction, which not everybody has
_LOGIT_KINDS = ("nonfinite", *DIRECTIONAL)

OPERATIONS = {
    "softmax": Operation(("logits",), options=("dim",), gradients=("logits",), kinds=_LOGIT_KINDS),
    "log_softmax": Operation(("logits",), options=("dim",), gradients=("logits",), kinds=_LOGIT_KINDS),
    "logsumexp": Operation(("logits",), options=("dim",), gradients=("logits",), kinds=_LOGIT_KINDS),
    "entropy": Operation(("p",), options=("dim",), gradients=("p",)),
    "distribution_cross_entropy": Operation(("p", "q"), options=("dim",), gradients=("p", "q")),
    "kl_divergence": Operation(("p", "q"), options=("dim",), gradients=("p", "q")),
    "linear": Operation(("input", "weight"), optional=("bias",), gradients=("input", "weight", "bias")),
    "cross_entropy": Operation(
        ("logits", "target"),
        optional=("weight",),
        options=_LOSS_OPTIONS,
        gradients=("logits", "target"),
        kinds=(*_LOSS_KINDS, *_LOGIT_KINDS),
    ),
    "linear_cross_entropy": Operation(
        ("input", "linear_weight", "target"),
        optional=("linear_bias", "weight"),
        options=_LOSS_OPTIONS,
        gradients=("input", "linear_weight", "linear_bias"),
        kinds=_LOSS_KINDS,
    ),
}


def gradient_names(problem: Problem) -> tuple[str, ...]:
    """The inputs of this problem that have a gradient: those given, save integer labels."""
    names = OPERATIONS[problem.operation].gradients
    return tuple(name for name in names if name in problem.inputs and problem.inputs[name].dtype != np.int64)


def value_shape(problem: Problem) -> tuple[int, ...]:
    """The shape of the operation's value, and so of its upstream gradient."""
    first = problem.inputs[OPERATIONS[problem.operation].inputs[0]].shape
    if problem.operation in ("softmax", "log_softmax"):
        return first
    if problem.operation == "linear":
        return (*first[:-1], len(problem.inputs["weight"]))
    if "target" not in problem.inputs:
        return tuple(np.delete(first, problem.options.get("dim", -1)))
    if problem.options.get("reduction", "mean") != "none":
        return ()
    target = problem.inputs["target"]
    return target.shape if target.dtype == np.int64 else tuple(np.delete(target.shape, min(target.ndim - 1, 1)))


def output_shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    """The outputs of a problem, and the shape of each."""
    shapes = {"value": value_shape(problem)}
    if problem.grad_output is not None:
        shapes |= {f"grad_{name}": problem.inputs[name].shape for name in gradient_names(problem)}
    if problem.tangent is not None:
        shapes["jvp"] = shapes["value"]
        if problem.grad_output is not None:
            shapes["hvp_logits"] = problem.inputs["logits"].shape
    return shapes


def check(problem: Problem) -> None:
    """Raise ValueError, TypeError or IndexError when a problem asks nothing sensible; the message names both sides."""
    if problem.operation not in OPERATIONS:
        raise ValueError(f"operation is {problem.operation!r}; expected one of {', '.join(OPERATIONS)}")
    if problem.dtype not in FORMATS:
        raise ValueError(f"dtype is {problem.dtype!r}; expected one of {', '.join(FORMATS)}")
    operation = OPERATIONS[problem.operation]
    _check_layouts(problem)
    if missing := set(operation.inputs) - set(problem.inputs):
        raise TypeError(
            f"{problem.operation} needs {', '.join(operation.inputs)}; missing {', '.join(sorted(missing))}"
        )
    given = set(problem.inputs) | set(problem.options)
    if unknown := given - set(operation.inputs) - set(operation.extras):
        raise TypeError(f"{problem.operation} has no {', '.join(sorted(unknown))}; it has "
                        f"{', '.join(operation.inputs + operation.extras)}")  # fmt: skip
    vectors = {"grad_output": problem.grad_output, "tangent": problem.tangent}
    arrays = dict(problem.inputs) | {name: array for name, array in vectors.items() if array is not None}
    for name, array in arrays.items():
        if (bad := _first_not_held(array, FORMATS[problem.dtype])) is not None:
            raise ValueError(f"{name} holds {bad!r}, which is not a {problem.dtype} number")
    _check_values(problem)
    if problem.grad_output is not None and problem.grad_output.shape != value_shape(problem):
        shape = problem.grad_output.shape
        raise ValueError(f"grad_output has shape {shape}; the value of {problem.operation} has {value_shape(problem)}")
    if problem.tangent is not None:
        _check_tangent(problem, problem.tangent)


def _check_tangent(problem: Problem, tangent: Array) -> None:
    """A finite direction, of the shape of the logits, and an operation that takes one."""
    takes = [name for name, operation in OPERATIONS.items() if set(DIRECTIONAL) & set(operation.kinds)]
    if problem.operation not in takes:
        raise TypeError(f"{problem.operation} takes no tangent; {', '.join(takes)} do")
    if tangent.shape != problem.inputs["logits"].shape:
        raise ValueError(f"tangent has shape {tangent.shape}; the logits have {problem.inputs['logits'].shape}")
    if not np.isfinite(tangent).all():
        raise ValueError(f"tangent holds {float(tangent[~np.isfinite(tangent)][0])}; expected finite numbers")


def _first_not_held(array: Array, fmt: Format) -> float | None:
    """The first number that the format does not have."""
    held = {np.dtype(np.int64): 0, np.dtype(np.float32): 24, np.dtype(np.float64): 53}
    if fmt.precision >= held[array.dtype]:
        return None
    for start in range(0, array.size, 1 << 20):
        part = array.reshape(-1)[start : start + (1 << 20)]
        if (bad := ~fmt.holds(part)).any():
            return float(part[bad][0])
    return None


def _check_layouts(problem: Problem) -> None:
    """Layouts that there are, of arrays that there are."""
    arrays = (*problem.inputs, "grad_output", "tangent")
    for name in arrays:
        if (layout := problem.layout_of(name)) not in LAYOUTS:
            raise ValueError(f"layout of {name} is {layout!r}; expected one of {', '.join(LAYOUTS)}")
    if not isinstance(problem.layout, str) and (unknown := set(problem.layout) - set(arrays)):
        raise ValueError(f"layout names {', '.join(sorted(unknown))}; the problem has {', '.join(arrays)}")


def _check_shapes(problem: Problem) -> None:
    """A `dim` and a reduction that exist, and a target that fits the logits."""
    main = next(iter(problem.inputs.values()))
    dim, reduction = problem.options.get("dim", -1), problem.options.get("reduction", "mean")
    if "dim" in problem.options and not -main.ndim <= dim < main.ndim:
        raise IndexError(f"dim is {dim}; an input of shape {main.shape} has dims {-main.ndim} to {main.ndim - 1}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is {reduction!r}; expected mean, sum or none")
    if problem.operation == "cross_entropy":
        target, expected = problem.inputs["target"], main.shape
        if target.dtype == np.int64:
            expected = tuple(int(size) for size in np.delete(main.shape, min(main.ndim - 1, 1)))
        if target.shape != expected:
            raise ValueError(f"target has shape {target.shape}; logits {main.shape} want {expected}")


def _check_values(problem: Problem) -> None:
    """Labels in range; what must be finite, and what must not be negative."""
    _check_shapes(problem)
    epsilon = problem.options.get("label_smoothing", 0.0)
    if not 0 <= epsilon <= 1:
        raise ValueError(f"label_smoothing is {epsilon}; expected a number from 0 to 1")
    target, ignored = problem.inputs.get("target"), problem.options.get("ignore_index", -100)
    if target is not None and target.dtype == np.int64:
        classes = count_classes(problem)
        bad = (target != ignored) & ((target < 0) | (target >= classes))
        if bad.any():
            raise IndexError(f"target holds {target[bad][0]}; expected labels from 0 to {classes - 1}, or {ignored}")
    for name, array in problem.inputs.items():
        if name == "logits" or array.dtype == np.int64:
            continue
        nan_is_asked = name == "target" and problem.operation == "cross_entropy"
        bad = np.isinf(array) if nan_is_asked else ~np.isfinite(array)
        if bad.any():
            raise ValueError(f"{name} holds {float(array[bad][0])}; expected finite numbers")
    if problem.grad_output is not None and not np.isfinite(problem.grad_output).all():
        raise ValueError("grad_output holds inf or nan; expected finite numbers")
    for name in {"p", "q"} & set(problem.inputs):
        if not (problem.inputs[name] >= 0).all():
            raise ValueError(
                f"{name} holds {float(problem.inputs[name].min())}; expected numbers that are not negative"
            )
