"""Functions that take any keyword: one that changes nothing is none of theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..problem.operations import OPERATIONS
from ..problem.problem import Problem

NO_OPTION = "softproof_no_such_option"  # which nobody has
OTHER = {"dim": 0, "keepdim": True, "reduction": "none", "label_smoothing": 0.5, "ignore_index": 0}  # than the default


def ignores(candidate: Any, question: Problem, extra: str, named: Iterable[str]) -> bool:
    """Whether it takes an option, or an optional input, as it would take any other, and does nothing with it.

    `named` are its own parameters; `question` is a harmless one.
    """
    interface = candidate.interface
    if interface.names.get(extra, extra) in named:
        return False
    question = _uneven(question)
    anything = replace(candidate, interface=replace(interface, extra={**interface.extra, NO_OPTION: 0}))
    if anything.answer(question).raised is not None:
        return False
    if extra not in OTHER:
        return True
    other = candidate.answer(replace(question, options={**question.options, extra: OTHER[extra]}))
    return other.raised is None and _same(other.outputs, candidate.answer(question).outputs)


def _uneven(question: Problem) -> Problem:
    """With logits that differ, so that every option matters."""
    name = OPERATIONS[question.operation].inputs[0]
    x = question.inputs[name]
    return replace(question, inputs={**question.inputs, name: np.arange(1.0, x.size + 1).reshape(x.shape) / 4})


def _same(one: Any, two: Any) -> bool:
    """Whether two answers have the same outputs."""
    return one.keys() == two.keys() and all(
        np.array_equal(one[name].values, two[name].values, equal_nan=True) for name in one
    )
