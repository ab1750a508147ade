"""The truth in balls overlaps what mpmath, decimal and fractions make of the definitions, element by element."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Problem, problems, solve
from softproof.problem.outputs import value_shape
from softproof.problem.problem import Array

from .helpers.arithmetics import InDecimal, InFractions, InMpmath, Number
from .helpers.by_definition import DEFINITIONS, expected
from .helpers.truth_by_definition import INF, ROWS, check, disagreements, overlap

ROUNDING = pytest.mark.parametrize("kind", [InMpmath, InDecimal], ids=["mpmath", "decimal"])
OF_LOGITS = ("softmax_entropy", "softmax_kl_divergence")  # whose gradients are logarithms, too
INFORMATION = ("entropy", "distribution_cross_entropy", "kl_divergence")


def drawn(operation: str) -> st.SearchStrategy[Problem]:
    """Small problems that have an answer in numbers; the others are those of tests/test_semantics.py."""
    supports = frozenset(OPERATIONS[operation].extras) - {"nonfinite"}
    return problems(operation, "float64", small=True, supports=supports).filter(_has_a_mean)


def _has_a_mean(problem: Problem) -> bool:
    """Whether no mean is taken over labels whose weights are 0 in all."""
    weight, target = problem.inputs.get("weight"), problem.inputs.get("target")
    if target is None or weight is None or "linear_weight" not in problem.inputs or target.dtype != np.int64:
        return True
    return bool(weight[target[target != problem.options.get("ignore_index", -100)]].sum() != 0)


def test_every_operation_has_a_definition() -> None:
    """None is left out."""
    assert DEFINITIONS.keys() == OPERATIONS.keys()


@ROUNDING
@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_the_truth_of_drawn_problems(kind: type[Number], operation: str, data: st.DataObject) -> None:
    """Values, gradients and options as the judge draws them."""
    check(kind, data.draw(drawn(operation)))


@ROUNDING
@pytest.mark.parametrize("target", [0.0, 0.6])
@pytest.mark.parametrize(
    ("weight", "smoothing", "g"), [(0.0, 0.1, 1.0), (1.0, 1.0, 1.0), (1.0, 0.1, 0.0), (0.0, 1.0, 0.0)]
)
def test_no_slope_beside_a_mask(kind: type[Number], target: float, weight: float, smoothing: float, g: float) -> None:
    """0 times the log-probability of a masked class is 0, for each factor that may be 0."""
    inputs: dict[str, Any] = {"logits": [0.0, -INF], "target": [0.4, target], "weight": [1.0, weight]}
    found = check(kind, Problem("cross_entropy", "float64", inputs, {"label_smoothing": smoothing}, g))

    assert overlap(0.0, found["grad_target"][1])


UPSTREAM = [1.5, -1e300, 5e-324]


@ROUNDING
@pytest.mark.parametrize("row", ROWS)
def test_softmax_at_the_edges(kind: type[Number], row: str) -> None:
    """Softmax, its logarithm and its normaliser, with upstream gradients large and small."""
    for operation in ("softmax", "log_softmax", "logsumexp"):
        g = 1.5 if operation == "logsumexp" else UPSTREAM[: len(ROWS[row])]
        check(kind, Problem(operation, "float64", {"logits": ROWS[row]}, {"dim": 0}, g))


def _targets(row: list[float]) -> list[Array]:
    """A label for each class and an ignored one in one batch; and probabilities, where no class is masked."""
    classes = len(row)
    labels = [np.array([*range(classes), -100])]
    return labels if -INF in row else [*labels, np.tile(np.arange(1.0, classes + 1) / 16, (classes + 1, 1))]


@ROUNDING
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_cross_entropy_at_the_edges(kind: type[Number], row: str, weighted: bool) -> None:
    """Every target, reduction and smoothing."""
    logits = np.tile(ROWS[row], (len(ROWS[row]) + 1, 1))  # (C + 1, C)
    weight: dict[str, Any] = {"weight": [0.75, 3.0, 1e-300][: logits.shape[1]]} if weighted else {}
    smoothings = (0.0, 0.1) if -INF in ROWS[row] else (0.0, 0.1, 1.0)
    for target, reduction, smoothing in product(_targets(ROWS[row]), ("mean", "sum", "none"), smoothings):
        g = np.linspace(-2.0, 2.0, len(logits)) if reduction == "none" else -0.3
        options = {"reduction": reduction, "label_smoothing": smoothing}
        check(kind, Problem("cross_entropy", "float64", {"logits": logits, "target": target} | weight, options, g))


@ROUNDING
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_that_are_infinite_with_either_sign(kind: type[Number], reduction: str) -> None:
    """A probability below 0 of a masked class makes -inf, which added to +inf is not a number."""
    inputs = {"logits": [[0.0, -INF]] * 2, "target": [[0.5, -0.25], [0.5, 0.25]]}
    g = [1.0, -2.0] if reduction == "none" else 1.0
    check(kind, Problem("cross_entropy", "float64", inputs, {"reduction": reduction}, g))


@ROUNDING
@pytest.mark.parametrize("weight", [[-2.0, 1.0], [2.0, 1.0]])
def test_an_infinite_mean_over_weights_below_zero(kind: type[Number], weight: list[float]) -> None:
    """-inf over a negative sum of weights is +inf, which is what torch says."""
    inputs: dict[str, Any] = {"logits": [[-INF, 0.0], [1.0, 0.0]], "target": [0, 0], "weight": weight}

    found = check(kind, Problem("cross_entropy", "float64", inputs, {"reduction": "mean"}, 1.0))

    assert found["value"][()] == INF


@ROUNDING
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("inputs", [
    {"target": [-100, -100]},
    {"target": [0, -100], "weight": [0.0, 1.0]},
    {"target": [1, 0], "weight": [0.0, 1.0]},
], ids=["nothing counts", "no weight", "one without weight"])  # fmt: skip
def test_means_over_nothing(kind: type[Number], reduction: str, inputs: dict[str, Any]) -> None:
    """0/0 where it is the answer."""
    g = [1.0, -2.0] if reduction == "none" else 1.0
    check(kind, Problem("cross_entropy", "float64", {"logits": np.eye(2)} | inputs, {"reduction": reduction}, g))


@ROUNDING
def test_distributions_at_the_edges(kind: type[Number]) -> None:
    """Zeros, subnormal numbers, neighbours of 1 and what does not sum to 1."""
    p = [[0.0, 1.0], [5e-324, 1.0], [1.0 - 2.0**-53, 2.0**-53], [0.5, 0.5], [1e300, 1e-300]]
    for q in ([0.5, 0.5], [1.0, 5e-324], [1.0 - 2.0**-53, 2.0**-53], [1.0, 0.0], [0.0, 1.0]):
        for operation in INFORMATION:
            inputs = {"p": p} if operation == "entropy" else {"p": p, "q": [q] * len(p)}
            check(kind, Problem(operation, "float64", inputs))


@ROUNDING
def test_linear_at_the_edges(kind: type[Number]) -> None:
    """Products beyond the range of float64, and sums that cancel."""
    inputs: dict[str, Any] = {
        "input": [[1e300, 1e-300, 1.0], [5e-324, 1.0, -1e300]],
        "weight": [[1e300, 5e-324, 1.0], [1.0, 1e300, 1.0 + 2.0**-52]],
        "bias": [-1e300, 5e-324],
    }
    check(kind, Problem("linear", "float64", inputs, {}, [[1.0, -1e300], [5e-324, 3.0]]))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in (*INFORMATION, *OF_LOGITS)])
@given(data=st.data())
def test_gradients_at_equal_logits_are_rational(operation: str, data: st.DataObject) -> None:
    """Any labels, weights, smoothing and reduction: the exact fraction lies in the ball. A product of matrices too."""
    problem = _level(data.draw(drawn(operation)))
    if problem.grad_output is None:
        problem = replace(problem, grad_output=np.ones(value_shape(problem)))

    other = check(InFractions, problem)

    names = [name for name in other if name not in ("value", "grad_target")]
    assert names
    assert not any(x.error for name in names for x in other[name].flat if isinstance(x, Number))


def _level(problem: Problem) -> Problem:
    """The same problem with equal logits."""
    level: dict[str, Array] = {}
    for name in ("logits", "linear_weight", "linear_bias"):
        values = problem.inputs.get(name)
        if values is not None:
            first = values[:1] if name != "logits" else np.zeros(1)
            level[name] = np.broadcast_to(first, values.shape).copy()
    return replace(problem, inputs={**problem.inputs, **level})


LOGITS: dict[str, Any] = {"logits": [0.3, -1.0, 4.0]}
TWO: dict[str, Any] = {"p": [0.3, 0.7], "q": [0.6, 0.4]}
PROBABILITIES: dict[str, Any] = {"target": [0.2, 0.3, 0.5], "weight": [0.5, 2.0, 3.0]}
LAYER: dict[str, Any] = {"input": [[0.1, 2.0]], "linear_weight": [[3.0, 0.7], [1.0, 5.0]], "linear_bias": [0.1, 0.2]}
WITNESSES = [
    Problem("softmax", "float64", LOGITS, {"dim": 0}, [1.0, 2.0, -0.5]),
    Problem("log_softmax", "float64", LOGITS, {"dim": 0}, [1.0, 2.0, -0.5]),
    Problem("logsumexp", "float64", LOGITS, {"dim": 0}, 0.7),
    Problem("entropy", "float64", {"p": TWO["p"]}),
    Problem("distribution_cross_entropy", "float64", TWO),
    Problem("kl_divergence", "float64", TWO),
    Problem("linear", "float64", {"input": [0.1, 2.0], "weight": [[3.0, 0.7]], "bias": [0.1]}, {}, [0.3]),
    Problem("cross_entropy", "float64", LOGITS | PROBABILITIES, {"label_smoothing": 0.1}, 0.9),
    Problem("linear_cross_entropy", "float64", LAYER | {"target": [0]}, {}, 0.9),
]


@ROUNDING
@pytest.mark.parametrize("problem", WITNESSES, ids=lambda problem: problem.operation)
def test_the_cross_check_can_fail(kind: type[Number], problem: Problem) -> None:
    """A truth that is wrong by one part in 10^15 disagrees in every element, at the judge's precision."""
    other = expected(kind, problem)

    with ctx.workprec(256), kind.context():
        wrong = {name: np.asarray(array * (1 + arb(10) ** -15)) for name, array in solve(problem).items()}
        found = disagreements(wrong, other)

    assert len(found) == sum(array.size for array in other.values())


@ROUNDING
def test_the_cross_check_sees_shapes_and_infinities(kind: type[Number]) -> None:
    """A missing gradient, another shape, and infinity for a number."""
    problem = WITNESSES[0]
    truth, other = solve(problem), expected(kind, problem)

    assert disagreements({"value": truth["value"]}, other) == ["grad_logits", "value"]
    assert disagreements(truth | {"value": truth["value"][:2]}, other) == ["grad_logits", "value"]
    assert disagreements(truth | {"value": np.array([INF, np.nan, 0.0], dtype=object)}, other) == [
        "value[0]", "value[1]", "value[2]"
    ]  # fmt: skip
