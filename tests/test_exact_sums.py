"""Theorem 22: where no order of summation rounds, the bound allows no error of the sum, however many summands it has.

Right answers are beside the wrong ones, which leave something out. tests/test_theorems.py searches for violations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from softproof import MODELS, Output, Problem, Result, bound, judge_result, solve
from softproof.bounds.arithmetic import any_order
from softproof.bounds.exactly import adds_up, units
from softproof.bounds.models import THROUGH
from softproof.bounds.softmax_rows import SoftmaxRows
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL, REFERENCE
from .helpers.small_formats import small

F32 = FORMATS["float32"]
WIDE, ROWS = 131071, 1 << 13
INEXACT = (  # which know no exponential, or no logarithm
    *("flush-to-zero", "fused-flush-to-zero", "folded-logsumexp"),
    *("fused-base-2", "eager-base-2"),
)
EVERY = [name for name in MODELS if name.removesuffix(THROUGH) not in INEXACT]


def _judged(problem: Problem, arithmetic: str = "any-order", **outputs: Array) -> str:
    """The outcome for the exact answer, of which some outputs are replaced."""
    found = {name: array.astype(np.float64) for name, array in solve(problem, 53).items()} | outputs
    rounded = {name: Output(FORMATS[problem.dtype].round(array), problem.dtype) for name, array in found.items()}
    return judge_result(problem, Result(rounded), arithmetic=arithmetic).outcome


# ---- the condition --------------------------------------------------------------------------------------------------


def test_units_are_the_lowest_bits() -> None:
    """Of numbers of every size; 0 is a multiple of everything, and subnormal float64 numbers are not looked at."""
    numbers = [1.0, -3.0, 0.75, 6.0, 2.0**-1000, 2.0**1000 + 2.0**950, 0.0, 5e-324, np.inf, np.nan]

    assert units(np.array(numbers)).tolist() == [1, 1, 0.25, 2, 2.0**-1000, 2.0**950, np.inf, 0, 0, 0]


@pytest.mark.parametrize("precision", [4, 11, 24])
def test_so_many_units_and_no_more(precision: int) -> None:
    """Fewer than 2^p, none below the smallest number, and beside them a small part of one."""
    a, most = small(precision), np.array(2.0**precision)
    least = a.compute.subnormal

    assert adds_up(most - 1, 1.0, a)
    assert not adds_up(most, 1.0, a)
    assert adds_up(least * (most - 1), least, a)
    assert not adds_up(np.array(least), least / 2, a)
    assert adds_up(most - 1, 1.0, a, small=2.0**-8 / most)
    assert not adds_up(most - 1, 1.0, a, small=1 / most)


# ---- rows -----------------------------------------------------------------------------------------------------------

LEVEL: dict[str, Callable[[], Floats]] = {
    "equal": lambda: np.zeros((1, WIDE)),
    "masked": lambda: np.where(np.arange(WIDE) < 3, 1.0, -np.inf)[None],
    "far below": lambda: np.where(np.arange(WIDE) % 2, 0.0, -110.0)[None],
}


@pytest.mark.parametrize("arithmetic", EVERY)
@pytest.mark.parametrize("name", LEVEL)
def test_a_sum_of_ones_is_exact(name: str, arithmetic: str) -> None:
    """One of 131071 classes forgotten is 8e-6 of each p, and was far within the bound of the sum, 0.8 %."""
    x = LEVEL[name]()
    problem = Problem("softmax", "float32", {"logits": x}, {"dim": -1})
    logs = Problem("log_softmax", "float32", {"logits": x}, {"dim": -1})
    count, top = int((x == x.max()).sum()), x == x.max()
    p, l = np.where(top, 1 / (count - 1), 0.0), np.where(top, -np.log(count - 1), solve(logs, 53)["value"])  # noqa: E741

    assert _judged(problem, arithmetic) == _judged(logs, arithmetic) == "agrees"
    assert _judged(problem, arithmetic, value=p) == _judged(logs, arithmetic, value=l) == "disagrees"


def test_what_is_not_small_counts() -> None:
    """Exponentials of half a unit of roundoff may each round up in the sum, and are not left out."""
    u = F32.u
    x = F32.round(np.log(np.where(np.arange(1000) == 0, 1.0, 0.6 * u)))[None]

    assert SoftmaxRows.of(x, any_order("float32")).sigma.item() > 500 * u
    assert SoftmaxRows.of(x[:, :1].repeat(1000, 1), any_order("float32")).sigma.item() == 0


@pytest.mark.parametrize("numbers", ["float32", "bfloat16"])
def test_a_sum_of_whole_slopes_is_exact(numbers: str) -> None:
    """Σ g of 4096 integers in the gradient of a log-softmax, off by 1 of 2000."""
    rng = np.random.default_rng(0)
    x, g = FORMATS[numbers].round(rng.normal(size=(1, 4096))), rng.integers(0, 2, (1, 4096)).astype(np.float64)
    x[0, 0] = 12.0  # nearly all of p
    problem = Problem("log_softmax", numbers, {"logits": x}, {"dim": -1}, g)
    wrong = solve(problem, 53)["grad_logits"] - np.eye(1, 4096) * (1 if numbers == "float32" else 16)

    assert _judged(problem) == "agrees"
    assert _judged(problem, grad_logits=wrong) == "disagrees"


# ---- losses ---------------------------------------------------------------------------------------------------------


def _whole(rows: int, **more: Any) -> Problem:
    """Losses that are whole numbers, of two classes 104 and more apart, weighted or not."""
    x = np.zeros((rows, 2))
    x[:, 1] = -np.random.default_rng(0).integers(104, 120, rows)
    options = {name: more.pop(name) for name in ("reduction",) if name in more}
    return Problem("cross_entropy", "float32", {"logits": x, "target": np.ones(rows, np.int64), **more}, options)


@pytest.mark.parametrize("arithmetic", EVERY)
@pytest.mark.parametrize("more", [
    {"reduction": "sum"},
    {"reduction": "mean"},
    {"reduction": "sum", "weight": [3.0, 0.5]},
    {"reduction": "mean", "weight": [3.0, 0.5]},
    {"reduction": "sum", "target": np.eye(2)[np.ones(ROWS, np.int64)]},
], ids=["sum", "mean", "weighted sum", "weighted mean", "probabilities"])  # fmt: skip
def test_a_sum_of_whole_losses_is_exact(more: dict[str, Any], arithmetic: str) -> None:
    """A fifth of one of 8192 rows dropped is 24 millionths of the loss, and was within the bound of any order."""
    if "target" in more and arithmetic.removesuffix(THROUGH) in (
        "stored-logsumexp",
        "fused",
        "eager",
        "eager-cuda",
        "eager-stored-logsumexp",
    ):
        pytest.skip("they may take Σ t x and Σ t y apart")
    problem = _whole(ROWS, **more)
    exact = float(solve(problem, 53)["value"])
    value = np.asarray(exact * (1 - 0.2 / ROWS))

    assert _judged(problem, arithmetic) == "agrees"
    assert _judged(problem, arithmetic, value=value) == "disagrees"


def test_a_mean_may_be_taken_early() -> None:
    """Where each loss is multiplied by 1/D first, a D that is no power of 2 makes the terms round."""
    problem = _whole(ROWS + 1, reduction="mean")
    early, late = (bound(problem, name)["value"] / solve(problem, 53)["value"] for name in ("any-order", "numpy"))

    assert late < 2 * F32.u < 1e-4 < early


@pytest.mark.parametrize(("weights", "exact"), [([0.5, 3.0], True), ([0.1, 0.3], False)])
def test_a_denominator_of_dyadic_weights_is_exact(weights: list[float], exact: bool) -> None:
    """Otherwise it may be off by as many roundings as it has rows."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 4096)
    inputs: dict[str, Any] = {
        "logits": rng.normal(size=(4096, 2)).astype(np.float32),
        "target": target,
        "weight": F32.round(weights),
    }
    problem = Problem("cross_entropy", "float32", inputs, {}, 1.0)
    slopes = solve(problem, 53)["grad_logits"]
    relative = (bound(problem)["grad_logits"] / np.abs(slopes)).min()

    assert (relative < 64 * F32.u) == exact


