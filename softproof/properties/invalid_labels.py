"""Out-of-range labels must raise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.losses import is_labels
from ..problem.operations import reductions
from ..problem.outputs import value_shape
from ..problem.problem import Problem
from ..problem.rows import class_count, reduction_of
from .questions import Answers, Question


def invalid_labels(question: Question) -> Answers:
    """Labels outside [0, C) must raise, for every reduction, with gradients and without."""
    problem, classes = question.problem, class_count(question.problem)
    extras = question.candidate.supports(problem.operation)
    asked_for = reductions(extras) if "reduction" in extras else ("mean",)
    for label in (classes, -1, 2**40):
        if label == problem.options.get("ignore_index", -100):
            continue
        target = problem.inputs["target"].copy()
        target.reshape(-1)[:1] = label
        for reduction in asked_for:
            asked = _reduced(replace(problem, inputs={**problem.inputs, "target": target}), reduction)
            for wrong in (replace(asked, grad_output=None), asked):
                result = question.again(wrong)
                if result.raised is None:
                    words = f"with the label {label} among {classes} classes, reduction {reduction!r}"
                    words += "" if wrong.grad_output is None else " and gradients"
                    yield f"{words}: {result.lost or 'gave numbers; expected an error'}"
                    return


def _reduced(problem: Problem, reduction: str) -> Problem:
    """The same loss with another reduction, and an upstream gradient of ones that fits."""
    if reduction != reduction_of(problem):
        problem = replace(problem, options={**problem.options, "reduction": reduction})
        if problem.grad_output is not None:
            problem = replace(problem, grad_output=np.ones(value_shape(problem)))
    return problem


def has_labels(question: Question) -> bool:
    """On the CPU alone: on CUDA a failed assertion ends the process."""
    problem = question.problem
    kinds = question.candidate.supports(problem.operation)
    if "target" not in problem.inputs or "invalid_labels" not in kinds or question.device != "cpu":
        return False
    return is_labels(problem) and problem.inputs["target"].size > 0
