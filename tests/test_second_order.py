"""Derivatives in a direction: of the value, "jvp", and of the gradient, "hvp_logits". Both halves have them, right ones
agree, wrong ones do not, and what a candidate does not have it is not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from flint import arb, ctx
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy import array, inf, nan, zeros  # noqa: F401  # what a repr needs
from torch import Tensor
from torch.autograd.function import once_differentiable

import manual
import softproof
from softproof import Candidate, Output, Problem, Result, bound, judge, judge_result, problems, solve
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.problem.rows import blocks
from softproof.runs.search import EXAMPLES, batches
from softproof.truth.balls import balls

from .helpers.arithmetics import InDecimal, InMpmath, Number
from .helpers.by_definition import expected
from .helpers.candidates import MANUAL, REFERENCE, answers
from .helpers.truth_by_definition import ROWS, check, disagreements
from .wrong.directions import WRONG, of_probabilities_that_sum_to_one, with_derivative

OPERATIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")
DERIVATIVES = {"jvp", "hvp_logits"}


def _along(problem: Problem, seed: int = 0) -> Problem:
    """The same with a direction."""
    v = np.random.default_rng(seed).normal(size=problem.inputs["logits"].shape)
    return replace(problem, tangent=FORMATS[problem.dtype].round(v))


@pytest.mark.parametrize("candidate", [REFERENCE], ids=["reference"])
@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_the_halves_agree(candidate: Candidate, operation: str, dtype: str, device: str, data: st.DataObject) -> None:
    """With the truth, and within both bounds of each other, on every problem of the operation."""
    problem = _along(data.draw(problems(operation, dtype)))
    by_hand, by_torch, limits = answers(MANUAL, problem), answers(candidate, problem, device), bound(problem)
    promised = not any(np.isinf(limit).any() for limit in limits.values())

    for each, on in ((MANUAL, "cpu"), (candidate, device)):
        verdict = judge(each, problem, device=on)
        assert verdict.ok or (verdict.outcome == "no guarantee" and not promised), verdict
    assert limits.keys() & DERIVATIVES == by_hand.keys() & DERIVATIVES == by_torch.keys() & DERIVATIVES
    for name in DERIVATIVES & limits.keys():
        one, two = by_hand[name], by_torch[name]
        with np.errstate(invalid="ignore"):
            near = (one == two) | (np.abs(one - two) <= 2 * limits[name]) | np.isinf(limits[name])
        assert (near | (np.isnan(one) & np.isnan(two))).all(), name


QUARTERS = np.zeros((1, 4))  # p = 1/4 everywhere
V, UP = [[1.0, 0.0, 0.0, 0.0]], [[1.0, 2.0, 0.0, 0.0]]
BY_HAND: dict[str, tuple[Problem, list[float], list[float]]] = {
    "softmax": (
        Problem("softmax", "float64", {"logits": QUARTERS}, {"dim": -1}, UP, tangent=V),
        [3 / 16, -1 / 16, -1 / 16, -1 / 16],
        [2 / 64, -6 / 64, 2 / 64, 2 / 64],
    ),
    "log_softmax": (
        Problem("log_softmax", "float64", {"logits": QUARTERS}, {"dim": -1}, UP, tangent=V),
        [3 / 4, -1 / 4, -1 / 4, -1 / 4],
        [-9 / 16, 3 / 16, 3 / 16, 3 / 16],
    ),
    "logsumexp": (
        Problem("logsumexp", "float64", {"logits": QUARTERS}, {"dim": -1}, [2.0], tangent=V),
        [1 / 4],
        [6 / 16, -2 / 16, -2 / 16, -2 / 16],
    ),
    "a label, weighted": (
        Problem("cross_entropy", "float64", {"logits": QUARTERS, "target": [1], "weight": [1.0, 2.0, 1.0, 1.0]},
                {"reduction": "sum"}, 1.0, tangent=V),
        [2 / 4],
        [6 / 16, -2 / 16, -2 / 16, -2 / 16],
    ),
    "a mean beside an ignored row": (
        Problem("cross_entropy", "float64", {"logits": np.zeros((2, 4)), "target": [0, -100]}, {}, 1.0,
                tangent=[*V, [5.0, 0.0, 0.0, 0.0]]),
        [-3 / 4],
        [3 / 16, -1 / 16, -1 / 16, -1 / 16, 0, 0, 0, 0],
    ),
    "probabilities that sum to 1/2": (
        Problem("cross_entropy", "float64", {"logits": QUARTERS, "target": [[0.5, 0.0, 0.0, 0.0]]}, {}, 1.0,
                tangent=V),
        [-3 / 8],
        [3 / 32, -1 / 32, -1 / 32, -1 / 32],
    ),
    "smoothing": (
        Problem("cross_entropy", "float64", {"logits": QUARTERS, "target": [0]}, {"label_smoothing": 0.5}, 1.0,
                tangent=V),
        [1 / 4 - 5 / 8],
        [3 / 16, -1 / 16, -1 / 16, -1 / 16],
    ),
    "a masked class": (
        Problem("log_softmax", "float64", {"logits": [0.0, -inf, 0.0]}, {"dim": 0}, [1.0, 1.0, 0.0],
                tangent=[1.0, 1.0, 0.0]),
        [1 / 2, 1 / 2, -1 / 2],
        [-1 / 2, 0, 1 / 2],
    ),
    "no softmax": (
        Problem("softmax", "float64", {"logits": [-inf, -inf]}, {"dim": 0}, [1.0, 1.0], tangent=[1.0, 0.0]),
        [nan, nan],
        [nan, nan],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_small_cases_by_hand(case: str) -> None:
    """Every number is dyadic, so that truth and both halves are exact."""
    problem, jvp, hvp = BY_HAND[case]
    truth = {name: each.astype(np.float64) for name, each in solve(problem).items()}

    for found in (truth, answers(MANUAL, problem), answers(REFERENCE, problem)):
        np.testing.assert_array_equal(found["jvp"].ravel(), jvp)
        np.testing.assert_array_equal(found["hvp_logits"].ravel(), hvp)


@pytest.mark.parametrize("kind", [InMpmath, InDecimal], ids=["mpmath", "decimal"])
@pytest.mark.parametrize("row", ROWS)
def test_the_truth_at_the_edges(kind: type[Number], row: str) -> None:
    """Against the values' definitions in hyperdual numbers, with huge and tiny directions and upstream gradients."""
    size = len(ROWS[row])
    v, g = [-2.5, 1e300, 5e-324][:size], [1.5, -1e300, 5e-324][:size]
    for operation in ("softmax", "log_softmax", "logsumexp"):
        upstream = 1.5 if operation == "logsumexp" else g
        check(kind, Problem(operation, "float64", {"logits": ROWS[row]}, {"dim": 0}, upstream, tangent=v))
    for reduction in ("mean", "sum", "none"):
        inputs: dict[str, Any] = {
            "logits": [ROWS[row]] * 3,
            "target": [0, size - 1, -100],
            "weight": [0.75, 3.0, 1e-300][:size],
        }
        upstream = [1.0, -2.0, 3.0] if reduction == "none" else -0.3
        options = {"reduction": reduction, "label_smoothing": 0.0 if -inf in ROWS[row] else 0.1}
        check(kind, Problem("cross_entropy", "float64", inputs, options, upstream, tangent=[v, g, v]))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_cross_check_can_fail(operation: str) -> None:
    """Derivatives that are wrong by one part in 10^15 disagree in every element."""
    x: dict[str, Any] = {"logits": [0.3, -1.0, 4.0]} | ({"target": 1} if operation == "cross_entropy" else {})
    g = 0.7 if operation in ("logsumexp", "cross_entropy") else [1.0, 2.0, -0.5]
    options = {} if operation == "cross_entropy" else {"dim": 0}
    problem = Problem(operation, "float64", x, options, g, tangent=[0.1, 0.2, -0.7])
    other = expected(InMpmath, problem)

    with ctx.workprec(256):
        wrong = {name: np.asarray(each * (1 + arb(10) ** -15)) for name, each in solve(problem).items()}
        found = disagreements(wrong, other)

    assert sum(each.startswith(("jvp", "hvp")) for each in found) == other["jvp"].size + 3


