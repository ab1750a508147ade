"""The theorems of docs/theory/bounds.md at work: what they allow is met by every right evaluation, and by no wrong one.

Hard rows for both halves and every model; wrong answers; the evaluation of the truth in float64 beside balls; the order
of sums; the accuracy classes; and evaluations in small formats that do their worst (tests/helpers/small_formats.py).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, product
from typing import Any

import numpy as np
import pytest
import torch

from softproof import (
    MODELS,
    OPERATIONS,
    Arithmetic,
    Candidate,
    Output,
    Problem,
    Result,
    Verdict,
    any_order,
    bound,
    judge,
    judge_result,
    solve,
)
from softproof.bounds.algebra import Allowed, RowFactor, additions
from softproof.bounds.arithmetic import height
from softproof.bounds.kernels import default
from softproof.bounds.softmax_rows import SoftmaxRows
from softproof.bounds.theorems import allowed
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array
from softproof.verdicts.case import BITS

from .helpers.candidates import MANUAL
from .helpers.hard_rows import (
    ALL_DTYPES,
    HALVES,
    HELD,
    WRONG,
    answer_of,
    arithmetics,
    doubtful,
    hard_rows,
    limits_of,
    models_of,
    ordinary,
    problem_of,
    row_of,
    worst_of,
)
from .helpers.shares import needed
from .helpers.small_formats import Machine, Row, leans, small, vjp
from .helpers.wrong_answers import spoiled

HALF = ("float16", "bfloat16")
F32 = FORMATS["float32"]


@pytest.mark.parametrize(("library", "model", "numbers"), HELD)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_right_answers_hold(operation: str, library: str, model: str, numbers: str) -> None:
    """By hand and by torch, under their own model and under the one that leaves the order open."""
    asked = [(classes, dim, layout) for classes in (3, 33) for dim in ("last", "other")
             for layout in ("contiguous", "strided")] + [(1000, "last", "contiguous")]  # fmt: skip
    for each in asked:
        problem = problem_of(operation, numbers, *each)
        verdict = judge(HALVES[library], problem, arithmetic=model)
        assert verdict.ok, (each, verdict)


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_wrong_answers_are_refuted_under_every_model(operation: str, numbers: str, thorough: bool) -> None:
    """Each output in turn, under every model that promises anything; and the exact answer agrees.

    Each output meets every wrong answer, under two models in five; or under all.
    """
    problem, storage = ordinary(operation, numbers), FORMATS[numbers]
    right, truth, turns = answer_of(problem), solve(problem), defaultdict[str, Iterator[int]](count)
    met: set[tuple[str, str]] = set()
    for model, arithmetic in models_of(problem).items():
        limits = bound(problem, arithmetic)
        assert judge_result(problem, right, arithmetic=arithmetic).outcome != "disagrees", model
        for name, limit in limits.items():
            exact = truth[name].astype(np.float64)
            if not limit.max() < 0.1 * np.abs(exact).max():  # half precision soon promises little
                assert numbers in HALF, (model, name)
                continue
            for wrong, spoil in WRONG.items():
                if next(turns[name]) % 5 > 1 and not thorough:
                    continue
                if wrong == "uniform" and np.ptp(exact) < 4 * limit.max() + 2.0**-4:
                    continue
                result = spoiled(right, name, spoil(exact, limit, storage), storage)
                verdict = judge_result(problem, result, arithmetic=arithmetic)
                assert (verdict.outcome, verdict.output) == ("disagrees", name), (model, wrong, verdict)
                met.add((name, wrong))
    assert numbers in HALF or {*product(truth, WRONG)} - {*product(truth, ["uniform"])} <= met


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_gradient_without_the_other_classes_is_refuted(numbers: str, smoothing: float) -> None:
    """Only the label's slope kept, the rest 0: what a loss gradient looks like when the softmax is forgotten."""
    problem = replace(ordinary("cross_entropy", numbers), options={"label_smoothing": smoothing})
    exact = solve(problem)["grad_logits"].astype(np.float64)
    label = np.arange(12) == problem.inputs["target"][:, None]
    for model, arithmetic in models_of(problem).items():
        if np.isfinite(bound(problem, arithmetic)["grad_logits"]).all():
            verdict = judge_result(
                problem, answer_of(problem, grad_logits=np.where(label, exact, 0.0)), arithmetic=arithmetic
            )
            assert verdict.outcome == "disagrees", (model, verdict)


def _moved_by_its_own_error(operation: str, classes: int, masked: bool) -> tuple[Verdict, float]:
    """One element of the exact answer moved by twice what it may be off by itself; and that, in the element's bound."""
    x = hard_rows(classes, "float32")[3:4]  # ties
    if masked:
        x = np.where(np.arange(classes) == 5, -np.inf, x)
    problem = Problem(operation, "float32", {"logits": x}, {"dim": -1})
    limit = allowed(problem, any_order("float32"))[0]["value"]
    assert isinstance(limit.row, RowFactor)
    exact = solve(problem)["value"].astype(np.float64)
    own = limit.row.scaled + limit.row.fixed
    unit = (
        np.where(exact == 0, np.inf, np.abs(exact)) if limit.row.multiplies else np.isfinite(exact).astype(np.float64)
    )
    at = 0, int((own * unit if not limit.row.multiplies else own / unit).argmax())
    assert limit.row.multiplies or own[at] < 3e-6
    assert not limit.row.multiplies or own[at] / exact[at] < 3e-6
    moved = F32.round(exact)
    moved[at] = F32.round(exact[at] + 2.1 * own[at] + F32.ulp(exact[at]) / 2)
    verdict = judge_result(problem, Result({"value": Output(moved, "float32")}))
    return verdict, float(abs(moved[at] - exact[at]) / limit.error[at])


