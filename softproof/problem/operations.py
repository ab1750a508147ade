"""The operations under judgement: the names, order and differentiability of their arguments.

The order is that of `torch.nn.functional`. A positional input may be called anything by the implementation (torch says
``input`` where we say ``logits``); what is passed by keyword must have the name given here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from .problem import Problem
from .rows import class_axes


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
# logits without a batch; class weights below 0; labels of no class, which want an error; losses of rows
# that are all ignored; rows that are not finite;
# classes that are masked, by -inf in a row that has other logits; no rows; rows of no class; a single number; logsumexp
# over several axes; a classifier with a weight for each of many positions, (C, d1, …, D), the K-dimensional form.
# Entropy and divergence, too, may be asked of what does not sum to 1. Of those that take a reduction, not everybody
# takes all three.
REDUCTIONS = ("none", "sum", "mean")
OF_REDUCTIONS = {f"reduction={name}": name for name in REDUCTIONS}
_LOSS_KINDS = ("probabilities", "unnormalised", "unbatched", "negative_weights", "invalid_labels", "all_ignored",
               *OF_REDUCTIONS)  # fmt: skip
_EMPTY = ("empty",)
_SHARES = ("unnormalised", *_EMPTY)
LOSS_DEFAULTS = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
DEFAULTS = {"dim": -1, "keepdim": False, **LOSS_DEFAULTS}
_LOSS_OPTIONS = tuple(LOSS_DEFAULTS)
DIRECTIONAL = ("jvp", "hvp")  # derivatives in a direction, which not everybody has
_LOGIT_KINDS = ("nonfinite", "masked", *DIRECTIONAL, *_EMPTY)
_ANY_SHAPE = (*_LOGIT_KINDS, "empty_classes", "scalars")

OPERATIONS = {
    "softmax": Operation(("logits",), options=("dim",), gradients=("logits",), kinds=_ANY_SHAPE),
    "log_softmax": Operation(("logits",), options=("dim",), gradients=("logits",), kinds=_ANY_SHAPE),
    "logsumexp": Operation(
        ("logits",), options=("dim", "keepdim"), gradients=("logits",), kinds=(*_ANY_SHAPE, "several_dims")
    ),
    "entropy": Operation(("p",), options=("dim",), gradients=("p",), kinds=_SHARES),
    "distribution_cross_entropy": Operation(("p", "q"), options=("dim",), gradients=("p", "q"), kinds=_SHARES),
    "kl_divergence": Operation(("p", "q"), options=("dim",), gradients=("p", "q"), kinds=_SHARES),
    "linear": Operation(("input", "weight"), optional=("bias",), gradients=("input", "weight", "bias"), kinds=_EMPTY),
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
        kinds=(*_LOSS_KINDS, *_EMPTY, "k_dimensional"),
    ),
}


def reductions(extras: Collection[str]) -> tuple[str, ...]:
    """The reductions that may be asked of who takes these extras: all, unless some are named.

    >>> reductions({"reduction", "reduction=sum"}), reductions(())
    (('sum',), ('none', 'sum', 'mean'))
    """
    return tuple(name for kind, name in OF_REDUCTIONS.items() if kind in extras) or REDUCTIONS


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
        kept = problem.options.get("keepdim", False)
        return tuple(1 if axis in class_axes(problem) else size for axis, size in enumerate(first)
                     if kept or axis not in class_axes(problem))  # fmt: skip
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
