"""How many digits of a small loss survive: the usual cross-entropy, the accurate one, and torch's, in float32.

A confident classifier gives its label a probability p near 1. For each p the logits of 16 samples are drawn around it,
and the table holds the number of correct decimal digits of the worst of them, of the loss and of the gradient of the
label's logit: up to 6, which is what float32 is sure to hold. The truth is softproof's.

Run from the repository root: python -m examples.confidence
"""

from __future__ import annotations

import sys

import numpy as np
from flint import ctx

import manual
import reference
from softproof import Candidate, Problem, load, solve
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.truth.balls import Truth, balls

SAMPLES = 16
CLASSES = (2, 1000)
BITS = 128
CONFIDENCES = {  # 1 - p
    "0.9": 0.1,
    "0.99": 0.01,
    "0.999": 1e-3,
    "0.9999": 1e-4,
    "0.99999": 1e-5,
    "1 - 2^-20": 2.0**-20,
    "1 - 2^-24": 2.0**-24,
}
CONTESTANTS = {
    "usual": load(manual.cross_entropy, adapter="numpy"),
    "accurate": load(manual.accurate_cross_entropy, operation="cross_entropy", adapter="numpy"),
    "torch": load(reference.cross_entropy, adapter="torch"),
}


def confident(small: float, classes: int) -> Problem:
    """Samples whose first class, the label, has a probability of about 1 - small."""
    rng = np.random.default_rng(0)
    rest = small * rng.uniform(1, 1.25, (SAMPLES, 1))  # 1 - p (N, 1)
    others = rng.uniform(-1, 1, (SAMPLES, classes - 1))  # (N, C - 1)
    others -= np.log(np.exp(others).sum(-1, keepdims=True)) + np.log((1 - rest) / rest)
    logits = FORMATS["float32"].round(np.hstack([np.zeros((SAMPLES, 1)), others]))  # (N, C)
    inputs = {"logits": logits, "target": np.zeros(SAMPLES, np.int64)}
    return Problem("cross_entropy", "float32", inputs, {"reduction": "none"}, np.ones(SAMPLES))


def digits(found: Array, truth: Array) -> int:
    """Correct decimal digits of the least accurate element: -log10 of its relative error, rounded down."""
    with ctx.workprec(BITS):
        errors = (np.abs(balls(found) - truth) / np.abs(truth)).astype(np.float64)
    return int(np.clip(np.floor(-np.log10(errors.max())), 0, np.finfo(np.float32).precision))


def kept(candidate: Candidate, problem: Problem, truth: Truth) -> tuple[int, int]:
    """Digits of the loss and of the label's gradient."""
    found = {name: output.values for name, output in candidate.answer(problem).outputs.items()}
    label = digits(found["grad_logits"][:, 0], truth["grad_logits"][:, 0])
    return digits(found["value"], truth["value"]), label


def table() -> str:
    """The digits kept, as a table in Markdown."""
    columns = [f"{part}, {name}" for part in ("loss", "gradient") for name in CONTESTANTS]
    lines = [["classes", "p", *columns], ["---:", "---", *["---:"] * len(columns)]]
    for classes in CLASSES:
        for name, small in CONFIDENCES.items():
            problem = confident(small, classes)
            truth = solve(problem, BITS)
            losses, gradients = zip(*(kept(each, problem, truth) for each in CONTESTANTS.values()), strict=True)
            lines.append([str(classes), name, *map(str, losses), *map(str, gradients)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Print the table."""
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
