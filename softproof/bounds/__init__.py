"""How far a correct implementation may lie from the truth: one function per theorem of docs/bounds.md.

Each bound is per element, depends on the problem and an arithmetic model, and is evaluated in float64. A bound of inf
says that the theorem promises nothing there; `compare` then says *no guarantee*. These files hold the only numbers of
the project that act as tolerances, and each of them counts roundings.
"""

from __future__ import annotations

import numpy as np

from ..arithmetic import Arithmetic, any_order
from ..formats import Floats
from ..problem import Problem
from .algebra import rdiv as rdiv
from .algebra import rmul as rmul
from .algebra import store
from .cross_entropy import cross_entropy, linear_cross_entropy
from .information import distribution_cross_entropy, entropy, kl_divergence
from .linear import linear
from .softmax import log_softmax, logsumexp, softmax

Bounds = dict[str, Floats]

EVALUATION = 2.0**-20  # the bounds themselves are evaluated in float64, with fewer than 2**32 roundings of 2**-53

_THEOREMS = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "entropy": entropy,
    "distribution_cross_entropy": distribution_cross_entropy,
    "kl_divergence": kl_divergence,
    "linear": linear,
    "cross_entropy": cross_entropy,
    "linear_cross_entropy": linear_cross_entropy,
}


def bound(problem: Problem, arithmetic: Arithmetic | None = None) -> Bounds:
    """Allowed |computed - exact| per element of each output of `problem`, in the order-free model by default.

    >>> problem = Problem("logsumexp", "float32", {"logits": [0.0, 0.0]}, {"dim": -1})
    >>> float((bound(problem)["value"] / 2.0**-24).round(2))  # in units of u: 1 for the sum, 5 log 2 and log 2 for y
    5.16
    """
    arithmetic = arithmetic or any_order(problem.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        pairs = _THEOREMS[problem.operation](problem, arithmetic)
        allowed = {name: store(*pair, arithmetic) * (1 + EVALUATION) for name, pair in pairs.items()}
    return {name: np.where(np.isnan(each), np.inf, each) for name, each in allowed.items()}  # 0·inf promises nothing
