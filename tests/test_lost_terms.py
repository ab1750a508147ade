"""Infinite terms whose coefficients rounding may lose, and denominators whose sign it may change (Theorem 20).

Kernels in NumPy's arithmetic of the problem's format, each of them right, are judged where a coefficient of a masked
class underflows, or its parts cancel; and quotients by what each order leaves of weights that nearly cancel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

from softproof import Output, Problem, Result, Verdict, judge_result, solve
from softproof.problem.problem import Array
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE
from softproof.verdicts.verdict import UNSPECIFIED as NOT_FIXED

NAN, INF = np.nan, np.inf
Rng = np.random.Generator


@pytest.fixture
def rng(number_of_the_run: int) -> Rng:
    """By the seed of the run."""
    return np.random.default_rng(number_of_the_run)


def _verdict(problem: Problem, name: str, values: Any, arithmetic: str = "any-order", **outputs: Any) -> Verdict:
    """On one output, beside the others as they are."""
    given = {name: np.asarray(values, np.float64), **outputs}
    result = Result({each: Output(np.asarray(v, np.float64), problem.dtype) for each, v in given.items()})
    return judge_result(problem, result, arithmetic=arithmetic)


# ---- coefficients that underflow ------------------------------------------------------------------------------------


def _log_softmax(x: Array) -> Array:
    d = x - x.max(-1, keepdims=True)
    return np.asarray(d - np.log(np.exp(d).sum(-1, keepdims=True)))


def _parts(problem: Problem) -> tuple[Array, Array, Array, Array, Any]:
    """w, (1 - ε)q, ε/C, log p and what a mean divides by, in the problem's format."""
    number = np.dtype(problem.dtype).type
    x, q = (problem.inputs[name].astype(problem.dtype) for name in ("logits", "target"))
    w, epsilon = problem.inputs["weight"].astype(problem.dtype), number(problem.options.get("label_smoothing", 0.0))
    n = number(len(x) if problem.options["reduction"] == "mean" else 1)
    return w, (number(1) - epsilon) * q, np.asarray(epsilon / number(x.shape[1])), _log_softmax(x), n


def _times(t: Array, l: Array, guarded: bool) -> Array:  # noqa: E741  # as in the bounds
    return np.where(t == 0, t, t * l) if guarded else t * l


def _mixture(problem: Problem, guarded: bool, early: bool) -> Array:
    """-Σ t l for one coefficient t, divided by n before or after."""
    w, share, rest, l, n = _parts(problem)  # noqa: E741
    t = w * (share + rest) / (n if early else n / n)
    return np.asarray(-_times(t, l, guarded).sum() / (n / n if early else n))


def _two_sums(problem: Problem, guarded: bool, early: bool) -> Array:
    """-(Σ w(1 - ε)q l + Σ wε/C l), each part by itself."""
    w, share, rest, l, n = _parts(problem)  # noqa: E741
    by, last = (n, n / n) if early else (n / n, n)
    total = _times(w * share / by, l, guarded).sum()
    if problem.options["label_smoothing"]:
        total = total + _times(w * rest / by, l, guarded).sum()
    return np.asarray(-total / last)


KERNELS: dict[str, Callable[[Problem, bool, bool], Array]] = {"mixture": _mixture, "two sums": _two_sums}
SMALL = {"float32": (-152, -60), "float64": (-1078, -500)}  # exponents whose products underflow, or nearly


def _masked(rng: np.random.Generator, dtype: str, negative: bool) -> Problem:
    """Rows with a masked class, whose weight and probabilities are often tiny, as others sometimes are."""
    rows, classes = rng.integers(1, 4), rng.integers(2, 5)
    masked = np.arange(classes) == rng.integers(classes)
    x = np.where(masked & (rng.random((rows, classes)) < 0.7), -INF, rng.normal(0, 2, (rows, classes)))

    def tiny(shape: Any) -> Array:
        usual = np.where(masked, 0.1, 0.7) * np.ones(shape)
        exponents = np.where(rng.random(shape) < usual, rng.integers(-3, 3, shape), rng.integers(*SMALL[dtype], shape))
        return np.asarray(np.ldexp(rng.random(shape) + 0.5, exponents))

    q = tiny((rows, classes)) * np.where(rng.random((rows, classes)) < 0.3 * negative, -1, 1)
    epsilon = rng.choice([0.0, 0.0, 0.1, 2.0 ** SMALL[dtype][0], 1.0, 1 - 2.0**-40])
    inputs = {"logits": x, "target": q, "weight": tiny(classes)}
    options = {"reduction": rng.choice(["sum", "mean"]).item(), "label_smoothing": float(epsilon)}
    return Problem("cross_entropy", dtype, {k: v.astype(dtype) for k, v in inputs.items()}, options)


