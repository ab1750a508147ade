"""Arrays whose axes are in another order for the candidate: classes last, a transposed weight, labels that are shifted.

A loss of a language model has its classes last, (N, d1, …, C), where torch has (N, C, d1, …); its user says so by
`--fixed dim=-1`. A layer x @ W takes a weight (features, classes), where torch has (classes, features): `--transposed
weight`. Labels or a value may be (N, 1) (`kept_axes.py`). One that compares each position with the next label has a
position and a label more (`shifts.py`). Others take a row in each column, as W A + b with features (D, N) and a bias
(C, 1): `--columns`. Problems stay as they are; the arrays of the candidate have their axes in its order, and its
answers come back in ours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.arrangements import ARRANGEMENTS
from ..problem.interface import Interface
from ..problem.losses import is_labels
from ..problem.operations import OPERATIONS
from ..problem.problem import Array, Output, Problem
from ..problem.rows import main_input
from .kept_axes import with_axes, without_axes
from .shifts import goes_beyond, lengthened, shortened

OF_LOSSES = ("cross_entropy",)  # operations whose axis of classes is the second, and no option
_SECOND, _LAST, _MATRIX = 1, -1, 2


def last_axis(interface: Interface) -> bool:
    """Whether the classes of a loss lie along the last axis."""
    return bool(interface.fixed.get("dim", _SECOND) == _LAST)


def is_moved(problem: Problem | None) -> bool:
    """Whether the classes of a question lie elsewhere in that order."""
    return problem is not None and problem.operation in OF_LOSSES and problem.inputs["logits"].ndim > 2


def _named(name: str) -> str:
    """The input that a derivative belongs to; that of the value is "tangent"."""
    return name.removeprefix("grad_").removeprefix("hvp_")


def _has_classes(name: str, problem: Problem, interface: Interface) -> bool:
    """Whether an input, a tangent, or a derivative with its shape has classes that lie elsewhere for the candidate."""
    if not last_axis(interface) or not is_moved(problem):
        return False
    named = _named(name)
    return named in ("logits", "tangent") or (named == "target" and problem.inputs["target"].dtype.kind == "f")


def _is_transposed(name: str, problem: Problem, interface: Interface) -> bool:
    """Whether a matrix, or its gradient, is given the other way round."""
    named = _named(name)
    return named in interface.transposed and named in problem.inputs and problem.inputs[named].ndim == _MATRIX


def _is_of_columns(name: str, problem: Problem, interface: Interface) -> bool:
    """Whether an array of rows has them in its columns for the candidate."""
    named = "value" if name in ("value", "grad_output") else _named(name)
    if not _has_columns(problem, interface) or main_input(problem).ndim != _MATRIX:
        return False
    return named in ("logits", "input", "tangent") or (named == "target" and not is_labels(problem)) or (
        named == "value" and problem.operation == "linear"
    )  # fmt: skip


def _has_columns(problem: Problem, interface: Interface) -> bool:
    """Whether it is asked with a row in each column, which not every operation of a module is."""
    return interface.columns and ARRANGEMENTS["columns"].fits(OPERATIONS[problem.operation])


def _is_bias(name: str, problem: Problem, interface: Interface) -> bool:
    """Whether it is a bias, or its gradient, of which there is one for all columns."""
    return _has_columns(problem, interface) and _named(name) in ("bias", "linear_bias")


def given_so(name: str, values: Array, problem: Problem, interface: Interface) -> Array:
    """The numbers of an array in the order in which a candidate takes them."""
    if _is_of_columns(name, problem, interface):
        return np.ascontiguousarray(values.T)
    if _is_bias(name, problem, interface):
        return values.reshape(-1, 1)  # (C, 1)
    if _is_transposed(name, problem, interface):
        return np.ascontiguousarray(values.T)
    values = lengthened(name, values, problem) if interface.shifted else values
    values = with_axes(name, values, problem, interface)
    if not _has_classes(name, problem, interface):
        return values
    return np.ascontiguousarray(np.moveaxis(values, _SECOND, _LAST))


def given_problem(problem: Problem, interface: Interface) -> Problem:
    """A problem of the sizes that one call has: a position more, or a single row."""
    if interface.row_by_row:
        return replace(problem, inputs={name: each[:1] for name, each in problem.inputs.items()}, grad_output=None,
                       tangent=None)  # fmt: skip
    if not interface.shifted:
        return problem
    longer = {name: lengthened(name, each, problem) for name, each in problem.inputs.items()}
    return replace(problem, inputs=longer, grad_output=None, tangent=None)


def _in_our_order(name: str, values: Array, problem: Problem, interface: Interface) -> Array:
    """The numbers of an answer; those with another number of dimensions stay as they are, and are wrong."""
    if _is_of_columns(name, problem, interface):
        return np.ascontiguousarray(values.T) if values.ndim == _MATRIX else values
    if _is_bias(name, problem, interface):
        return values[:, 0] if values.ndim == _MATRIX and values.shape[1] == 1 else values[None]  # (C,) is no (C, 1)
    if _is_transposed(name, problem, interface):
        return np.ascontiguousarray(values.T) if values.ndim == _MATRIX else values
    if not _has_classes(name, problem, interface) or values.ndim != problem.inputs["logits"].ndim:
        return without_axes(name, values, problem, interface)
    return np.ascontiguousarray(np.moveaxis(values, _LAST, _SECOND))


def taken_so(name: str, output: Output, problem: Problem, interface: Interface) -> Output:
    """An answer in our order, and no longer than what was asked."""
    values = _in_our_order(name, output.values, problem, interface)
    values = shortened(name, values, problem) if interface.shifted else values
    return output if values is output.values else replace(output, values=values)


def is_beyond(name: str, output: Output, problem: Problem, interface: Interface) -> bool:
    """Whether a gradient is not 0 beyond what was asked."""
    return interface.shifted and goes_beyond(name, _in_our_order(name, output.values, problem, interface), problem)
