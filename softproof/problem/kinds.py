"""What of a question not everybody takes, by the options of `--without` that leave it out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .formats import FORMATS
from .losses import is_labels, kept, target_rows
from .operations import DEFAULTS, OF_REDUCTIONS
from .problem import Array, Problem
from .rows import axis_of, main_input, reduction_of, row_length, to_rows


def _is_reduced(problem: Problem, reduction: str) -> bool:
    """Whether it is a loss with this reduction."""
    return "target" in problem.inputs and reduction_of(problem) == reduction


def _is_ignored(problem: Problem) -> bool:
    """Whether it has rows, with labels, none of which counts."""
    return is_labels(problem) and problem.inputs["target"].size > 0 and not kept(problem).any()


def largest(problem: Problem) -> Array:
    """Of each row of logits: (R,). NaN where one is NaN, -inf where there is none."""
    return np.asarray(to_rows(problem.inputs["logits"], axis_of(problem)).max(-1, initial=-np.inf))


def _is_strange_where_ignored(problem: Problem) -> bool:
    """Whether a row that does not count has no largest logit that is finite."""
    if "logits" not in problem.inputs or not is_labels(problem):
        return False
    return problem.inputs["logits"].size > 0 and bool((~np.isfinite(largest(problem)) & ~kept(problem)).any())


def _is_unnormalised(problem: Problem) -> bool:
    """Whether a row of probabilities does not sum to 1, whatever the rounding, or has a negative one."""
    rows = [to_rows(problem.inputs[name], axis_of(problem)) for name in ("p", "q") if name in problem.inputs]
    rows += [target_rows(problem)] if "target" in problem.inputs and not is_labels(problem) else []
    rows = [each for each in rows if each.size]
    off = 2 * FORMATS[problem.dtype].u  # each is rounded, and may have been raised to the unit roundoff
    return any(bool((np.abs(each.sum(-1) - 1) > off * each.shape[-1]).any() or (each < 0).any()) for each in rows)


SHAPES: dict[str, Callable[[Problem], bool]] = {
    "empty": lambda problem: any(0 in each.shape for each in problem.inputs.values()),
    "empty_classes": lambda problem: "logits" in problem.inputs and row_length(problem) == 0,
    "scalars": lambda problem: main_input(problem).ndim == 0,
    "several_dims": lambda problem: isinstance(problem.options.get("dim"), tuple),
    "labels": lambda problem: "target" in problem.inputs and is_labels(problem),
    "unbatched": lambda problem: "target" in problem.inputs and main_input(problem).ndim == 1,
    "unnormalised": _is_unnormalised,
    "zeros": lambda problem: any((problem.inputs.get(name, np.ones(0)) == 0).any() for name in ("p", "q")),
    "all_ignored": lambda problem: "target" in problem.inputs and _is_ignored(problem),
    "ignored_nonfinite": lambda problem: "target" in problem.inputs and _is_strange_where_ignored(problem),
    "k_dimensional": lambda problem: problem.inputs.get("linear_weight", np.zeros(0)).ndim > 2,
    **{kind: partial(_is_reduced, reduction=name) for kind, name in OF_REDUCTIONS.items()},
}  # kinds of question that not everybody takes, and which questions these are


def _has_masks(problem: Problem) -> bool:
    """Whether a row with a largest logit has -inf, too."""
    masked = np.isneginf(to_rows(problem.inputs["logits"], axis_of(problem))).any(-1)
    return bool((masked & np.isfinite(largest(problem))).any())


def _has_strange_row(problem: Problem) -> bool:
    """Whether a row of some class has no largest logit that is finite."""
    return bool(problem.inputs["logits"].size) and not bool(np.isfinite(largest(problem)).all())


def kinds_of(problem: Problem) -> set[str]:
    """The options that leave this question out."""
    options: dict[str, Any] = dict(problem.options)
    kinds = {kind for kind, is_of_kind in SHAPES.items() if is_of_kind(problem)}
    kinds |= {name for name, value in options.items() if value != DEFAULTS[name] and name != "dim"}
    axes = max(1, main_input(problem).ndim)
    dim = options.get("dim", -1)
    kinds |= {"dim"} if not isinstance(dim, tuple) and dim % axes != axes - 1 else set()
    kinds |= {name for name in ("weight", "linear_bias", "bias") if name in problem.inputs}
    kinds |= {"masked"} if "logits" in problem.inputs and _has_masks(problem) else set()
    kinds |= {"nonfinite"} if "logits" in problem.inputs and _has_strange_row(problem) else set()
    if "target" in problem.inputs:
        kinds |= {"ignore_index"} if is_labels(problem) and not kept(problem).all() else set()
        kinds |= set() if is_labels(problem) else {"probabilities"}
        weight = problem.inputs.get("weight") if problem.operation != "linear" else None
        kinds |= {"negative_weights"} if weight is not None and (weight < 0).any() else set()
    layouts = {problem.layout_of(name) for name in problem.inputs}
    return kinds | ({"layouts"} if layouts != {"contiguous"} else set())