def _answers(problem: Problem) -> Iterator[float]:
    """The different ones that the kernels give."""
    with np.errstate(all="ignore"):
        checks = product(KERNELS.values(), (False, True), (False, True))
        given = [float(kernel(problem, guarded, early)) for kernel, guarded, early in checks]
    yield from {repr(each): each for each in given}.values()


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("numbers", SMALL)
def test_no_kernel_is_rejected_for_a_coefficient_that_underflows(
    numbers: str, negative: bool, rng: Rng, thorough: bool
) -> None:
    """Guarded or not, with one coefficient or two sums, divided early or late; and what nobody computes is rejected."""
    seen = Counter[str]()
    for count in range(400):
        if count >= 12 and seen["lost"] and seen["undefined"] and not thorough:
            break
        problem = _masked(rng, numbers, negative)
        exact = float(solve(problem)["value"][()])
        for got in _answers(problem):
            verdict = _verdict(problem, "value", got)
            assert verdict.outcome in (AGREES, NOT_FIXED, NO_GUARANTEE), (problem, got, str(verdict))
            seen["lost"] += bool(np.isinf(exact) and np.isfinite(got))
            seen["undefined"] += bool(np.isinf(exact) and np.isnan(got))
        assert not _verdict(problem, "value", 12345.0).ok
    assert seen["lost"]
    assert seen["undefined"]


def _one(target: float, weight: float = 1.0, **options: Any) -> Problem:
    """Two classes, the first of them masked."""
    inputs: dict[str, Any] = {"logits": [[-INF, 0.0]], "target": [[target, 1.0]], "weight": [weight, 1.0]}
    inputs = {name: np.asarray(each, np.float32) for name, each in inputs.items()}
    return Problem("cross_entropy", "float32", inputs, {"reduction": "sum", **options}, options.pop("g", None))


