"""Regions: the kinds of question that have hurt implementations, by name, so that a run can say which it asked.

A problem lies in any number of them. `REGIONS` says which regions an operation has, from the file of its home; a test
shows that the default number of examples reaches each.
"""

from __future__ import annotations

from functools import lru_cache

from ..problem.homes import entries
from ..problem.problem import Problem
from ..problem.size_limits import sizes
from .regions.region import Region


@lru_cache(maxsize=1)  # a problem is asked when it is drawn, and again when it is counted
def regions(problem: Problem) -> tuple[str, ...]:
    """The names of the regions that a problem lies in.

    >>> regions(Problem("softmax", "float32", {"logits": [0.0, -20.0]}, {"dim": -1}))
    ('2 to 9 classes', 'no batch', 'a gap above 17')
    """
    return tuple(name for name, contains in REGIONS[problem.operation].items() if contains(problem))


MANY = (1000, 65536)


def sizes_of(problem: Problem) -> tuple[str, ...]:
    """Which sizes of a large problem are above limits, by name.

    >>> sizes_of(Problem("softmax", "float32", {"logits": [[0.0] * 3] * 2000}, {"dim": 1}))
    ('more than 1,000 rows', 'more than 1,000 of a batch')
    """
    return tuple(
        f"more than {limit:,} {name}" for name, size in sizes(problem).items() for limit in MANY if size > limit
    )


REGIONS: dict[str, dict[str, Region]] = entries(__package__, "REGIONS")