SIZES = st.tuples(st.integers(1, 6), st.integers(1, 40))


def _problem(operation: str, dtype: str, size: tuple[int, int], seed: int, tangent: Array) -> Problem:
    """Whole numbers, of which sums are exact; a positive upstream gradient for what is convex."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, size).astype(np.float64)
    if operation == "cross_entropy":
        labels = np.where(rng.random(size[0]) < 0.3, -100, rng.integers(0, size[1], size[0]))
        options = {"reduction": "none", "label_smoothing": 0.25}
        return Problem(operation, dtype, {"logits": x, "target": labels}, options, np.ones(size[0]), tangent=tangent)
    g = rng.integers(1, 5, size[:1] if operation == "logsumexp" else size).astype(np.float64)
    return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g, tangent=tangent)


def _directions(seed: int, size: tuple[int, int]) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed + 1)
    return rng.integers(-9, 10, size).astype(np.float64), rng.integers(-9, 10, size).astype(np.float64)


def _product(first: Array, second: Array) -> Array:
    """Σ_j of two arrays for each row, in balls."""
    with ctx.workprec(256):
        return np.asarray((balls(first) * balls(second)).sum(-1))


@pytest.mark.parametrize("operation", OPERATIONS)
@given(size=SIZES, seed=st.integers(0, 2**32 - 1))
def test_a_hessian_is_symmetric(
    half: Candidate, device: str, operation: str, dtype: str, size: tuple[int, int], seed: int
) -> None:
    """u·H v = v·H u, up to what the bounds allow for both."""
    u, v = _directions(seed, size)
    asked = [_problem(operation, dtype, size, seed, each) for each in (u, v)]
    of_u, of_v = (answers(half, each, device)["hvp_logits"] for each in asked)
    room = [bound(each)["hvp_logits"] for each in asked]

    with ctx.workprec(256):
        apart = np.abs(_product(v, of_u) - _product(u, of_v))
        assert (apart <= _product(np.abs(v), room[0]) + _product(np.abs(u), room[1])).all()


@pytest.mark.parametrize("operation", ["logsumexp", "cross_entropy"])
@given(size=SIZES, seed=st.integers(0, 2**32 - 1))
def test_a_convex_function_has_a_hessian_that_is_positive_semidefinite(
    half: Candidate, device: str, operation: str, dtype: str, size: tuple[int, int], seed: int
) -> None:
    """v·H v >= 0."""
    v, _ = _directions(seed, size)
    problem = _problem(operation, dtype, size, seed, v)

    product = _product(v, answers(half, problem, device)["hvp_logits"])

    with ctx.workprec(256):
        assert (product >= -_product(np.abs(v), bound(problem)["hvp_logits"])).all()


@pytest.mark.parametrize("operation", OPERATIONS)
@given(size=SIZES, seed=st.integers(0, 2**32 - 1))
def test_derivatives_are_linear_in_the_direction(
    half: Candidate, device: str, operation: str, dtype: str, size: tuple[int, int], seed: int
) -> None:
    """D(u + v) = D u + D v; and a common shift of all logits of a row changes neither softmax nor loss nor gradient."""
    u, v = _directions(seed, size)
    asked = [_problem(operation, dtype, size, seed, each) for each in (u, v, u + v)]
    found, room = [answers(half, each, device) for each in asked], [bound(each) for each in asked]
    for name in DERIVATIVES:
        with ctx.workprec(256):
            apart = np.abs(balls(found[0][name]) + balls(found[1][name]) - balls(found[2][name]))
            assert (apart <= sum(balls(each[name]) for each in room)).all(), name

    level = _problem(operation, dtype, size, seed, np.full(size, 3.0))
    found_level, room_level = answers(half, level, device), bound(level)
    for name in DERIVATIVES - ({"jvp"} if operation == "logsumexp" else set()):
        assert (np.abs(found_level[name]) <= room_level[name]).all(), name


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_derivatives_are_caught(wrong: str) -> None:
    """With the default number of examples, and it is that derivative which is named."""
    operation, output, function = WRONG[wrong]
    candidate, found = with_derivative(operation, output, function), list[softproof.Verdict]()

    for number, (small, count) in enumerate(batches(EXAMPLES)):  # as verify draws them, but shrinks nothing

        @hypothesis.seed(f"1 {number}")
        @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate])
        @given(problem=problems(operation, "float32", small=small))
        def ask(problem: Problem) -> None:
            verdict = None if found else judge(candidate, problem)
            found.extend([] if verdict is None or verdict.ok else [verdict])

        ask()
        if found:
            break

    assert [(verdict.outcome, verdict.output) for verdict in found] == [("disagrees", output)]


@pytest.mark.parametrize("total", [0.5, 2.0])
def test_probabilities_need_not_sum_to_one(total: float, dtype: str) -> None:
    """T is what they sum to."""
    target = np.array([[0.25, 0.75, 0.0], [0.5, 0.25, 0.25]]) * total
    problem = _along(Problem("cross_entropy", dtype, {"logits": np.eye(2, 3), "target": target}, {}, 1.0))
    wrong = with_derivative("cross_entropy", "hvp_logits", of_probabilities_that_sum_to_one)

    assert judge(MANUAL, problem).ok
    assert judge(REFERENCE, problem).ok
    assert judge(wrong, problem).output == "hvp_logits"


class _Constant(torch.autograd.Function):
    """Saves its gradient in the forward pass, as fused kernels do, so that autograd takes it for a constant."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(F.softmax(logits, -1))
        return logits.logsumexp(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        found: Tensor = grads[0].unsqueeze(-1) * ctx.saved_tensors[0]
        return found


class _Once(_Constant):
    """The same, and says that it cannot be differentiated twice."""

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        found: Tensor = grads[0].unsqueeze(-1) * ctx.saved_tensors[0]
        return found


class _Forward(_Constant):
    """With a forward mode that lacks the weights p, and no second derivative."""

    @staticmethod
    def jvp(_ctx: Any, *tangents: Tensor) -> Tensor:
        return tangents[0].mean(-1)


def constant(logits: Tensor) -> Tensor:
    """Its second derivative is silently 0."""
    found: Tensor = _Constant.apply(logits)  # type: ignore[no-untyped-call]  # torch's own
    return found


def once(logits: Tensor) -> Tensor:
    """It has no second derivative, and says so."""
    found: Tensor = _Once.apply(logits)  # type: ignore[no-untyped-call]  # torch's own
    return found


def forward(logits: Tensor) -> Tensor:
    """Its forward mode is wrong."""
    found: Tensor = _Forward.apply(logits)  # type: ignore[no-untyped-call]  # torch's own
    return found


def test_a_second_derivative_that_is_silently_zero_is_caught() -> None:
    """Autograd raises nothing; and there is no forward mode, which is not asked."""
    report = softproof.verify(constant, operation="logsumexp", dtypes=["float32"], seed=0, shrink=False)

    failure = report.rows[0].failure
    assert failure is not None
    assert failure.verdict.output == "hvp_logits"
    assert "not tested of logsumexp: dim, jvp" in str(report)


def test_what_raises_is_not_asked() -> None:
    """Neither forward mode nor a second derivative, and the report says so."""
    report = softproof.verify(once, operation="logsumexp", examples=30, seed=0)

    report.check()
    assert "not tested of logsumexp: dim, hvp, jvp" in str(report)


def test_a_wrong_forward_mode_is_caught() -> None:
    """Which a custom function brings along."""
    candidate = softproof.load(forward, operation="logsumexp", without=["hvp"])
    report = softproof.verify(candidate, dtypes=["float32"], seed=0, without=["hvp"], shrink=False)

    failure = report.rows[0].failure
    assert failure is not None
    assert failure.verdict.output == "jvp"


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (F.softmax, "softmax"),
        (F.log_softmax, "log_softmax"),
        (torch.logsumexp, "logsumexp"),
        (F.cross_entropy, "cross_entropy"),
    ],
    ids=OPERATIONS,
)
def test_torch_has_both(function: Callable[..., Any], operation: str, dtype: str) -> None:
    """By forward mode, and by autograd of autograd."""
    candidate = softproof.load(function, operation=operation)

    assert {"jvp", "hvp"} <= candidate.supports(operation)
    without = ["nonfinite"]  # NaN in padding is a finding
    softproof.verify(candidate, dtypes=[dtype], examples=20, seed=3, without=without).check()


