"""What a region is: a question about a problem, which is yes or no."""

from __future__ import annotations

from collections.abc import Callable

from ...problem.problem import Problem

Region = Callable[[Problem], bool]