@pytest.mark.parametrize("classes", [1000, pytest.param(20000, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("operation", "masked"), [
    ("softmax", False),
    ("log_softmax", False),
    ("log_softmax", True),
    ("softmax", True),
])  # fmt: skip
def test_one_element_may_not_stand_out(operation: str, classes: int, masked: bool) -> None:
    """Theorem 14: an error of about 1e-6 in one element, far within its bound, is refuted in a row of any length."""
    verdict, share = _moved_by_its_own_error(operation, classes, masked)

    assert share < 0.1
    assert verdict.outcome == "disagrees"
    assert "cannot come from one rounding error of the row's sum (Theorem 14)" in verdict.explanation


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("dim", ["last", "other"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_float64_is_as_near_as_it_says(operation: str, dim: str, numbers: str) -> None:
    """Theorem 15, on hard rows, for every model and for the classes B and C."""
    problem = problem_of(operation, numbers, 17, dim)
    for arithmetic in models_of(problem).values():
        for letter in "BC":
            assert [each for each in doubtful(problem, arithmetic, letter) if not each[1] <= 1] == []


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("reduction", [None, "none", "sum", "mean"])
@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "logsumexp", "cross_entropy"])
def test_float64_is_as_near_where_no_sum_rounds(
    operation: str, reduction: str | None, numbers: str, number_of_the_run: int
) -> None:
    """Theorem 22: what is beside one large logit is about as large as half a unit of the float64 answer."""
    if (reduction is None) == (operation == "cross_entropy"):
        pytest.skip("it has a reduction, or none")
    random, ratios = np.random.default_rng(number_of_the_run), []
    for _ in range(6):
        classes = int(random.integers(2, 300))
        share = 2.0 ** random.uniform(-54, -50)  # of the answer, which is about 32
        x = np.full((2, classes), -np.log(classes / 32 / share))
        x[0, 0] = x[1, -1] = 0.0
        x = FORMATS[numbers].round(x + (8.0 if operation == "logsumexp" else 0.0))
        if operation == "cross_entropy":
            problem = Problem(operation, numbers, {"logits": x, "target": [1, 0]}, {"reduction": reduction})
        else:
            problem = Problem(operation, numbers, {"logits": x}, {"dim": 1})
        for arithmetic in models_of(problem).values():
            ratios += [(arithmetic.name, *each) for each in doubtful(problem, arithmetic, "C")]

    assert len(ratios) >= 50
    assert [each for each in ratios if not each[2] <= 1] == []


@pytest.mark.parametrize("dim", [1, 0])
def test_float64_adds_in_pairs_along_any_dim(dim: int) -> None:
    """Equal summands, whose rounding errors all have one sign, 4001 of them."""
    x = np.zeros((2, 4001))
    x[:, 1:] = [[-0.25], [-1.2741]]
    problem = Problem("softmax", "float64", {"logits": x if dim else x.T.copy()}, {"dim": dim})

    assert max(ratio for _, ratio in doubtful(problem, any_order("float64"), "C")) <= 1


def _in_pairs(x: Any, add: Callable[[Any, Any], Any]) -> Any:
    """numpy/_core/src/umath/loops_utils.h.src, pairwise_sum, of x (n, …)."""
    n = len(x)
    if n > 128:
        half = n // 2 - (n // 2) % 8
        return add(_in_pairs(x[:half], add), _in_pairs(x[half:], add))
    if n < 8:
        total = x[0]
        for each in x[1:]:
            total = add(total, each)
        return total
    r = list(x[:8])
    for start in range(8, n - n % 8, 8):
        r = [add(*both) for both in zip(r, x[start : start + 8], strict=True)]
    total = add(add(add(r[0], r[1]), add(r[2], r[3])), add(add(r[4], r[5]), add(r[6], r[7])))
    for each in x[n - n % 8 :]:
        total = add(total, each)
    return total


def _cascade(x: Any, add: Callable[[Any, Any], Any], zero: Any) -> Any:
    """ATen/native/LossNLL.cpp, nll_loss_out_frame: eight levels, of 2^4 or more numbers each."""
    power = max(4, (int(np.ceil(np.log2(len(x)))) if len(x) > 1 else 0) // 8)
    partial = [zero] * 8
    for i, each in enumerate(x):
        partial[0] = add(partial[0], each)
        for level in range(7):
            if i & (((1 << power) - 1) << (level * power)):
                break
            partial[level + 1], partial[level] = add(partial[level + 1], partial[level]), zero
    total = zero
    for each in partial:
        total = add(total, each)
    return total


def _lanes(x: Any, add: Callable[[Any, Any], Any], lanes: int) -> Any:
    """One accumulator for each lane, and the lanes one after another."""
    r = list(x[:lanes])
    for start in range(lanes, len(x), lanes):
        part = x[start : start + lanes]
        r[: len(part)] = [add(*both) for both in zip(r, part, strict=False)]
    total = r[0]
    for each in r[1:]:
        total = add(total, each)
    return total


def _deeper(a: int, b: int) -> int:
    """Additions that a summand of one of two parts has gone through when they are added; -1 is nothing."""
    return max(a, b) + 1 if min(a, b) >= 0 else max(a, b)


def _in_lanes(lanes: int) -> Callable[[Any, Callable[[Any, Any], Any]], Any]:
    return lambda x, add: _lanes(x, add, lanes)


def _depth(order: str, n: int) -> str | int:
    """By name; or as the model says of n losses."""
    if order != "cascade":
        return order
    problem = Problem("cross_entropy", "float32", {"logits": np.zeros((n, 1)), "target": np.zeros(n, np.int64)})
    return MODELS["torch-cpu"](problem).total_depth


ORDERS: dict[str, list[Callable[[Any, Callable[[Any, Any], Any]], Any]]] = {
    "numpy": [_in_pairs],
    "cascade": [lambda x, add: _cascade(x, add, 0 if isinstance(x, list) else np.zeros_like(x[0]))],
    "2 lanes": [_in_lanes(2), _in_lanes(4), _in_lanes(8), _in_lanes(16)],
    "4 lanes": [_in_lanes(4), _in_lanes(8), _in_lanes(16)],
    "8 lanes": [_in_lanes(8), _in_lanes(16)],
}


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 127, 128, 129, 1000, 4097, 20000])
@pytest.mark.parametrize("order", ORDERS)
def test_no_summand_goes_through_more_additions(order: str, n: int) -> None:
    """Counted: a sum is as deep as the deeper of its two parts and one more; adding to nothing (-1) is no addition."""
    for sum_ in ORDERS[order]:
        deep = _cascade([0] * n, _deeper, -1) if order == "cascade" else sum_([0] * n, _deeper)
        assert deep <= height(_depth(order, n), n)


@pytest.mark.parametrize("n", [7, 129, 1000, 4097])
def test_numpy_adds_in_this_order(n: int) -> None:
    """Bit by bit, so that the count above is one of NumPy."""
    x = np.random.default_rng(n).random(n).astype(np.float32)

    assert np.sum(x) == _in_pairs(x, lambda a, b: np.float32(a + b))


@pytest.mark.parametrize("n", [7, 129, 1000, 4097])
def test_torch_adds_losses_in_this_order(n: int) -> None:
    """Bit by bit."""
    x = np.random.default_rng(n).random(n).astype(np.float32)
    rows, labels = torch.from_numpy(-x[:, None]), torch.zeros(n, dtype=torch.int64)
    found = torch.nn.functional.nll_loss(rows, labels, reduction="sum")

    assert found.item() == _cascade(x, lambda a, b: np.float32(a + b), np.float32(0))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("classes", [9, 129, 1000])
def test_a_sum_of_that_depth_stays_within(order: str, classes: int) -> None:
    """Equal summands beside a 1, whose errors have one sign, in 11 bits; within (1 + u)^h - 1 too."""
    depth = _depth(order, classes)
    of_rows = depth if isinstance(depth, str) else "any order"
    arithmetic = replace(small(11), depth=of_rows, quotient=True)
    fmt, m = arithmetic.compute, Machine(arithmetic, np.random.default_rng(0))
    x = fmt.round(-np.geomspace(0.01, 7, 60)[:, None] * (np.arange(classes) > 0))
    e = m.exp(x, np.ones_like(x))
    limit = allowed(Problem("logsumexp", "float64", {"logits": x}, {"dim": -1}), arithmetic)[0]["value"]
    worst = 0.0
    for sum_ in ORDERS[order]:
        s = sum_(e.T, lambda a, b: fmt.round(a + b))
        assert (np.abs(s - e.sum(-1)) <= float(additions(classes, fmt.u, depth, classes)) * e.sum(-1)).all()
        got = m.log(s[:, None], np.ones((60, 1)))
        worst = max(worst, float((np.abs(got - limit.value) / limit.error).max()))

    assert worst <= 1
    assert of_rows != order or worst > 0.1  # the cascade is of losses; its rows are bounded in any order


@pytest.mark.parametrize(("numbers", "classes"), [("bfloat16", 257), ("float16", 2049)])
@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "logsumexp"])
def test_half_precision_throughout_promises_nothing(operation: str, numbers: str, classes: int) -> None:
    """(n - 1)u >= 1: even the exact answer is not a pass; with one class less it is. NaN is still wrong.

    Of a softmax any number from 0 to 1 is within the bound then; with half the classes it promises something.
    """
    fewer = classes // 2 if operation == "softmax" else classes - 1
    for n, outcome in ((classes, "no guarantee"), (fewer, "agrees")):
        problem = Problem(operation, numbers, {"logits": np.zeros((1, n))}, {"dim": -1})
        assert np.isinf(additions(n, FORMATS[numbers].u)) == (n == classes)
        assert judge_result(problem, answer_of(problem), arithmetic="storage").outcome == outcome
        if n == classes:
            assert judge_result(problem, answer_of(problem), arithmetic="storage", bits=(53,)).outcome == outcome
        nothing = np.full(solve(problem)["value"].shape, np.nan)
        assert judge_result(problem, answer_of(problem, value=nothing), arithmetic="storage").outcome == "disagrees"