LEFT_OUT = {
    "half the least number": (_one(2.0**-100, 2.0**-50), True),
    "the least normal number": (_one(2.0**-76, 2.0**-50), False),
    "the least number": (_one(2.0**-100, 2.0**-49), False),
    "1 - ε that rounds to 0": (_one(1.0, label_smoothing=1 - 2.0**-40), False),
    "both parts": (_one(2.0**-149, 2.0**-30, label_smoothing=2.0**-149), True),
    "a part that stays": (_one(2.0**-149, 2.0**-30, label_smoothing=0.5), False),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_loss_is_finite_where_all_infinite_terms_may_be_left_out(name: str) -> None:
    """And neither another number, nor the other infinity."""
    problem, finite = LEFT_OUT[name]

    assert _verdict(problem, "value", INF).outcome == AGREES
    assert (_verdict(problem, "value", 0.0).outcome == NOT_FIXED) is finite
    for wrong in (1.0, -1.0, -INF):
        assert _verdict(problem, "value", wrong).outcome == DISAGREES


@pytest.mark.parametrize("arithmetic", ["any-order", "flush-to-zero"])
def test_a_subnormal_weight_is_lost_where_it_counts_as_0(arithmetic: str) -> None:
    """t = w is no product, and stays what it is, but where subnormal numbers are flushed."""
    inputs: dict[str, Any] = {"logits": [[-INF, 0.0]], "target": [0], "weight": np.array([2.0**-130, 1.0], np.float32)}
    problem = Problem("cross_entropy", "float32", inputs, {"reduction": "sum"})

    assert _verdict(problem, "value", 0.0, arithmetic).ok is (arithmetic == "flush-to-zero")


@pytest.mark.parametrize(
    ("value", "overflows", "fits"),
    [(0.0, NO_GUARANTEE, DISAGREES), (NAN, NOT_FIXED, DISAGREES), (INF, AGREES, AGREES)],
)
def test_a_denominator_that_overflows_leaves_no_coefficient(value: float, overflows: str, fits: str) -> None:
    """w/D is 0 then, and an infinite loss beside it nothing, or 0·∞; a tenth of the weights is no such case."""
    logits, labels = [[-INF, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 1, 1]
    for largest, outcome in ((2.0**127, overflows), (2.0**124, fits)):
        inputs: dict[str, Any] = {"logits": logits, "target": labels, "weight": [1.0, largest]}
        problem = Problem("cross_entropy", "float32", inputs, {"reduction": "mean"})
        assert _verdict(problem, "value", value).outcome == outcome


def test_opposite_parts_leave_what_their_roundings_decide() -> None:
    """-t·(-∞) for t = ½q + ¼ of about 0: either infinity, NaN, or 0; the exact one and NaN where it is not near 0."""
    near, far = (_one(share, label_smoothing=0.5) for share in (-0.5 * (1 - 2.0**-23), -0.25))

    assert solve(near)["value"][()] == INF
    for value in (INF, -INF, NAN, 0.0):
        assert _verdict(near, "value", value).ok
    for value, ok in ((INF, True), (NAN, True), (-INF, False), (0.0, False)):
        assert _verdict(far, "value", value).ok is ok


@pytest.mark.parametrize(("g", "ok"), [(2.0**-100, True), (2.0**-60, False)])
def test_a_slope_that_underflows_may_be_0(g: float, ok: bool) -> None:
    """g w for -g w log p at a masked class, and g p for -g p/0."""
    inputs: dict[str, Any] = {"logits": [[-INF, 0.0]], "target": [[0.5, 0.5]], "weight": [2.0**-60, 1.0]}
    loss = Problem("cross_entropy", "float32", inputs, {"reduction": "sum"}, g)
    other = Problem("distribution_cross_entropy", "float32", {"p": [2.0**-60, 1.0], "q": [0.0, 1.0]}, {"dim": -1}, g)
    right: dict[str, Any] = {"value": INF, "grad_logits": np.array([[-g * 2.0**-61, g * 2.0**-61]], np.float32)}

    for value, right_ in ((0.0, ok), (NAN, ok), (INF, True)):
        assert _verdict(loss, "grad_target", [[value, 0.0]], **right).ok is right_
    for value, right_ in ((0.0, ok), (NAN, True), (-INF, True)):
        assert _verdict(other, "grad_q", [value, -g], value=INF, grad_p=[INF, 0.0]).ok is right_
    assert not _verdict(loss, "grad_target", [[-INF, 0.0]], **right).ok
    assert not _verdict(other, "grad_q", [INF, -g], value=INF, grad_p=[INF, 0.0]).ok


def test_a_subnormal_probability_that_counts_as_0_is_lost_with_its_logarithm() -> None:
    """In an entropy, a divergence, and a slope whose g is subnormal; a term with q = 0 among them."""
    tiny = 2.0**-130
    entropy = Problem("entropy", "float32", {"p": [tiny, 1.0]}, {"dim": -1})
    slope = Problem(
        "distribution_cross_entropy", "float32", {"p": [0.5, 0.5], "q": [2.0**-100, 1.0]}, {"dim": -1}, tiny
    )
    impossible = Problem("distribution_cross_entropy", "float32", {"p": [tiny, 1.0], "q": [0.0, 1.0]}, {"dim": -1})
    right: dict[str, Any] = {"value": np.float32(50 * np.log(2)), "grad_q": np.array([-tiny * 2.0**99, 0.0])}

    for model, ok in (("flush-to-zero", True), ("any-order", False)):
        assert _verdict(entropy, "value", 0.0, model).ok is ok
        assert _verdict(slope, "grad_p", [0.0, 0.0], model, **right).ok is ok
        assert _verdict(impossible, "value", 0.0, model).ok is ok
        assert _verdict(impossible, "value", INF, model).ok
        assert not _verdict(impossible, "value", 1.0, model).ok


# ---- denominators of either sign ------------------------------------------------------------------------------------


def _left(weights: Array) -> Iterator[float]:
    """What each order of summation leaves of them in float32."""
    for order in permutations(weights.astype(np.float32)):
        total = np.float32(0)
        for each in order:
            total = total + each
        yield float(total)


def _divided(weights: Array) -> Problem:
    """A loss of +∞ at the first label, beside others that are finite, over the sum of the weights."""
    classes = len(weights)
    x = np.zeros((classes, classes))
    x[0, 0] = -INF
    inputs = {"logits": x, "target": np.arange(classes), "weight": weights}
    return Problem("cross_entropy", "float32", inputs, {"reduction": "mean"})


def _cancelling(rng: np.random.Generator) -> Array:
    """Four weights, the first of them positive, whose sum is not 0, and small beside two of them."""
    while True:
        w = rng.choice([1, -1], 4) * rng.integers(8, 17, 4) * 2.0**-26
        w[1:3] = rng.permutation([-4.0, 4.0]) * rng.choice([1.0, 2.0**-9])
        w[0] = abs(w[0])
        if w.sum() != 0:
            return np.asarray(w)


def test_either_infinity_where_rounding_may_turn_the_denominator(rng: Rng) -> None:
    """No order is rejected; where all orders leave the sum as it is, the other infinity is."""
    seen = Counter[str]()
    for _ in range(40):
        weights = _cancelling(rng)
        problem, exact = _divided(weights), float(weights.sum())
        signs = {np.sign(total) for total in _left(weights) if total}
        outcomes = {sign: _verdict(problem, "value", sign * INF).outcome for sign in (1.0, -1.0)}
        assert outcomes[np.sign(exact)] == AGREES
        assert all(outcomes[sign] in (AGREES, NO_GUARANTEE) for sign in signs)
        assert _verdict(problem, "value", 12345.0).outcome == DISAGREES
        seen["either"] += len(signs) == 2
        seen["refuted"] += DISAGREES in outcomes.values()
    assert seen["either"]
    assert seen["refuted"]


ONE_SIGN = {
    "every sum is exact": [1.0 + 2.0**-23, -1.0],
    "what cancels is more than its roundings": [4.0, -1.0 - 2.0**-23, -1.0, 2.0**-30],
    "one sign": [1.0, 2.0**-30, 3.0],
}


@pytest.mark.parametrize("name", ONE_SIGN)
def test_the_other_infinity_is_wrong_where_the_denominator_has_one_sign(name: str) -> None:
    """And so is its slope, -g w/D at the masked class of a target of probabilities."""
    problem = _divided(np.array(ONE_SIGN[name]))

    assert _verdict(problem, "value", INF).outcome == AGREES
    assert _verdict(problem, "value", -INF).outcome == DISAGREES


def test_a_denominator_that_no_order_rounds_is_known() -> None:
    """2^-23 divides losses that are log 2 times it: the mean has digits, and NaN is none of it."""
    inputs: dict[str, Any] = {"logits": np.diag([3.0, 0.0]), "target": [0, 1], "weight": [1.0 + 2.0**-23, -1.0]}
    problem = Problem("cross_entropy", "float32", inputs, {"reduction": "mean"})
    right = np.float32(float(solve(problem)["value"][()]))

    assert _verdict(problem, "value", right).outcome == AGREES
    for wrong in (2 * right, -right, NAN, INF):
        assert _verdict(problem, "value", wrong).outcome == DISAGREES


# ---- coefficients that float64 itself loses -------------------------------------------------------------------------

SMALLEST = 2.0**-1074


@pytest.mark.parametrize("options", [{"label_smoothing": 1.0}, {"label_smoothing": 0.5}])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_coefficient_that_float64_loses_has_an_error_all_the_same(reduction: str, options: dict[str, float]) -> None:
    """w ε/C is half of the least float64 number, and 0 when it is rounded; what it is multiplied by, or D, is not 1."""
    x = [[-8e307, 8e307], [0.0, 1.0]] if reduction == "sum" else [[1.5, -0.25], [0.5, 2.0]]
    inputs: dict[str, Any] = {"logits": x, "target": [0, 0], "weight": [SMALLEST, SMALLEST]}
    problem = Problem("cross_entropy", "float64", inputs, {"reduction": reduction, **options}, 1.0)
    w, epsilon = np.full(2, SMALLEST), options["label_smoothing"]
    l = _log_softmax(np.array(x))  # noqa: E741  # as in the bounds
    t = w * ((1 - epsilon) * np.array([[1.0, 0.0], [1.0, 0.0]]) + epsilon / 2)
    total = w.sum() if reduction == "mean" else 1.0
    slopes = -t / total
    gradient = slopes - np.exp(l) * slopes.sum(-1, keepdims=True)
    assert not t[:, 1].any()

    with np.errstate(all="ignore"):
        value = -(np.where(t == 0, 0.0, t * l)).sum() / total

    assert _verdict(problem, "value", value, grad_logits=gradient).outcome in (AGREES, NO_GUARANTEE)