def test_what_is_computed_without_autograd_has_a_derivative_of_zero() -> None:
    """Forward mode sees no way to the input either, and the judge does not take that for an answer."""
    candidate = softproof.load(lambda x, dim: F.softmax(x.detach(), dim), operation="softmax")
    problem = replace(_along(Problem("softmax", "float32", {"logits": [0.0, 1.0]}, {"dim": 0})), grad_output=None)

    assert judge(candidate, problem).output == "jvp"


def _gradient_alone() -> Candidate:
    return replace(MANUAL.only("softmax"), jvps={}, hvps={})


def test_what_a_candidate_has_not_it_is_not_asked() -> None:
    """One of the two, or neither; a NumPy function has what stands beside it."""
    problem = _along(Problem("softmax", "float64", {"logits": [0.0, 1.0]}, {"dim": 0}, [1.0, 0.0]))

    assert judge(MANUAL, problem).ratios.keys() == {"value", "grad_logits", "jvp", "hvp_logits"}
    for without, left in (("jvp", {"hvp_logits"}), ("hvp", {"jvp"})):
        candidate = MANUAL.leaving_out([without])
        assert judge(candidate, problem).ratios.keys() == {"value", "grad_logits"} | left
    assert judge(_gradient_alone(), problem).ratios.keys() == {"value", "grad_logits"}
    report = softproof.verify(_gradient_alone(), dtypes=["float64"], examples=20, seed=0)
    assert "not tested of softmax: hvp, jvp" in str(report)