def test_nor_do_balls_make_it_a_pass() -> None:
    """The same, where float64 is not asked, or leaves the row open."""
    problem = Problem("logsumexp", "float64", {"logits": [1e300, 1e300]}, {"dim": -1}, 1.0)
    assert np.isinf(bound(problem)["grad_logits"]).all()

    assert judge_result(problem, answer_of(problem, grad_logits=np.array([7.0, -3.0]))).outcome == "no guarantee"


def _sum_of(numbers: str, *terms: float) -> Problem:
    """Their exact sum, by a linear layer."""
    return Problem("linear", numbers, {"input": np.ones(len(terms)), "weight": [list(terms)]})


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("start", [1.0, 1.5, 2.0, 0.25], ids=lambda start: f"near {start}")
def test_only_the_correctly_rounded_number_is_class_a(numbers: str, start: float, sign: float) -> None:
    """Up to, and beyond, half of the way to the next number up or down, where the spacing may change."""
    fmt = FORMATS[numbers]
    up = float(fmt.ulp(start))
    down = up / 2 if np.frexp(start)[0] == 0.5 else up
    numbers_near = start - down, start, start + up
    for step, right in ((0.46875 * up, 1), (-0.46875 * down, 1), (0.0, 1), (0.625 * up, 2), (-0.625 * down, 0)):
        problem = _sum_of(numbers, sign * start, sign * step)
        for number, got in enumerate(numbers_near):
            verdict = judge_result(problem, answer_of(problem, value=np.array([sign * got])), accuracy="A")
            assert verdict.ok == (number == right), (step, got, verdict)


