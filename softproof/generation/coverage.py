"""Regions: the kinds of question that have hurt implementations, by name, so that a run can say which it asked.

A problem lies in any number of them. `REGIONS` says which regions an operation has; a test shows that the default
number of examples reaches each.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from ..problem.problem import Problem
from ..problem.rows import main_input, row_axes
from ..problem.slicing import class_count
from .regions.distributions import PAIRS_OF_DISTRIBUTIONS, ZEROS
from .regions.labels import IMAGES, PADDING
from .regions.linear import OF_CLASSIFIER, OF_LINEAR
from .regions.logits import GAPS, LOWEST, NOT_FINITE
from .regions.region import Region
from .regions.shapes import FIVE_DIMENSIONS, POSITIONS, SHAPES_OF_LOGITS, SHAPES_OF_SUMS, SIZES, layouts
from .regions.targets import OPTIONS, VALUES, mean_of_chunks, pairs
from .regions.upstream import SCALAR, UPSTREAM
from .regions.usual import USUAL_CALLS, USUAL_LOSSES


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
        f"more than {limit:,} {name}" for name, size in _long(problem).items() for limit in MANY if size > limit
    )


def _long(problem: Problem) -> dict[str, int]:
    """The size of each dimension of a problem."""
    main = main_input(problem).shape
    if "input" in problem.inputs:
        weight = problem.inputs["weight" if problem.operation == "linear" else "linear_weight"].shape
        lead, features = (*main[:-1], *weight[1:-1]), {"features": main[-1]}
    else:
        lead, features = tuple(main[axis] for axis in row_axes(problem)), {}
    found = {"rows": prod(lead), "of a batch": lead[0] if lead else 1, "positions": prod(lead[1:])}
    return found | {"classes": class_count(problem)} | features


_OF_LOGITS = (
    SIZES
    | USUAL_CALLS
    | FIVE_DIMENSIONS
    | SHAPES_OF_LOGITS
    | GAPS
    | LOWEST
    | NOT_FINITE
    | UPSTREAM
    | layouts("logits", "grad_output")
)
_OF_LOSSES = USUAL_LOSSES | OPTIONS | VALUES | pairs() | UPSTREAM | SCALAR


_FEW_CLASSES = {name: region for name, region in SIZES.items() if not name.startswith("more than")}


_OF_PAIRS = SIZES | USUAL_CALLS | ZEROS | PAIRS_OF_DISTRIBUTIONS | UPSTREAM | layouts("p", "q", "grad_output")


REGIONS: dict[str, dict[str, Region]] = {
    "softmax": _OF_LOGITS,
    "log_softmax": _OF_LOGITS,
    "logsumexp": _OF_LOGITS | SHAPES_OF_SUMS,
    "entropy": SIZES | USUAL_CALLS | ZEROS | UPSTREAM | layouts("p", "grad_output"),
    "distribution_cross_entropy": _OF_PAIRS,
    "kl_divergence": _OF_PAIRS,
    "linear": SIZES | USUAL_CALLS | OF_LINEAR | UPSTREAM | layouts("input", "weight", "bias", "grad_output"),
    "cross_entropy": (
        SIZES
        | FIVE_DIMENSIONS
        | GAPS
        | NOT_FINITE
        | _OF_LOSSES
        | PADDING
        | IMAGES
        | layouts("logits", "target", "weight", "grad_output")
    ),
    "linear_cross_entropy": (
        {name: region for name, region in _FEW_CLASSES.items() if name != "more than one batch dimension"}
        | _OF_LOSSES
        | OF_CLASSIFIER
        | {"more rows than a chunk, reduction mean": mean_of_chunks}
        | POSITIONS
        | layouts("input", "linear_weight", "target", "weight", "grad_output")
    ),
}
