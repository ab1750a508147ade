"""Who cannot be asked, and by what nobody can be judged."""

from __future__ import annotations

import numpy as np

from softproof import Problem, load

from ..helpers.candidates import MANUAL
from .inputs import GOOD, LAYER, ROW, Call, Table

SOFTMAX = load("manual:softmax", adapter="numpy")
CLASSIFIER = Problem("linear_cross_entropy", "float32", LAYER)


def _no_worse_than_itself(factor: float) -> Call:
    return lambda f: f.judge(MANUAL, GOOD, accuracy="D", baseline=MANUAL, factor=factor)


FACTORS: Table = {
    f"factor {factor}": (_no_worse_than_itself(factor), ValueError, f"factor is {factor}; expected a positive number")
    for factor in (0.0, -1.0, np.inf, np.nan)
}
JUDGING: Table = {
    "no problem": (lambda f: f.judge(MANUAL, "x"), TypeError, "problem is a str; expected a softproof.Problem"),
    "no implementation": (
        lambda f: f.judge("manual", GOOD),
        TypeError,
        "implementation is a str; expected what softproof.load gives",
    ),
    "rows three times": (
        lambda f: f.judge_repeated(SOFTMAX, Problem("softmax", "float32", ROW, {"dim": -1}), 3),
        ValueError,
        "times is 3; expected a power of 2",
    ),
    "an operation that it lacks": (
        lambda f: f.judge(SOFTMAX, Problem("entropy", "float32", {"p": [1.0]})),
        ValueError,
        "the problem is about entropy; manual:softmax has softmax",
    ),
    "arithmetic": (lambda f: f.judge(MANUAL, GOOD, arithmetic="x"), ValueError, "arithmetic is 'x'; expected one of"),
    "accuracy": (lambda f: f.judge(MANUAL, GOOD, accuracy="E"), ValueError, "accuracy is 'E'; expected one of A"),
    "no baseline": (lambda f: f.judge(MANUAL, GOOD, accuracy="D"), ValueError, "baseline is None"),
    "bound of nothing": (lambda f: f.bound(1), TypeError, "problem is a int; expected a softproof.Problem"),
    "truth of nothing": (lambda f: f.solve("x"), TypeError, "problem is a str; expected a softproof.Problem"),
    "bits": (lambda f: f.solve(GOOD, -1), ValueError, "bits is -1; expected a whole number of at least 53"),
    "behaviour of a name": (
        lambda f: f.check_behaviour("manual", GOOD),
        TypeError,
        "candidate is a str; expected what softproof",
    ),
    "check": (
        lambda f: f.check_behaviour(MANUAL, GOOD, check="x"),
        ValueError,
        "check is 'x'; expected one of asked twice",
    ),
    "relations of a name": (
        lambda f: f.check_relations("manual", GOOD),
        TypeError,
        "candidate is a str; expected what softproof",
    ),
    "relation": (
        lambda f: f.check_relations(MANUAL, GOOD, relation="x"),
        ValueError,
        "relation is 'x'; expected one of common shift",
    ),
    "stages of a softmax": (
        lambda f: list(f.stages(MANUAL, GOOD, f.judge)),
        ValueError,
        "operation is 'softmax'; linear_cross_entropy has stages",
    ),
    "stages without a judge": (
        lambda f: list(f.stages(MANUAL, CLASSIFIER, 1)),
        TypeError,
        "judge is a int; expected a function from a Problem to a Verdict",
    ),
    "arithmetic of no format": (lambda f: f.any_order("float8"), ValueError, "dtype is 'float8'; expected one of"),
    "behaviour of an operation that it lacks": (
        lambda f: f.check_behaviour(SOFTMAX, Problem("log_softmax", "float32", ROW)),
        ValueError,
        "the problem is about log_softmax; manual:softmax has softmax",
    ),
    "relations of an operation that it lacks": (
        lambda f: f.check_relations(SOFTMAX, Problem("log_softmax", "float32", ROW)),
        ValueError,
        "the problem is about log_softmax; manual:softmax has softmax",
    ),
    "stages of what has none": (
        lambda f: list(f.stages(SOFTMAX, CLASSIFIER, f.judge)),
        ValueError,
        "the problem is about linear; manual:softmax has softmax",
    ),
    "a dtype that it lacks": (
        lambda f: f.judge(MANUAL, Problem("softmax", "bfloat16", ROW)),
        ValueError,
        "the problem is in dtype bfloat16; manual has float64, float32, float16",
    ),
    "a device that it lacks": (
        lambda f: f.judge(MANUAL, GOOD, device="cuda"),
        ValueError,
        "device is 'cuda'; the numpy adapter has cpu only",
    ),
    "ten to the thirtieth bits": (
        lambda f: f.judge(MANUAL, GOOD, bits=[10**30]),
        ValueError,
        "bits is 1000000000000000000000000000000; expected a whole number of at least 53, and at most 65536",
    ),
}