def test_halfway_either_neighbour_will_do() -> None:
    """docs/theory/bounds.md: where the exact value lies between two numbers, both are at half of their distance."""
    problem = _sum_of("float32", 1.0, 2.0**-24)

    for got in (1.0, 1 + 2.0**-23):
        assert judge_result(problem, answer_of(problem, value=np.array([got])), accuracy="A").ok


def test_infinity_is_class_a_from_half_a_step_beyond_the_largest_number() -> None:
    """IEEE 754, 4.3.1: below that it rounds to the largest number."""
    above, below = (_sum_of("float32", F32.largest, step) for step in (2.0**103, 2.0**102))

    assert judge_result(above, answer_of(above, value=np.array([np.inf])), accuracy="A").ok
    assert judge_result(below, answer_of(below, value=np.array([F32.largest])), accuracy="A").ok


def test_infinity_is_not_below_that() -> None:
    """The same sum, rounded the wrong way."""
    below = _sum_of("float32", F32.largest, 2.0**102)

    assert not judge_result(below, answer_of(below, value=np.array([np.inf])), accuracy="A").ok


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_baseline_is_as_good_as_itself(dtype: str, operation: str) -> None:
    """Class D: accepted with a factor of 1, refused where the factor asks for less than its own error."""
    problem = ordinary(operation, dtype)
    reached, limits = judge(MANUAL, problem, bits=BITS[1:]).ratios, bound(problem)
    half_ulps = {name: FORMATS[dtype].ulp(exact.astype(np.float64)) / 2 for name, exact in solve(problem).items()}
    asked = {"accuracy": "D", "baseline": MANUAL, "bits": BITS[1:]}

    assert judge(MANUAL, problem, **asked).ok  # type: ignore[arg-type]
    spread = [(0.9 * reached[name] * limits[name] > 1.1 * half_ulps[name]).all() for name in reached]
    if any(spread):
        assert judge(MANUAL, problem, **asked, factor=0.9).outcome == "disagrees"  # type: ignore[arg-type]
    assert judge(MANUAL, replace(problem, grad_output=None), **asked, factor=1.5).ok  # type: ignore[arg-type]
    further = _Further(MANUAL.name, MANUAL.functions, MANUAL.backwards, MANUAL.adapter)
    assert judge(further, problem, **asked).outcome == "disagrees"  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Further(Candidate):
    """By hand, and then 64 units in the last place away in every element of the value."""

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        result = super().answer(problem, device)
        values = result.outputs["value"].values
        moved = (values + 64 * FORMATS[problem.dtype].ulp(values)).astype(values.dtype)
        return Result({**result.outputs, "value": Output(moved, problem.dtype)})


@pytest.mark.parametrize("operation", ["softmax", "logsumexp"])
def test_class_b_asks_for_no_more_than_class_c_where_theorem_16_says_nothing(dtype: str, operation: str) -> None:
    """docs/theory/bounds.md: its bound is that of class C there, or more, never less, also in a confident row."""
    x = np.full((1, 2000), -16.5)
    x[0, 0] = 0.0
    g = np.ones(1) if operation == "logsumexp" else (x == 0).astype(np.float64)
    problem = Problem(operation, dtype, {"logits": x}, {"dim": -1}, g)
    usual = default(problem)

    limits, of_class_b = bound(problem, usual), bound(problem, replace(usual, forward=True))

    for name, limit in limits.items():
        assert (of_class_b[name] >= limit).all(), name


@dataclass(frozen=True)
class _Worse(Candidate):
    """By hand, and then a third of the bound away in every element of the value."""

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        result = super().answer(problem, device)
        values = result.outputs["value"].values + bound(problem)["value"] / 3
        return Result({**result.outputs, "value": Output(values, problem.dtype)})


@pytest.mark.parametrize("operation", ["softmax", "logsumexp", "cross_entropy"])
def test_what_float64_is_off_by_is_no_error_of_the_baseline(operation: str) -> None:
    """Class D: what is worse than the baseline is refused, though both are within what float64 can tell."""
    problem = replace(ordinary(operation, "float64"), grad_output=None)
    worse = _Worse(MANUAL.name, MANUAL.functions, MANUAL.backwards, MANUAL.adapter)
    own, other = (judge(each, problem, bits=BITS[1:]).ratio for each in (MANUAL, worse))
    assert own < other < 1

    assert judge(worse, problem, accuracy="D", baseline=MANUAL).outcome == "disagrees"


def _apart(got: Array, exact: Array, limit: Allowed) -> float:
    """Theorem 14: how many times too far apart two elements of a row are; negative where they are not."""
    factor = limit.row
    assert isinstance(factor, RowFactor)
    if factor.multiplies:
        least = np.where(exact > factor.scaled, exact - factor.scaled, np.nan)
        high = np.nan_to_num((got + factor.fixed) / least - 1, nan=np.inf)
        low = (got - exact - factor.fixed - factor.scaled) / (exact + factor.scaled)
    else:
        low, high = got - exact - factor.fixed, got - exact + factor.fixed
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)  # of infinite bounds
    return float((low.max(-1) - high.min(-1) * (1 + 2.0**-30)).max())


