"""What of a question not everybody takes, by the options of `--without` that leave it out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .interface import SHAPES, largest
from .losses import is_labels, kept
from .operations import DEFAULTS
from .problem import Problem
from .rows import axis_of, main_input, to_rows


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
