"""How the exact outputs of some problems combine into those of another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..problem.problem import Problem
from .intervals import Interval

Outputs = dict[str, Interval]
Extras = frozenset[str]
Rng = np.random.Generator


@dataclass(frozen=True)
class Identity:
    """The exact outputs of `problem` are what `combine` makes of those of `others`, as far as it names them."""

    problem: Problem
    others: tuple[Problem, ...]
    combine: Callable[..., Outputs]


Relation = Callable[[Problem, Extras, Rng], Identity | None]  # None where it does not apply