def _rows_of(rng: np.random.Generator, arithmetic: Arithmetic, judged_by: Arithmetic | None = None) -> dict[str, float]:
    """Theorems 2 to 6 and 14."""
    row = row_of(rng, arithmetic, int(rng.choice([1, 2, 3, 6, 14])))
    arithmetic = judged_by or arithmetic
    m, g, dim = row.machine, row.machine.round(rng.normal(size=row.x.shape)), {"dim": -1}
    found: dict[str, float] = {}
    p, stored = row.p, arithmetic.storage.round
    truth, limit = limits_of("softmax", arithmetic, {"logits": row.x}, dim, g)
    found["softmax"] = worst_of(stored(p), truth["value"], limit["value"].error)
    found["softmax, rows"] = 1 + _apart(stored(p), truth["value"], limit["value"])
    kept = m.kept("output", p)
    inner = m.dot(g, kept)
    one, other = (m.kept("output", m.exp(row.log_p, side)) for side in (row.lean, -row.lean))  # of one logarithm
    checks = [lambda: m.mul(kept, m.round(g - inner)), lambda: m.fused(kept, g, -m.mul(kept, inner))]
    checks += [] if arithmetic.quotient else [lambda: m.fused(one, g, -m.mul(other, m.dot(g, one)))]
    slope = m.any_of(*checks)
    found["softmax, gradient"] = worst_of(stored(slope), truth["grad_logits"], limit["grad_logits"].error)
    found["softmax, rows of the gradient"] = needed(stored(slope), truth["grad_logits"], limit["grad_logits"])
    truth, limit = limits_of("log_softmax", arithmetic, {"logits": row.x}, dim, g)
    found["log_softmax"] = worst_of(stored(row.log_p), truth["value"], limit["value"].error)
    found["log_softmax, rows"] = 1 + _apart(stored(row.log_p), truth["value"], limit["value"])
    p = m.any_of(lambda: m.exp(m.kept("output", row.log_p), row.lean), lambda: row.p)
    slope = stored(vjp(m, p, g))
    found["log_softmax, gradient"] = worst_of(slope, truth["grad_logits"], limit["grad_logits"].error)
    found["log_softmax, rows of the gradient"] = needed(slope, truth["grad_logits"], limit["grad_logits"])
    truth, limit = limits_of("logsumexp", arithmetic, {"logits": row.x}, dim, g[:, 0])
    found["logsumexp"] = worst_of(stored(row.lse), truth["value"], limit["value"].error)
    p = m.exp(m.kept("shift", m.round(row.x - m.kept("output", row.lse))), row.lean)
    slope = stored(m.mul(g[:, :1], m.any_of(lambda: m.kept("exp", p), lambda: row.p)))
    found["logsumexp, gradient"] = worst_of(slope, truth["grad_logits"], limit["grad_logits"].error)
    found["logsumexp, rows of the gradient"] = needed(slope, truth["grad_logits"], limit["grad_logits"])
    return found


def _class_weights(m: Machine, classes: int) -> Floats:
    """Half of the time most of them are powers of 2."""
    weights, powers = m.round(m.rng.uniform(0.3, 4, classes)), 2.0 ** m.rng.integers(-2, 3, classes)
    return np.where(m.rng.random(classes) < m.rng.choice([0.0, 0.7]), powers, weights)


