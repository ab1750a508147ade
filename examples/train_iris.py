"""Train the article's three-class linear classifier on Fisher's Iris, by hand and by torch in lockstep, judged.

Both halves start from the same W = 0, b = 0 and take gradient steps on their own parameters. At every step the logits,
the loss and the gradients of each are put before the judge; the first disagreement stops the training.

Run from the repository root: python -m examples.train_iris
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import manual
import reference
from softproof import Candidate, Problem, Verdict, judge_result, load
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array

DATA = Path(__file__).parent / "data" / "iris.csv"
LEARNING_RATE = 0.5
SPECIES = ("setosa", "versicolor", "virginica")


def iris(dtype: str = "float32") -> tuple[Floats, Array]:
    """Standardised measurements (150, 4) as numbers of `dtype`, and labels (150,)."""
    with DATA.open() as file:
        rows = list(csv.DictReader(file))
    x = np.array([[float(value) for name, value in row.items() if name != "species"] for row in rows])
    labels = np.array([SPECIES.index(row["species"]) for row in rows])
    return FORMATS[dtype].round((x - x.mean(0)) / x.std(0)), labels


@dataclass(frozen=True)
class Step:
    """What one half did in one step: its parameters before, its loss and logits, and the verdicts on them."""

    half: str
    weight: Floats  # (3, 4)
    bias: Floats  # (3,)
    loss: float
    logits: Floats  # (150, 3)
    verdicts: tuple[Verdict, ...]

    @property
    def ratio(self) -> float:
        """Worst error in units of the bound."""
        return max(verdict.ratio for verdict in self.verdicts)


def train(half: Candidate, steps: int, dtype: str = "float32", device: str = "cpu") -> Iterator[Step]:
    """Gradient descent with every step judged."""
    x, labels = iris(dtype)
    parameters = {"weight": np.zeros((3, 4)), "bias": np.zeros(3)}
    for _ in range(steps):
        w, b = parameters["weight"], parameters["bias"]
        layer = Problem("linear", dtype, {"input": x, "weight": w, "bias": b})
        inputs = {"input": x, "linear_weight": w, "linear_bias": b, "target": labels}
        network = Problem("linear_cross_entropy", dtype, inputs, grad_output=1.0)

        answers = half.answer(layer, device), half.answer(network, device)

        verdicts = tuple(
            judge_result(problem, answer, device=device)
            for problem, answer in zip((layer, network), answers, strict=True)
        )
        outputs = answers[1].outputs
        loss, logits = float(outputs["value"].values), answers[0].outputs["value"].values
        yield Step(half.name, w, b, loss, logits, verdicts)
        for name in parameters:
            update = LEARNING_RATE * outputs[f"grad_linear_{name}"].values
            parameters[name] = FORMATS[dtype].round(parameters[name] - update)


def accuracy(logits: Floats) -> float:
    """The share of flowers whose largest logit is that of their species."""
    _, labels = iris()
    return float((logits.argmax(-1) == labels).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Train both halves and return 0 if every step of both agrees with the truth, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="gradient steps (default: %(default)s)")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float32", help="default: %(default)s")
    parser.add_argument("--device", default="cpu", help="where the tensors of the reference live (default: cpu)")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"--steps {options.steps}: expected at least 1")

    by_hand = train(load(manual, adapter="numpy"), options.steps, options.dtype)
    by_torch = train(load(reference, adapter="torch"), options.steps, options.dtype, options.device)
    worst = {"manual": 0.0, "reference": 0.0}
    for number, pair in enumerate(zip(by_hand, by_torch, strict=True), start=1):
        for step in pair:
            worst[step.half] = max(worst[step.half], step.ratio)
            if refused := [verdict for verdict in step.verdicts if not verdict.ok]:
                print(f"step {number}, {step.half}: {refused[0]}\n{refused[0].problem!r}")
                return 1
        if number % max(1, options.steps // 10) == 0:
            losses = ", ".join(f"{step.half} {step.loss:.6f} ({step.ratio:.3f} of the bound)" for step in pair)
            print(f"step {number} of {options.steps}: loss {losses}", file=sys.stderr, flush=True)
    for step in pair:
        share = accuracy(step.logits)
        print(f"{step.half:9s}  loss {step.loss:.6f}  accuracy {share:.3f}  worst error/bound {worst[step.half]:.3f}")
    print(f"every step agrees: logits, loss and gradients, {options.steps} steps, {options.dtype}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
