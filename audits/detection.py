"""How small an error the judge sees, beside the comparisons that torch offers with their default tolerances.

The answers are exact values rounded to the dtype, so that the only error is the one that is planted. The model is any
order: what is seen here is seen when you know nothing about the internals of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks import text
from softproof import Output, Problem, Result, judge_result, solve
from softproof.candidates.adapters.torch_arrays import make
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array
from softproof.truth.solver import FLOAT64

SMALLEST, LARGEST = -60, 60  # exponents of the errors that are tried
ROWS = {10: 256, 1000: 16}  # of the loss whose gradient is spoiled; one where there are more classes
NAMES = {
    ("softmax", "value"): "softmax",
    ("log_softmax", "value"): "log_softmax",
    ("softmax", "grad_logits"): "gradient of softmax",
    ("log_softmax", "grad_logits"): "gradient of log_softmax",
    ("logsumexp", "grad_logits"): "gradient of logsumexp",
    ("cross_entropy", "grad_logits"): "gradient of cross_entropy, mean",
}  # what is spoiled
Answer = dict[str, Array]


class Case(NamedTuple):
    """Of which output the median element is spoiled, or a whole row."""

    operation: str
    dtype: str
    classes: int
    output: str = "value"


def question(rng: np.random.Generator, case: Case) -> Problem:
    """Logits 3·N(0, 1): one row; for a mean loss some more, and the label of each."""
    rows = ROWS.get(case.classes, 1) if case.operation == "cross_entropy" else 1
    x = FORMATS[case.dtype].round(3 * rng.normal(size=(rows, case.classes)))
    if case.operation == "cross_entropy":
        return Problem(
            case.operation, case.dtype, {"logits": x, "target": rng.integers(0, case.classes, rows)}, {}, 1.0
        )
    g = FORMATS[case.dtype].round(rng.normal(size=x.shape))
    g = g[:, 0] if case.operation == "logsumexp" else g
    return Problem(case.operation, case.dtype, {"logits": x}, {"dim": -1}, None if case.output == "value" else g)


def nearest(problem: Problem) -> Answer:
    """The exact answer, rounded to the dtype."""
    truth = solve(problem, 128 if problem.dtype == "float64" else FLOAT64)
    return {name: FORMATS[problem.dtype].round(values.astype(np.float64)) for name, values in truth.items()}


def judged(problem: Problem, answer: Answer) -> bool:
    """Whether the judge sees that something is wrong."""
    return not judge_result(problem, Result({name: Output(each, problem.dtype) for name, each in answer.items()})).ok


def closed(dtype: str, got: Array, expected: Array) -> bool:
    """Whether torch.testing.assert_close sees it."""
    first, second = (make(each, dtype, "contiguous", "cpu") for each in (got, expected))
    try:
        torch.testing.assert_close(first, second)
    except AssertionError:
        return True
    return False


def gradchecked(problem: Problem, answer: Answer) -> bool:
    """Whether torch.autograd.gradcheck sees that a backward pass returns this gradient of a cross-entropy."""
    inputs = {name: make(each, problem.dtype, "contiguous", "cpu") for name, each in problem.inputs.items()}
    gradient = make(answer["grad_logits"], problem.dtype, "contiguous", "cpu")

    class Spoiled(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: object, logits: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(logits, inputs["target"])

        @staticmethod
        def backward(_ctx: object, grad_output: torch.Tensor) -> torch.Tensor:
            return grad_output * gradient

    return not torch.autograd.gradcheck(Spoiled.apply, inputs["logits"].requires_grad_(), raise_exception=False)


def spoiled(dtype: str, values: Floats, size: float) -> Floats:
    """`values` with its element of median magnitude multiplied by 1 + size, in the dtype."""
    found = values.copy()
    middle = np.argsort(np.abs(found), axis=None)[found.size // 2]
    found.flat[middle] = FORMATS[dtype].round(found.flat[middle] * (1 + size))
    return found


def spoiled_row(dtype: str, values: Floats, size: float) -> Floats:
    """`values` with its last row multiplied by 1 + size, in the dtype."""
    found = values.copy()
    found[-1] = FORMATS[dtype].round(found[-1] * (1 + size))
    return found


def smallest(caught: Callable[[float], bool]) -> float:
    """The smallest power of 2 that is caught, by bisection; infinity when none is."""
    low, high = SMALLEST, LARGEST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if caught(2.0**middle) else (middle + 1, high)
    return 2.0**low if low < LARGEST else np.inf


def thresholds(case: Case, seed: int = 0) -> dict[str, float]:
    """The smallest relative error of the median element that each comparison sees, and that of a row that is seen."""
    problem = question(np.random.default_rng(seed), case)
    right, name = nearest(problem), case.output

    def wrong(size: float) -> Answer:
        return {**right, name: spoiled(case.dtype, right[name], size)}

    checks: dict[str, Callable[[Answer], bool]] = {
        "softproof": lambda answer: judged(problem, answer),
        "assert_close": lambda answer: closed(case.dtype, answer[name], right[name]),
    }
    if case.operation == "cross_entropy" and case.dtype == "float64" and case.classes <= 10:
        checks["gradcheck"] = lambda answer: gradchecked(problem, answer)
    found = {}
    for check, sees in checks.items():
        size = smallest(lambda size, sees=sees: sees(wrong(size)))  # type: ignore[misc]  # bound in this round
        found[check] = relative_error(wrong(size)[name], right[name])
    row = smallest(lambda size: judged(problem, {**right, name: spoiled_row(case.dtype, right[name], size)}))
    return found | {"whole row": row}


def relative_error(got: Floats, expected: Floats) -> float:
    """Of the one element that differs; what rounding has made of the error that was planted."""
    middle = np.argmax(got != expected)
    return float(abs(got.flat[middle] / expected.flat[middle] - 1))


def cases(classes: tuple[int, ...]) -> list[Case]:
    """The lines of the third table."""
    return [Case(operation, dtype, count, output)
            for operation, output in NAMES for count in classes for dtype in FORMATS]  # fmt: skip


def detection(classes: tuple[int, ...] = (10, 1000, 32768, 131072)) -> str:
    """The third table."""
    columns = ("softproof", "whole row", "assert_close", "gradcheck")
    lines: list[tuple[str, ...]] = [("output", "dtype", "classes", *columns)]
    todo = cases(classes)
    for done, case in enumerate(todo, 1):
        text.progress(done, len(todo), f"detection: {' '.join(map(str, case))}")
        found = thresholds(case)
        cells = (f"{found[name]:.1e}" if name in found else "-" for name in columns)
        lines.append((NAMES[case.operation, case.output], case.dtype, str(case.classes), *cells))
    title = "Smallest relative error that is seen: of one element, and of a whole row"
    return text.table(title, lines, left=2)


# ---- answers that are wrong altogether ------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """An answer that is wrong altogether."""

    question: str
    answer: str
    problem: Problem
    right: Answer
    output: str
    got: Array

    @property
    def seen(self) -> tuple[bool, bool]:
        """By softproof, and by assert_close."""
        dtype = self.problem.dtype
        wrong = {**self.right, self.output: FORMATS[dtype].round(self.got)}
        return judged(self.problem, wrong), closed(dtype, wrong[self.output], self.right[self.output])


def _softmaxes(rng: np.random.Generator, dtype: str, classes: int) -> Iterator[Wrong]:
    """Nearly uniform probabilities of many classes: each of them is below the absolute tolerance."""
    x = FORMATS[dtype].round(0.05 * rng.normal(size=(1, classes)))
    problem = Problem("softmax", dtype, {"logits": x}, {"dim": -1})
    right = nearest(problem)
    p, name = right["value"], f"softmax, 1 x {classes}"
    yield Wrong(name, "all zeros", problem, right, "value", np.zeros_like(p))
    yield Wrong(name, "uniform", problem, right, "value", np.full_like(p, 1 / classes))
    yield Wrong(name, "shuffled", problem, right, "value", rng.permutation(p, axis=-1))
    yield Wrong(name, "doubled", problem, right, "value", 2 * p)


def _gradients(rng: np.random.Generator, dtype: str, many: tuple[int, int], long: tuple[int, int]) -> Iterator[Wrong]:
    """Gradients of a mean: of many classes, and of a long batch."""
    for (rows, classes), scale in ((many, 0.5), (long, 1.0)):
        x = FORMATS[dtype].round(scale * rng.normal(size=(rows, classes)))
        labels = rng.integers(0, classes, rows)
        problem = Problem("cross_entropy", dtype, {"logits": x, "target": labels}, {}, 1.0)
        right, name = nearest(problem), f"gradient of cross_entropy, mean, {rows} x {classes}"
        if (rows, classes) == many:
            forgotten = np.zeros(x.shape)
            forgotten[np.arange(rows), labels] = -1 / rows
            yield Wrong(name, "softmax forgotten", problem, right, "grad_logits", forgotten)
        else:
            yield Wrong(name, "all zeros", problem, right, "grad_logits", np.zeros(x.shape))
            yield Wrong(name, "sign flipped", problem, right, "grad_logits", -right["grad_logits"])


def wrong_answers(
    classes: int = 131072, many: tuple[int, int] = (256, 8192), long: tuple[int, int] = (200_000, 4)
) -> str:
    """The table of answers that are wrong altogether."""
    lines: list[tuple[str, ...]] = [("output", "answer", "dtype", "softproof", "assert_close")]
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float16", "bfloat16"):
        text.progress(1, 1, f"wrong answers: {dtype}")
        for wrong in [*_softmaxes(rng, dtype, classes), *_gradients(rng, dtype, many, long)]:
            verdicts = ("rejected" if seen else "accepted" for seen in wrong.seen)
            lines.append((wrong.question, wrong.answer, dtype, *verdicts))
    return text.table("Answers that are wrong altogether", lines, left=5)