# ---- products -------------------------------------------------------------------------------------------------------


def _integers(numbers: str, features: int, most: int = 4) -> Problem:
    rng = np.random.default_rng(0)
    x, w, g = (rng.integers(-most, most + 1, shape) / 2 for shape in ((3, features), (5, features), (3, 5)))
    return Problem("linear", numbers, {"input": x, "weight": w, "bias": np.full(5, 0.5)}, {}, g)


@pytest.mark.parametrize("arithmetic", MODELS)
@pytest.mark.parametrize("numbers", FORMATS)
def test_small_integers_allow_no_error(numbers: str, arithmetic: str) -> None:
    """But that of a store of 8 bits; where partial sums of 8 bits are stored, 4 features of one bit are few enough."""
    cuda = ("torch-cuda", "torch-cuda-tf32", "eager-cuda", "storage")
    narrow = numbers == "bfloat16" and arithmetic.removesuffix(THROUGH) in cuda
    problem = _integers(numbers, *((8, 2) if narrow else (64, 4)))
    assert _judged(problem, arithmetic) == "agrees"
    for name, exact in solve(problem, 53).items():
        held = FORMATS[numbers].holds(exact)
        limit = bound(problem, arithmetic)[name]
        assert held.any()
        assert (limit[held] == 0).all()
        assert _judged(problem, arithmetic, **{name: exact + FORMATS[numbers].ulp(exact)}) == "disagrees"


