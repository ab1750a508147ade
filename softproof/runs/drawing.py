"""What the problems of a row depend on beside the seed, as texts, and the digests of those that follow."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..generation.large import large_problems
from ..generation.strategies import problems
from .search import EXAMPLES, planned

BY_STAGES = ", by stages"  # after the name of an operation whose stages are judged one by one

Drawing = dict[str, tuple[str, ...]]


def drawing(
    supports: Iterable[str], layouts: Sequence[str], fixed: Mapping[str, Any], ndim: Collection[int]
) -> Drawing:
    """The options that a target takes, the layouts, the options that have one value, and the dimensions.

    >>> drawing({"weight"}, ["contiguous"], {"reduction": "none"}, [2])["fixed"]
    ("reduction='none'",)
    """
    return {
        "supports": tuple(sorted(supports)),
        "layouts": tuple(layouts),
        "fixed": tuple(f"{name}={value!r}" for name, value in sorted(fixed.items())),
        "ndim": tuple(str(each) for each in sorted(ndim)),
    }


def digests(operation: str, dtype: str, how: Mapping[str, Sequence[str]], seed: int, examples: int) -> list[str]:
    """Those of the problems that follow from a seed, in the order in which they are asked until something disagrees.

    A run asks others besides, which follow from the answers: the last fifth of the drawn problems is mutated towards
    larger errors, and more are drawn in the regions that these have missed.

    >>> how = drawing((), ["contiguous"], {}, ())
    >>> first, again, other = (digests("softmax", "float32", how, seed, 10) for seed in (7, 7, 8))
    >>> len(first), first == again, first == other
    (8, True, False)
    """
    name = operation.removesuffix(BY_STAGES)
    supports, layouts = frozenset(how["supports"]), tuple(how["layouts"])
    fixed, ndim = dict(map(_pair, how["fixed"])), frozenset(map(int, how["ndim"]))
    draw = partial(problems, name, dtype, supports=supports, layouts=layouts, fixed=fixed, ndim=ndim)
    sums = [problem.digest() for problem in planned(draw, examples, seed)]
    if examples >= EXAMPLES and name == operation:
        large = large_problems(name, dtype, supports, fixed, seed=seed, ndim=ndim, layouts=layouts)
        sums += [problem.digest() for problem in large]
    return sums


def _pair(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, ast.literal_eval(value)
