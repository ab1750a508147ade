"""A loss that compares each position with the next label, found out by a question of one position more.

Its value for the longer question is right for the shorter one then, whose labels belong to their own positions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..candidates.axes import OF_LOSSES, given_problem
from ..candidates.candidate import Candidate
from ..diagnosis.interview import Given
from ..problem.arrangements import is_sequence
from ..problem.interface import Interface
from ..problem.problem import Problem
from ..verdicts.judgement import judge
from .harmless import CLASSES, plain
from .ladder import widest
from .otherwise import hard_coded, in_half, unknown_options


def of_next_label(candidate: Candidate, operation: str, dtype: str, device: str) -> str:
    """How to say that its value is right so, for hard-coded options too; empty where it is not."""
    free, said = unknown_options(candidate, operation) - {"ignore_index"}, ""
    for short, long, last in _questions(candidate, operation, dtype):
        with warnings.catch_warnings(action="ignore"):
            given = Given(candidate, in_half(long, candidate.answer(long, device)))

        def is_right(options: Mapping[str, Any], short: Problem = short, given: Given = given) -> bool:
            meant = replace(short, options={**short.options, **options})
            with warnings.catch_warnings(action="ignore"):
                return judge(given, meant, device=device, arithmetic=widest(dtype, device)).ok

        fixed = hard_coded(free, is_right)
        if fixed or is_right({}):
            said = _said(fixed | ({"dim": -1} if last else {}))  # which is right for rows, too, if it takes them
    return said


def _questions(candidate: Candidate, operation: str, dtype: str) -> Iterator[tuple[Problem, Problem, bool]]:
    """The shorter question and the longer one, of rows and of positions; whether its classes are to lie last."""
    supports, fixed = candidate.supports(operation), candidate.interface.fixed
    if candidate.interface.shifted:
        return
    rows = plain(operation, dtype, supports, 2, fixed)
    if rows is not None and is_sequence(rows):
        yield _value(rows), _longer(rows), False
    cube = plain(operation, dtype, supports, 3, fixed)
    if operation not in OF_LOSSES or "dim" in fixed or cube is None or not is_sequence(cube):
        return
    short = {name: each[..., : CLASSES - 1] for name, each in cube.inputs.items()}  # so that (N, T + 1, C) is (N, C, C)
    cube = _value(replace(cube, inputs=short, grad_output=None))
    longer = _longer(cube)
    turned = np.ascontiguousarray(np.moveaxis(longer.inputs["logits"], 1, -1))
    yield cube, replace(longer, inputs={**longer.inputs, "logits": turned}), True


def _longer(problem: Problem) -> Problem:
    """With one position more, of which the value alone is asked."""
    return given_problem(problem, Interface(shifted=True))


def _value(problem: Problem) -> Problem:
    return replace(problem, grad_output=None)


def _said(fixed: Mapping[str, Any]) -> str:
    """What it does, and the options that say so."""
    words = ["--shifted", *(f"--fixed {name}={value}" for name, value in fixed.items())]
    python = ["shifted=True", *([f"fixed={dict(fixed)}"] if fixed else [])]
    return (
        "its value is right for the next label of each position: it drops the last logits and the first label. Say so: "
        f"{' '.join(words)} (in Python: {', '.join(python)})"
    )