def test_a_function_with_its_own_backward_has_no_derivatives_by_autograd() -> None:
    """Whoever brings the one brings the other."""
    candidate = replace(REFERENCE, jvps={}, hvps={})

    assert not {"jvp", "hvp"} & candidate.supports("softmax")


def test_a_given_answer_has_all_of_them() -> None:
    """What is judged without its implementation is asked everything."""
    problem = _along(Problem("softmax", "float64", {"logits": [0.0, 1.0]}, {"dim": 0}, [1.0, 0.0]))
    result = MANUAL.answer(problem)
    less = Result({name: each for name, each in result.outputs.items() if name != "jvp"})

    assert judge_result(problem, result).ok
    assert "gave value, grad_logits, hvp_logits; expected value, grad_logits, jvp" in str(judge_result(problem, less))


def test_a_baseline_without_them_is_not_compared() -> None:
    """Class D compares what both have."""
    problem = _along(Problem("softmax", "float64", {"logits": [0.0, 1.0]}, {"dim": 0}, [1.0, 0.0]))

    verdict = judge(MANUAL, problem, accuracy="D", baseline=_gradient_alone(), factor=2.0)

    assert verdict.ratios.keys() == {"value", "grad_logits"}


def test_the_direction_is_an_input_too() -> None:
    """Whoever writes to it is told."""

    def writes(tangent: Array, logits: Array, dim: int = -1) -> Array:
        found = manual.softmax_jvp(tangent, logits, dim)
        tangent *= 2
        return found

    problem = _along(Problem("softmax", "float64", {"logits": [0.0, 1.0]}, {"dim": 0}))

    assert "the call changed its input tangent" in str(judge(with_derivative("softmax", "jvp", writes), problem))