@pytest.mark.parametrize("candidate", [MANUAL, REFERENCE], ids=lambda each: str(each.name))
@pytest.mark.parametrize("numbers", ["float64", "float32", "float16"])
def test_libraries_have_no_error_there(candidate: Any, numbers: str) -> None:
    """2^11 features in float32 and float64, whose sums have up to 24 bits."""
    problem = _integers(numbers, 64 if numbers == "float16" else 2048, 60)
    got = candidate.answer(problem).outputs

    for name, exact in solve(problem, 53).items():
        assert np.array_equal(got[name].values.astype(np.float64), FORMATS[numbers].round(exact))
        assert numbers == "float16" or (bound(problem)[name] == 0).all()


def test_factors_of_11_bits_are_not_rounded() -> None:
    """TF32 keeps 11 bits of a factor: 2047 is one, 2049 is not."""
    held, not_held = (
        bound(Problem("linear", "float32", {"input": [[x, 1.0]], "weight": [[1.0, 1.0]]}), "torch-cuda-tf32")["value"]
        for x in (2047.0, 2049.0)
    )

    assert held == 0
    assert 0.5 < not_held < 4


def test_exact_logits_are_as_good_as_given_ones() -> None:
    """A linear layer in front of the loss whose products are exact adds nothing to its bound."""
    rng = np.random.default_rng(0)
    x, w, y = rng.integers(-2, 3, (8, 16)) / 1.0, rng.integers(-2, 3, (10, 16)) / 1.0, rng.integers(0, 10, 8)
    whole = Problem("linear_cross_entropy", "float32", {"input": x, "linear_weight": w, "target": y}, {})
    alone = Problem("cross_entropy", "float32", {"logits": x @ w.T, "target": y}, {})

    assert bound(whole)["value"] == bound(alone)["value"]


@pytest.mark.parametrize("arithmetic", ["any-order", "fused", "stored-logsumexp", "torch-cpu"])
def test_a_masked_class_makes_no_bound_smaller(arithmetic: str) -> None:
    """It is one more class, of which nothing is left."""
    for gap in (0.0, 3.0, 24.0, 40.0, 200.0):
        for name in ("softmax", "log_softmax", "logsumexp", "cross_entropy"):
            plain, masked = (_with_a_gap(name, gap, more) for more in ([], [-np.inf]))
            for output, limit in bound(plain, arithmetic=arithmetic).items():
                other = bound(masked, arithmetic=arithmetic)[output]
                other = other[..., :3] if np.ndim(other) > 1 else other
                assert (other >= limit * (1 - 2.0**-19)).all(), (name, gap, output)
    right = _with_a_gap("cross_entropy", 24.0, [-np.inf])
    assert _judged(right, arithmetic, value=np.array([48.0])) == "agrees"


def _with_a_gap(name: str, gap: float, more: list[float]) -> Problem:
    """One row whose first class stands above the others; the last of these is the label."""
    x = np.array([[2 * gap, gap, 0.0, *more]])
    if name == "cross_entropy":
        return Problem(name, "float32", {"logits": x, "target": [2]}, {"reduction": "none"}, [1.0])
    shape = (1,) if name == "logsumexp" else x.shape
    return Problem(name, "float32", {"logits": x}, {"dim": -1}, np.ones(shape))