def _losses_of(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """Theorems 9 to 11: labels or probabilities, weights, smoothing, every reduction."""
    classes, reduction = int(rng.choice([1, 2, 3, 4, 5])), str(rng.choice(["none", "sum", "mean"]))
    row = row_of(rng, arithmetic, classes)
    m, rows = row.machine, len(row.x) if reduction == "none" else int(rng.choice([1, 2, 3, 4, 5]))
    row = replace(row, x=row.x[:rows], lean=row.lean[:rows], lean_log=row.lean_log[:rows])
    epsilon, labels = float(rng.choice([0.0, 0.1, 0.25, 0.5, 0.97, 1.0])), rng.random() < 0.6
    weights = _class_weights(m, classes) if rng.random() < 0.6 else None
    q = np.eye(classes)[rng.integers(0, classes, rows)]
    if not labels:
        q = m.round(rng.dirichlet(np.ones(classes), rows))
    g = m.round(rng.normal(size=rows if reduction == "none" else ()))
    inputs = {"logits": row.x, "target": q.argmax(-1) if labels else q}
    inputs |= {} if weights is None else {"weight": weights}
    options = {"reduction": reduction, "label_smoothing": epsilon}
    truth, limit = limits_of("cross_entropy", arithmetic, inputs, options, g)

    one = np.ones((rows, classes))
    w = [] if weights is None else [one * weights]
    passed = float(m.any_of(lambda: m.round(np.asarray(epsilon)), lambda: np.asarray(epsilon)))  # A6
    share, rest = m.round(one * (1 - passed)), m.round(one * passed / classes)
    divisor = float(rows)
    if reduction == "mean" and labels and w:
        divisor = float(m.sum(w[0][q == 1][None])[0, 0])
    shuffled: Callable[..., Floats] = lambda *factors: m.mul(*[factors[k] for k in rng.permutation(len(factors))])  # noqa: E731
    if not epsilon:
        parts = [np.where(q == 0, 0.0, shuffled(-row.log_p, *([] if labels else [q]), *w))]
    elif rng.random() < 0.5:
        parts = [shuffled(m.add(m.mul(share, q), rest), -row.log_p, *w)]
    else:
        label = shuffled(share, -row.log_p, *([] if labels else [q]), *w)
        late = m.div(-row.log_p, float(classes)), m.round(one * passed)  # l/C, and ε last
        rests = m.any_of(lambda: shuffled(rest, -row.log_p, *w), lambda: shuffled(*late, *w))
        parts = [np.where(q * share == 0, 0.0, label), rests]
    apart = arithmetic.subtracts_logsumexp and not (labels and not epsilon) and rng.random() < 0.7
    if apart:
        t = shuffled(m.add(m.mul(share, q), rest) if epsilon else q, *w)
        parts = [m.mul(-t, row.x), m.any_of(lambda: m.mul(t, one * row.lse), lambda: m.mul(m.sum(t), row.lse))]
    terms = np.concatenate(parts, -1)
    value = m.sum(terms if reduction == "none" else terms.reshape(1, -1))
    value = m.round(value / divisor) if reduction == "mean" else value
    c = one * np.reshape(g, (-1, 1))
    c = m.div(c, divisor) if reduction == "mean" else c
    t = q if labels else shuffled(q, *w) if not epsilon else q
    if epsilon:
        t = shuffled(m.add(m.mul(share, q), rest), *w)
    elif labels and w:
        t = m.mul(q, *w)
    slope = vjp(m, row.p, -m.mul(c, t))
    if labels and not epsilon and rng.random() < 0.5:  # p - y, which is scaled last
        factors = [one * np.reshape(g, (-1, 1)), *([(w[0] * q).sum(-1, keepdims=True) * one] if w else [])]
        slope = m.round(row.p - q)
        slope = shuffled(m.div(slope, divisor) if reduction == "mean" else slope, *factors)
    found = {
        "loss": worst_of(value, truth["value"], limit["value"].error),
        "loss, gradient": worst_of(slope, truth["grad_logits"], limit["grad_logits"].error),
        "loss, rows of the gradient": needed(slope, truth["grad_logits"], limit["grad_logits"]),
    }
    if not labels:
        slope = shuffled(c, -row.log_p, *w, *([share] if epsilon else []))
        found["loss, gradient of the target"] = worst_of(slope, truth["grad_target"], limit["grad_target"].error)
    return found


def _distributions_of(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """Theorem 7."""
    m, classes, dim = Machine(arithmetic, rng), int(rng.choice([1, 2, 5])), {"dim": -1}
    p, q = (m.round(np.maximum(rng.dirichlet(np.ones(classes), 200), 1e-4)) for _ in range(2))
    g = m.round(rng.normal(size=200))
    log_p, log_q, c = m.log(p, leans(rng, p.shape)), m.log(q, leans(rng, p.shape)), np.repeat(g[:, None], classes, 1)
    found: dict[str, float] = {}
    truth, limit = limits_of("entropy", arithmetic, {"p": p}, dim, g)
    found["entropy"] = worst_of(-m.dot(p, log_p), truth["value"], limit["value"].error)
    checks = (lambda: m.mul(-c, m.round(log_p + 1)), lambda: m.add(m.mul(-c, log_p), m.div(m.mul(-c, p), p)))
    found["entropy, gradient"] = worst_of(m.any_of(*checks), truth["grad_p"], limit["grad_p"].error)
    truth, limit = limits_of("kl_divergence", arithmetic, {"p": p, "q": q}, dim, g)
    logs = m.any_of(lambda: m.round(log_p - log_q), lambda: m.log(m.round(p / q), leans(rng, p.shape)))
    found["divergence"] = worst_of(m.dot(p, logs), truth["value"], limit["value"].error)
    found["divergence, gradient"] = worst_of(m.mul(c, m.round(logs + 1)), truth["grad_p"], limit["grad_p"].error)
    checks = (lambda: m.div(m.mul(-c, p), q), lambda: m.mul(-c, m.div(p, q)))
    found["divergence, gradient of q"] = worst_of(m.any_of(*checks), truth["grad_q"], limit["grad_q"].error)
    return found


def _products_of(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """Theorem 8."""
    m = Machine(arithmetic, rng)
    whole, draw = rng.random() < 0.25, rng.normal  # whose sums do not round, if they are few
    shapes: tuple[tuple[int, ...], ...] = ((9, 6), (5, 6), (5,), (9, 5))
    x, w, b, g = (m.round(rng.integers(-2, 3, each) / 4 if whole else draw(size=each)) for each in shapes)
    truth, limit = limits_of("linear", arithmetic, {"input": x, "weight": w, "bias": b}, {}, g)
    pairs = {"value": (x, w.T), "grad_input": (g, w), "grad_weight": (g.T, x), "grad_bias": (g.T, np.ones((9, 1)))}
    found: dict[str, float] = {}
    for name, (left, right) in pairs.items():
        shape = len(left), right.shape[1], left.shape[1]
        got = m.dot(np.broadcast_to(left[:, None], shape), np.broadcast_to(right.T, shape))[..., 0]
        got = m.round(got + b) if name == "value" else got
        found[f"linear, {name}"] = worst_of(got.reshape(1, -1), truth[name], limit[name].error)
    return found


SIMULATED: dict[str, tuple[Callable[[np.random.Generator, Arithmetic], dict[str, float]], int, float]] = {
    "rows": (_rows_of, 14, 0.4),
    "losses": (_losses_of, 30, 0.3),
    "distributions": (_distributions_of, 4, 0.3),
    "products": (_products_of, 12, 0.15),
}  # how often, and what each must reach so that the search is one


def _searched(
    name: str, arithmetics: Callable[[np.random.Generator], Iterator[Arithmetic]], share: int = 1
) -> dict[str, float]:
    simulate, times, _ = SIMULATED[name]
    rng, worst = np.random.default_rng(1), dict[str, float]()
    with np.errstate(all="ignore"):
        for _ in range(times // share):
            for arithmetic in arithmetics(rng):
                for what, ratio in simulate(rng, arithmetic).items():
                    if not ratio <= worst.get(what, 0.0):  # NaN too
                        worst[what] = ratio
    return worst


@pytest.mark.parametrize("name", SIMULATED)
def test_no_evaluation_exceeds_its_bound(name: str) -> None:
    """In whatever order, fused or not, with exp and log as far off as A2 allows; and some come near."""
    worst = _searched(name, arithmetics)

    assert {what: ratio for what, ratio in worst.items() if not ratio <= 1} == {}
    assert min(worst.values()) >= SIMULATED[name][2], worst


def test_nor_one_that_stores_intermediate_results() -> None:
    """8 bits kept of 12, of each subset of what a row keeps."""

    def kept(rng: np.random.Generator) -> Iterator[Arithmetic]:
        base = small(12, -40, 40, 3.0)
        for _ in range(8):
            names = [each for each in ("shift", "exp", "sum", "log", "output") if rng.random() < 0.5]
            yield replace(base, storage=small(8, -14).compute, stored=frozenset(names))

    worst = _searched("rows", kept)

    assert {what: ratio for what, ratio in worst.items() if not ratio <= 1} == {}


@pytest.mark.parametrize(("log2e", "outcome"), [(np.log2(np.e), "agrees"), (1.4453125, "disagrees")])
def test_a_stored_shift_that_the_format_holds_has_no_error(log2e: float, outcome: str) -> None:
    """So a log₂e of bfloat16 shows, which is off by as much as the store of a shift that is not held."""
    problem = Problem("softmax", "bfloat16", {"logits": [[0.0, -8.0, -9.0, -11.0]]}, {"dim": -1})
    e = np.exp2(problem.inputs["logits"].astype(np.float64) * log2e)
    answer = Result({"value": Output(FORMATS["bfloat16"].round(e / e.sum()).astype(np.float32), "bfloat16")})

    assert judge_result(problem, answer, arithmetic="eager").outcome == outcome


FUSED: dict[str, Callable[[Arithmetic], Arithmetic]] = {
    "online": lambda usual: replace(usual, online=True),
    "base2": lambda usual: replace(usual, base2=True),
    "subtracts_logsumexp": lambda usual: replace(usual, subtracts_logsumexp=True),
    "scales_logits": lambda usual: replace(usual, scales_logits=True),
}


def _fused(rng: np.random.Generator) -> Iterator[Arithmetic]:
    """The same, and each of what a fused kernel may do, and all of it."""
    for arithmetic in arithmetics(rng):
        yield from (change(arithmetic) for change in FUSED.values())
        yield functools.reduce(lambda before, change: change(before), FUSED.values(), arithmetic)


@pytest.mark.parametrize("name", ["rows", "losses"])
def test_nor_does_a_fused_one(name: str) -> None:
    """Theorem 19: sums that are rescaled, exponentials to base 2, and a logsumexp that is subtracted."""
    worst = _searched(name, _fused, share=6)  # of five times as many arithmetics

    assert {what: ratio for what, ratio in worst.items() if not ratio <= 1} == {}
    assert min(worst.values()) >= 0.75 * SIMULATED[name][2], worst


@pytest.mark.parametrize("what", ["base2", "subtracts_logsumexp", "scales_logits"])
def test_what_a_fused_one_does_is_outside_the_bounds_of_others(what: str) -> None:
    """No part of Theorem 19 is there for nothing, and the same answers are within it."""
    usual = small(11, c=5.0)
    fused, worst = FUSED[what](usual), dict[bool, float]()
    for own in (False, True):
        rng = np.random.default_rng(1)
        with np.errstate(all="ignore"):
            worst[own] = max(max(_rows_of(rng, fused, fused if own else usual).values()) for _ in range(30))

    assert worst[True] <= 1 < worst[False]


@pytest.mark.parametrize("lean", [-1.0, 1.0])
def test_a_sum_that_is_rescaled_at_each_step(lean: float) -> None:
    """An ascending ramp, every exponential off to one side: more than any order allows, nearly half of Theorem 19."""
    usual = small(16, c=5.0)
    fused, x = replace(usual, online=True), np.arange(-64.0, 0.0)[None] / 64
    row = Row(Machine(fused, np.random.default_rng(0)), x, np.full(x.shape, lean), np.ones((1, 1)))
    lost = abs(row.ascending() / np.exp(x - x.max()).sum() - 1).item()
    allowed_by = {each.online: SoftmaxRows.of(x, each).sigma.item() for each in (usual, fused)}

    assert allowed_by[False] < lost < allowed_by[True]
    assert lost > 0.4 * allowed_by[True]


def test_the_roundings_of_a_probability_from_a_logsumexp_that_rounds() -> None:
    """Theorem 6 (c) at 16 beside less: ŷ is half a unit too large, which is 16u, and the exponential 20u too small.

    Nothing else is off there, neither the sum nor its logarithm, so that without the roundings of the exponential, or
    of ŷ, less would be allowed.
    """
    usual = small(11, c=20.0)
    low = 16 - np.arange(2.0, 8.0, 2.0**-6)
    x = np.stack([np.full_like(low, 16.0), low], -1)
    row = Row(Machine(usual, np.random.default_rng(0)), x, np.full(x.shape, -1.0), np.ones((len(x), 1)))
    got = row.machine.exp(row.machine.round(x - row.lse), row.lean)
    truth, limit = limits_of("logsumexp", usual, {"logits": x}, {"dim": -1}, np.ones(len(x)))
    ratio = worst_of(got, truth["grad_logits"], limit["grad_logits"].error)

    assert 0.9 < ratio <= 1


def _judged(problem: Problem, **outputs: Any) -> Verdict:
    return judge_result(problem, answer_of(problem, **{name: np.asarray(each) for name, each in outputs.items()}))


def test_the_slope_of_an_entropy_by_autograd() -> None:
    """torch's own gradient of -Σ p log p, of which Theorem 7 (b) speaks, at p = 1e-40."""
    p = torch.tensor([1e-40, 1.0], requires_grad=True)
    (slope,) = torch.autograd.grad(-(p * p.log()).sum(), p, torch.tensor(0.01))
    problem = Problem("entropy", "float32", {"p": p.detach().numpy()}, {"dim": -1}, np.float32(0.01))

    assert _judged(problem, grad_p=slope.numpy()).ok


def test_the_slope_of_a_divergence_by_a_quotient() -> None:
    """g (log(p/q) + 1) at p = 3 units of the smallest number."""
    p, q = np.array([3 * F32.subnormal, 1.0], np.float32), np.array([0.7, 1.0], np.float32)
    problem = Problem("kl_divergence", "float32", {"p": p, "q": q}, {"dim": -1}, 1.0)

    assert _judged(problem, grad_p=np.log(p / q) + np.float32(1)).ok


def test_a_divergence_by_a_quotient_that_is_subnormal() -> None:
    """p log(p/q) with q = 1e22."""
    p, q = np.array([1e-20], np.float32), np.array([1e22], np.float32)
    problem = Problem("kl_divergence", "float32", {"p": p, "q": q}, {"dim": -1}, 1.0)
    log = np.log(p / q)

    assert _judged(problem, value=(p * log)[0], grad_p=log + np.float32(1)).ok
    assert not _judged(problem, value=(p * log)[0] * np.float32(1.01)).ok


@pytest.mark.parametrize("form", ["(p - y) w / D", "(p - y) / D g"])
def test_a_gradient_that_is_scaled_last(form: str) -> None:
    """(p - y)c/D with D = 1e-30, and (p - y)/N with g = 1000 applied at the end."""
    one = np.float32(1)
    if form == "(p - y) w / D":
        x, w, g, n = np.array([[0.0, -25.0]], np.float32), np.float32(1e-30), one, 1
        inputs: dict[str, Any] = {"logits": x, "target": [0], "weight": [w, w]}
    else:
        n, w, g = 4096, one, np.float32(1000)
        x = np.tile(np.array([[0.0, -87.0, 0.25]], np.float32), (n, 1))
        inputs = {"logits": x, "target": np.zeros(n, np.int64)}
    p = torch.softmax(torch.from_numpy(x), -1).numpy()
    p[:, 0] -= 1
    got = p * w / w if n == 1 else p / np.float32(n) * g

    assert _judged(Problem("cross_entropy", "float32", inputs, {}, g), grad_logits=got).ok


@pytest.mark.parametrize("form", ["a quotient", "softplus"])
def test_class_b_in_any_order(form: str) -> None:
    """The accurate form of docs/theory/accuracy.md, with the sum of the other classes taken one after another."""
    x = np.full(2000, -9.35, np.float32)
    x[:2] = 0.0, -3.0
    e = np.exp(x)
    others = np.float32(1)
    for each in e[2:]:
        others = np.float32(others + each)
    problem = Problem("cross_entropy", "float32", {"logits": x, "target": 1}, {"reduction": "none"}, 1.0)
    outputs: dict[str, Array] = {}
    if form == "softplus":
        outputs["value"] = np.log1p(np.exp(np.log(others) - x[1]))
    else:
        outputs["grad_logits"] = np.where(np.arange(2000) == 1, -others, e) / np.float32(others + e[1])
    result = answer_of(problem, **outputs)

    assert judge_result(problem, result).ok
    assert judge_result(problem, result, accuracy="B").ok


def test_flushing_a_subnormal_result() -> None:
    """logsumexp of one subnormal logit is that logit, or 0."""
    problem = Problem("logsumexp", "float32", {"logits": [F32.subnormal]}, {"dim": -1})

    assert judge_result(problem, answer_of(problem, value=np.zeros(())), arithmetic="flush-to-zero").ok


@pytest.mark.parametrize("operation", ["softmax", "logsumexp", "cross_entropy"])
def test_flushing_matters_only_near_subnormal_numbers(operation: str) -> None:
    """The largest exponential is exactly 1 all the same, so that ordinary rows have the bound of any order."""
    inputs = {"logits": [[0.0, -1.0]]} | ({"target": [0]} if operation == "cross_entropy" else {})
    problem = Problem(operation, "float32", inputs, {} if operation == "cross_entropy" else {"dim": -1})

    usual, flushing = (bound(problem, arithmetic)["value"] for arithmetic in ("any-order", "flush-to-zero"))

    assert (flushing <= usual * (1 + 2.0**-20)).all()


def test_flushing_a_subnormal_distance() -> None:
    """In a format of 4 bits above 2^-5 the distance 2^-6 may count as 0, and then p = 1/2 is right."""
    arithmetic = replace(small(4, -5), c_exp=0.1, c_log=0.1, quotient=True)
    problem = Problem("softmax", "float64", {"logits": [[0.0, -(2.0**-6)]]}, {"dim": -1})

    usual, flushing = (
        allowed(problem, replace(arithmetic, flushes=flushes))[0]["value"].error for flushes in (False, True)
    )

    assert (flushing > usual + 2.0**-8).all()