def test_a_direction_is_part_of_the_repr() -> None:
    """Which builds the same problem again."""
    problem = _along(Problem("softmax", "float32", {"logits": [0.0, -inf]}, {"dim": 0}))
    again = eval(repr(problem))  # what is printed is what is under test

    np.testing.assert_array_equal(again.tangent, problem.tangent)


def test_two_problems_of_five_have_a_direction() -> None:
    """Half of those with a gradient; ten at a time, since Hypothesis turns to mutating them afterwards."""
    drawn: list[bool] = []
    for number, small in enumerate((True, False) * 12):

        @hypothesis.seed(number)
        @settings(max_examples=10, database=None, deadline=None, phases=(Phase.generate,))
        @given(problem=problems("cross_entropy", "float32", small=small))
        def draw(problem: Problem) -> None:
            drawn.append(problem.tangent is not None)

        draw()

    assert len(drawn) > 180
    assert 0.3 < sum(drawn) / len(drawn) < 0.5


@given(problem=problems("softmax", "float32", supports=frozenset({"dim"})))
def test_nobody_is_asked_for_nothing(problem: Problem) -> None:
    """No direction where neither derivative is supported."""
    assert problem.tangent is None


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("bits", [(53,), (128,)], ids=["float64", "balls"])
def test_a_reduced_derivative_is_that_of_all_rows(reduction: str, bits: tuple[int, ...]) -> None:
    """Judged some rows at a time, and reduced over all of them; one row left out is seen."""
    rng = np.random.default_rng(0)
    rows = 1000
    inputs = {"logits": rng.integers(-3, 4, (rows, 100)), "target": rng.integers(0, 100, rows)}
    inputs["logits"] = inputs["logits"].astype(np.float64)
    problem = _along(Problem("cross_entropy", "float32", inputs, {"reduction": reduction}))
    assert len(blocks(problem)) > 1
    right = MANUAL.answer(problem)

    assert judge_result(problem, right, bits=bits).ok

    one = replace(problem, inputs={"logits": inputs["logits"][:1], "target": inputs["target"][:1]})
    one = replace(one, tangent=None if problem.tangent is None else problem.tangent[:1])
    missing = answers(MANUAL, one)["jvp"] / (rows if reduction == "mean" else 1)
    wrong = Output(right.outputs["jvp"].values - missing.astype(np.float32), "float32")
    verdict = judge_result(problem, Result({**right.outputs, "jvp": wrong}), bits=bits)
    assert (verdict.outcome, verdict.output, verdict.index) == ("disagrees", "jvp", ())
