"""What a problem must be for an answer to mean anything; every message names the argument and both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .formats import FORMATS
from .losses import is_labels
from .operations import DIRECTIONAL, OPERATIONS
from .outputs import value_shape
from .problem import LAYOUTS, Array, Problem
from .rows import class_count, main_input
from .validation import check_flag, check_kind, check_number, check_text, check_whole, shown

Shape = tuple[int, ...]
LOADED = "what softproof.load gives"


def check(problem: Problem) -> None:
    """Raise ValueError, TypeError or IndexError when a problem asks nothing sensible."""
    check_kind("problem", problem, Problem, "a softproof.Problem")
    if problem.operation not in OPERATIONS:
        raise ValueError(f"operation is {problem.operation!r}; expected one of {', '.join(OPERATIONS)}")
    if problem.dtype not in FORMATS:
        raise ValueError(f"dtype is {problem.dtype!r}; expected one of {', '.join(FORMATS)}")
    _check_names(problem)
    _check_layouts(problem)
    _check_options(problem)
    _check_shapes(problem)
    _check_numbers(problem)
    _check_labels(problem)
    _check_vectors(problem)


def _check_names(problem: Problem) -> None:
    """The inputs that are needed, and none that is not known."""
    operation = OPERATIONS[problem.operation]
    if missing := set(operation.inputs) - set(problem.inputs):
        needs = f"{problem.operation} needs {', '.join(operation.inputs)}"
        raise TypeError(f"{needs}; missing {', '.join(sorted(missing))} among its inputs")
    given = set(problem.inputs) | set(problem.options)
    if unknown := given - set(operation.inputs) - set(operation.extras):
        has = ", ".join(operation.inputs + operation.extras)
        raise TypeError(f"{problem.operation} has no {', '.join(sorted(unknown))}; it has {has} (inputs and options)")
    if unknown := set(problem.gradients or ()) - set(operation.gradients):
        has = f"{problem.operation} has those of {', '.join(operation.gradients)}"
        raise ValueError(f"gradients names {', '.join(sorted(unknown))}; {has}")


def _check_layouts(problem: Problem) -> None:
    """Layouts that there are, of arrays that there are."""
    arrays = (*problem.inputs, "grad_output", "tangent")
    for name in arrays:
        if (layout := problem.layout_of(name)) not in LAYOUTS:
            raise ValueError(f"layout of {name} is {layout!r}; expected one of {', '.join(LAYOUTS)}")
    if not isinstance(problem.layout, str) and (unknown := set(problem.layout) - set(arrays)):
        raise ValueError(f"layout names {', '.join(sorted(unknown))}; the problem has {', '.join(arrays)}")


def _check_options(problem: Problem) -> None:
    """Options of the right kind; a smoothing from 0 to 1 and a reduction that there is."""
    for name in ("dim", "ignore_index"):
        value = problem.options.get(name, 0)
        several = (name, problem.operation) == ("dim", "logsumexp") and isinstance(value, tuple)
        for each in value if several else (value,):
            check_whole(name, each, "an integer that int64 holds", -(2**63), 2**63 - 1)
    check_flag("keepdim", problem.options.get("keepdim", False))
    epsilon, reduction = problem.options.get("label_smoothing", 0.0), problem.options.get("reduction", "mean")
    if not 0 <= check_number("label_smoothing", epsilon, "a number from 0 to 1") <= 1:
        raise ValueError(f"label_smoothing is {epsilon}; expected a number from 0 to 1")
    if check_text("reduction", reduction, "mean, sum or none") not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is {reduction!r}; expected mean, sum or none")


# ---- shapes ---------------------------------------------------------------------------------------------------------


def _check_shapes(problem: Problem) -> None:
    """Arrays that fit each other, and at least one class."""
    if problem.operation in ("linear", "linear_cross_entropy"):
        _check_layer(problem)
    else:
        _check_rows(problem)
    for name, expected, why in _expected(problem):
        if name in problem.inputs and problem.inputs[name].shape != expected:
            raise ValueError(f"{name} has shape {problem.inputs[name].shape}; {why} {expected}")


def _check_rows(problem: Problem) -> None:
    name, main = next(iter(problem.inputs.items()))
    dim = problem.options.get("dim", -1) if "target" not in problem.inputs else min(main.ndim - 1, 1)
    any_shape = "empty_classes" in OPERATIONS[problem.operation].kinds
    dims, most = dim if isinstance(dim, tuple) else (dim,), max(main.ndim, 1 if any_shape else 0)
    if not all(-most <= each < most for each in dims):
        raise IndexError(f"dim is {shown(dim)}; {name} of shape {main.shape} has dims {-most} to {most - 1}")
    if len({each % most for each in dims}) < max(1, len(dims)):
        raise ValueError(f"dim is {dim}; expected at least one, and each once")
    if not any_shape and main.shape[dim] == 0:
        raise ValueError(f"{name} of shape {main.shape} has no elements along dim {dim}; expected at least one")


def _check_layer(problem: Problem) -> None:
    x, name = problem.inputs["input"], "weight" if problem.operation == "linear" else "linear_weight"
    w = problem.inputs[name]
    loss = problem.operation == "linear_cross_entropy"
    if w.ndim < 2 or (w.ndim > 2 and not loss) or x.ndim == 0 or x.shape[-1] != w.shape[-1]:
        expected = "(C, D) or (C, d1, …, D)" if loss else "(C, D)"
        raise ValueError(f"input has shape {x.shape} and {name} {w.shape}; expected (…, D) and {expected}")
    if not len(w):
        raise ValueError(f"{name} of shape {w.shape} has no classes; expected at least one")
    if loss and x.ndim > 2:
        raise ValueError(f"input has shape {x.shape}; expected (D,) or (N, D)")
    if w.ndim > 2 and x.ndim != 2:
        raise ValueError(f"input has shape {x.shape}; expected (N, D), since {name} has shape {w.shape}")


def _expected(problem: Problem) -> Iterator[tuple[str, Shape, str]]:
    """The shapes that follow from those of the first inputs, and why."""
    main = main_input(problem).shape
    yield from ((name, (), "one number for all rows has") for name in OPERATIONS[problem.operation].constants)
    if "q" in problem.inputs:
        yield "q", main, "p has"
    elif "q_logits" in problem.inputs:
        yield "q_logits", main, "p_logits has"
    elif problem.operation == "linear":
        yield "bias", problem.inputs["weight"].shape[:1], "one for each class is"
    elif problem.operation == "cross_entropy":
        axis = min(len(main) - 1, 1)
        yield "target", main if not is_labels(problem) else main[:axis] + main[axis + 1 :], f"logits {main} want"
        yield "weight", main[axis : axis + 1], "one for each class is"
    elif problem.operation == "linear_cross_entropy":
        classes, positions = (w := problem.inputs["linear_weight"].shape)[:1], w[1:-1]
        of_row = positions if is_labels(problem) else classes + positions
        yield "target", main[:-1] + of_row, f"input {main} wants"
        yield "linear_bias", classes + positions, "one for each class is"
        yield "weight", classes, "one for each class is"


# ---- numbers --------------------------------------------------------------------------------------------------------


def _check_numbers(problem: Problem) -> None:
    """Numbers of the dtype; finite where they must be, and nonnegative where they are probabilities of outcomes."""
    vectors = {"grad_output": problem.grad_output, "tangent": problem.tangent}
    arrays = dict(problem.inputs) | {name: array for name, array in vectors.items() if array is not None}
    for name, array in arrays.items():
        if (bad := FORMATS[problem.dtype].first_not_held(array)) is not None:
            raise ValueError(f"{name} holds {bad!r}, which is not a {problem.dtype} number")
        strange = _not_asked(problem, name, array)
        if strange.any():
            raise ValueError(f"{name} holds {float(array[strange][0])}; expected finite numbers")
        if name in OPERATIONS[problem.operation].constants and not (array > 0).all():
            raise ValueError(f"{name} is {float(array)}; expected a number above 0")
        if name in ("p", "q") and not (array >= 0).all():
            raise ValueError(f"{name} holds {float(array.min())}; expected numbers that are not negative")


def _not_asked(problem: Problem, name: str, array: Array) -> Array:
    """What is not finite and has to be: logits may be anything, and target probabilities NaN."""
    if array.dtype == np.int64 or (name == "logits" and "nonfinite" in OPERATIONS[problem.operation].kinds):
        return np.zeros(1, bool)
    nan_is_asked = name == "target" and problem.operation == "cross_entropy"
    return np.asarray(np.isinf(array) if nan_is_asked else ~np.isfinite(array))


def _check_labels(problem: Problem) -> None:
    """Labels of classes that there are, or the one that is ignored."""
    if "target" not in problem.inputs or not is_labels(problem):
        return
    target, ignored = problem.inputs["target"], problem.options.get("ignore_index", -100)
    classes = class_count(problem)
    bad = (target != ignored) & ((target < 0) | (target >= classes))
    if bad.any():
        raise IndexError(f"target holds {target[bad][0]}; expected labels from 0 to {classes - 1}, or {ignored}")


def _check_vectors(problem: Problem) -> None:
    """An upstream gradient of the shape of the value; a direction of that of the logits, where one is taken."""
    g, v = problem.grad_output, problem.tangent
    if g is not None and g.shape != value_shape(problem):
        raise ValueError(
            f"grad_output has shape {g.shape}; the value of {problem.operation} has {value_shape(problem)}"
        )
    if v is None:
        return
    takes = [name for name, operation in OPERATIONS.items() if set(DIRECTIONAL) & set(operation.kinds)]
    if problem.operation not in takes:
        raise TypeError(f"{problem.operation} takes no tangent; {', '.join(takes)} do")
    if v.shape != problem.inputs["logits"].shape:
        raise ValueError(f"tangent has shape {v.shape}; the logits have {problem.inputs['logits'].shape}")


# ---- a question to somebody -----------------------------------------------------------------------------------------

_ASKED = ("name", "operations", "differentiates", "supports", "interface", "answer")


def check_asked(implementation: Any, problem: Problem, device: str, whose: str = "implementation") -> None:
    """Raise ValueError or TypeError where an implementation cannot be asked a problem on a device.

    It has to have the operation, and arrays of its dtype on that device, as far as it says so.
    """
    check(problem)
    if not all(hasattr(implementation, each) for each in _ASKED) or isinstance(implementation, type):
        raise TypeError(f"{whose} is a {type(implementation).__name__}; expected {LOADED}")
    check_text("device", device, "the name of one, such as 'cpu'")
    if problem.operation not in implementation.operations:
        has = ", ".join(implementation.operations)
        raise ValueError(f"the problem is about {problem.operation}; {implementation.name} has {has}")
    dtypes = getattr(implementation, "dtypes", FORMATS)
    if problem.dtype not in dtypes:
        raise ValueError(f"the problem is in dtype {problem.dtype}; {implementation.name} has {', '.join(dtypes)}")
    process = getattr(implementation, "process", None)
    if process is not None and not process.elsewhere:
        implementation.capabilities.check_device(device)
