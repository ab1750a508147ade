"""Edge cases of the linear layer and of its classifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...problem.problem import Problem
from .edge_case import ERROR, F32, EdgeCase


def linear_edge_cases() -> Iterator[EdgeCase]:
    """Of features, 160 to 167."""

    def layer(number: int, question: str, rows: int, features: int, mathematics: str) -> EdgeCase:
        inputs = {"input": np.ones((rows, features)), "weight": np.ones((2, features)), "bias": np.array([1.0, 2.0])}
        return EdgeCase(number, question, Problem("linear", F32, inputs, {}, np.ones((rows, 2))), mathematics)

    def ignored(number: int, question: str, rows: tuple[int, ...], mathematics: str) -> EdgeCase:
        inputs = {"input": np.ones((*rows, 3)), "linear_weight": np.ones((2, 3)), "target": np.full(rows, -100)}
        problem = Problem("linear_cross_entropy", F32, inputs, {}, 1.0)
        return EdgeCase(number, f"linear_cross_entropy, {question}, mean", problem, mathematics, as_both)

    as_both = "as linear, cross_entropy"
    yield layer(160, "linear of no rows", 0, 3, "nothing; ∂W and ∂b are empty sums: 0")
    yield layer(161, "linear of no features", 2, 0, "empty sums: the bias")
    for number, reduction, mathematics in (
        (162, "sum", "0, and ∂W = 0"),
        (163, "mean", "NaN, and ∂W is an empty sum: 0"),
    ):
        inputs = {"input": np.ones((0, 3)), "linear_weight": np.ones((2, 3)), "target": np.zeros(0, np.int64)}
        problem = Problem("linear_cross_entropy", F32, inputs, {"reduction": reduction}, 1.0)
        yield EdgeCase(number, f"linear_cross_entropy of no rows, {reduction}", problem, mathematics, as_both)
    yield ignored(164, "every row ignored", (2,), "as 92")
    w = np.arange(12.0).reshape(2, 2, 3) % 5
    inputs = {"input": np.eye(2, 3), "linear_weight": w, "target": np.array([[0, 1], [1, -100]])}
    yield EdgeCase(
        165,
        "linear_cross_entropy, K-dimensional",
        Problem("linear_cross_entropy", F32, inputs, {}, 1.0),
        "logits Σ_j W_cdj x_nj (N, C, d1), and their loss over all N d1 rows that count",
        "a weight (C, d1, …, dK, D) with input (N, D) and target (N, d1, …, dK)",
    )
    inputs = {"input": np.ones(3), "linear_weight": w, "target": np.array([0, 1])}
    yield EdgeCase(
        166,
        "linear_cross_entropy, K-dimensional without a batch",
        Problem("linear_cross_entropy", F32, inputs),
        "logits (C, d1), which are a batch of C rows in the loss",
        "a weight of more dimensions requires batched input (N, D)",
        ERROR,
    )
    yield ignored(167, "an ignored label without a batch", (), "as 158")
