"""Wrong derivatives in a direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy import array, inf, nan, zeros  # noqa: F401  # what a repr needs

import manual
from softproof import Candidate
from softproof.problem.problem import Array

from ..helpers.candidates import MANUAL


def _diagonal_jvp(tangent: Array, logits: Array, dim: int = -1) -> Array:
    p = manual.softmax(logits, dim)
    return np.asarray(p * (1 - p) * tangent)


def _jvp_without_the_mean(tangent: Array, logits: Array, dim: int = -1) -> Array:
    del logits, dim
    return tangent.copy()


def _half_a_product_rule(tangent: Array, grad_output: Array, logits: Array, dim: int = -1) -> Array:
    s = (manual.softmax(logits, dim) * grad_output).sum(dim, keepdims=True, dtype=logits.dtype)
    return np.asarray(manual.softmax_jvp(tangent, logits, dim) * (grad_output - s))


def _diagonal_hvp(tangent: Array, grad_output: Array, logits: Array, **options: Any) -> Array:
    return np.asarray(manual.logsumexp_backward(grad_output, logits, **options) * tangent)


def _zero(tangent: Array, *_arguments: Any, **_options: Any) -> Array:
    return np.zeros_like(tangent)


def _without_weight(*arguments: Any, weight: Any = None, **options: Any) -> Array:
    del weight
    return manual.cross_entropy_hvp(*arguments, **options)


def _without_mean(*arguments: Any, reduction: str = "mean", **options: Any) -> Array:
    return manual.cross_entropy_hvp(*arguments, reduction="none" if reduction == "none" else "sum", **options)


def of_probabilities_that_sum_to_one(tangent: Any, g: Any, logits: Any, target: Any, **options: Any) -> Array:
    """The derivative of the gradient where Σ t is taken for 1."""
    if target.dtype.kind == "f":
        axis = min(logits.ndim - 1, 1)
        total = target.sum(axis, keepdims=True) * (1 if options.get("weight") is None else 4)
        target = target / np.where(total == 0, 1, total)
    return manual.cross_entropy_hvp(tangent, g, logits, target, **options)


def _with_ignored_rows(tangent: Any, g: Any, logits: Any, target: Any, **options: Any) -> Array:
    ignored = options.pop("ignore_index", -100)
    if target.dtype.kind == "i":
        classes = logits.shape[min(logits.ndim - 1, 1)]
        target = np.where((target == ignored) & ((target < 0) | (target >= classes)), 0, target)
    return manual.cross_entropy_hvp(tangent, g, logits, target, **options)


def _jvp_of_the_sum(*arguments: Any, reduction: str = "mean", **options: Any) -> Array:
    return manual.cross_entropy_jvp(*arguments, reduction="none" if reduction == "none" else "sum", **options)


WRONG: dict[str, tuple[str, str, Callable[..., Array]]] = {
    "the diagonal of J": ("softmax", "jvp", _diagonal_jvp),
    "v itself": ("log_softmax", "jvp", _jvp_without_the_mean),
    "half a product rule": ("softmax", "hvp_logits", _half_a_product_rule),
    "no Hessian": ("log_softmax", "hvp_logits", _zero),
    "the diagonal of p": ("logsumexp", "hvp_logits", _diagonal_hvp),
    "no Hessian of the loss": ("cross_entropy", "hvp_logits", _zero),
    "no class weights": ("cross_entropy", "hvp_logits", _without_weight),
    "no 1/N": ("cross_entropy", "hvp_logits", _without_mean),
    "T = 1": ("cross_entropy", "hvp_logits", of_probabilities_that_sum_to_one),
    "ignored rows": ("cross_entropy", "hvp_logits", _with_ignored_rows),
    "the sum for the mean": ("cross_entropy", "jvp", _jvp_of_the_sum),
}


def with_derivative(operation: str, output: str, function: Callable[..., Array]) -> Candidate:
    """By hand, but for one derivative."""
    candidate = MANUAL.only(operation)
    found = {operation: function}
    return replace(candidate, jvps=found) if output == "jvp" else replace(candidate, hvps=found)
