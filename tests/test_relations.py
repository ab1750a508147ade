"""Relations that hold whatever the truth is, each within what the bounds allow for rounding."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import softproof
from softproof import (
    OPERATIONS,
    Candidate,
    Output,
    Problem,
    Result,
    any_order,
    bound,
    check_relations,
    load,
    problems,
    solve,
)
from softproof.generation.drawn_arrays import seeds
from softproof.problem.problem import Array
from softproof.properties.intervals import Interval, U, enclosed
from softproof.properties.metamorphic import identity_of
from softproof.truth.balls import balls

from .helpers.candidates import REFERENCE, answers, three_rows
from .wrong.relations import BROKEN_RELATIONS

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 40))


def _sums_to(values: Array, expected: float, allowed: Array, axis: int = -1) -> bool:
    """Whether exact sums along `axis` are within the summed bounds of `expected`."""
    with ctx.workprec(256):
        error = np.abs(np.asarray(balls(values).sum(axis)) - expected)
        return bool(np.all(error <= np.asarray(balls(allowed).sum(axis))))


def _near(first: Array, second: Array, allowed: Array) -> bool:
    """Whether two arrays are within `allowed` of each other; equal infinities are, NaN never is."""
    with np.errstate(invalid="ignore"):
        return bool(((first == second) | (np.abs(first - second) <= allowed)).all())


def _integers(seed: int, shape: tuple[int, ...], largest: int = 30) -> Array:
    """Whole numbers: adding whole numbers to them rounds nothing."""
    return np.random.default_rng(seed).integers(-largest, largest + 1, shape).astype(np.float64)


def _loss(logits: Array, target: Any, grad_output: Any, dtype: str, **options: Any) -> Problem:
    inputs = {"logits": logits, "target": target} | {name: options.pop(name) for name in ("weight",) if name in options}
    return Problem("cross_entropy", dtype, inputs, options, grad_output)


@given(data=st.data())
def test_softmax_rows_sum_to_one(half: Candidate, dtype: str, device: str, data: st.DataObject) -> None:
    """Σ p = 1."""
    problem = data.draw(problems("softmax", dtype, supports=frozenset({"dim"})))

    p = answers(half, problem, device)["value"]

    assert _sums_to(p, 1.0, bound(problem)["value"], problem.options["dim"])


def _has_weight(problem: Problem) -> bool:
    """Whether a mean divides by something, whichever rows count."""
    return bool((problem.inputs.get("weight", np.ones(1)) > 0).all())


@pytest.mark.parametrize("operation", ["softmax", "cross_entropy"])
@given(data=st.data())
def test_gradient_rows_sum_to_zero(
    half: Candidate, operation: str, dtype: str, device: str, data: st.DataObject
) -> None:
    """A common shift of the logits changes neither softmax nor loss, so Σ_j ∂L/∂a_j = 0."""
    supports = half.supports(operation) - {"nonfinite"}
    problem = data.draw(problems(operation, dtype, supports=supports).filter(_has_weight))
    axis = problem.options["dim"] if operation == "softmax" else min(problem.inputs["logits"].ndim - 1, 1)

    gradient = answers(half, problem, device)["grad_logits"]

    assert _sums_to(gradient, 0.0, bound(problem)["grad_logits"], axis)


def _agree(half: Candidate, device: str, first: Problem, second: Problem) -> None:
    """All outputs of two problems are the same up to both bounds."""
    one, two, allowed = answers(half, first, device), answers(half, second, device), (bound(first), bound(second))
    for name in two:
        assert _near(one[name], two[name], allowed[0][name] + allowed[1][name]), name


@given(data=st.data())
def test_gibbs_inequality(half: Candidate, dtype: str, device: str, data: st.DataObject) -> None:
    """Σ p log(p/q) >= Σ p - Σ q, which is 0 for distributions that sum to 1 exactly; and D(p‖p) = 0."""
    problem = data.draw(problems("kl_divergence", dtype))
    axis, p, q = problem.options["dim"], balls(problem.inputs["p"]), balls(problem.inputs["q"])

    divergence = answers(half, problem, device)["value"]

    finite = np.isfinite(divergence)
    with ctx.workprec(256):
        gap = np.asarray(p.sum(axis) - q.sum(axis))
        assert np.all(balls(divergence[finite]) + balls(bound(problem)["value"][finite]) >= gap[finite])
    assert np.all(divergence[~finite] == np.inf)
    itself = replace(problem, inputs={"p": problem.inputs["p"], "q": problem.inputs["p"]})
    assert _near(answers(half, itself, device)["value"], np.zeros(gap.shape), bound(itself)["value"])


@given(
    size=SIZES,
    seed=seeds(),
    reduction=st.sampled_from(("mean", "sum", "none")),
    smoothing=st.sampled_from((0.0, 0.1, 1.0)),
)
def test_a_one_hot_target_is_its_label(
    half: Candidate, device: str, dtype: str, size: tuple[int, int], seed: int, reduction: str, smoothing: float
) -> None:
    """Probabilities that are one-hot give the loss and the gradient of the label."""
    labels = np.random.default_rng(seed).integers(0, size[1], size[0])
    x, g = _integers(seed, size), _integers(seed + 1, size[:1] if reduction == "none" else ())
    options = {"reduction": reduction, "label_smoothing": smoothing}
    hot = _loss(x, np.eye(size[1])[labels], g, dtype, **options)
    label = _loss(x, labels, g, dtype, **options)

    _agree(half, device, hot, label)


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_every_relation_holds(half: Candidate, operation: str, dtype: str, device: str, data: st.DataObject) -> None:
    """For both halves; an element without a promise is no disagreement; one applies where there are numbers."""
    problem = data.draw(problems(operation, dtype))

    verdict = check_relations(half, problem, device=device)

    held = re.fullmatch(r"[1-9] relations hold: [a-z, ]+", verdict.explanation)
    promised_nothing = verdict.outcome == "no guarantee" and "promise nothing for" in verdict.explanation
    nothing_there = verdict.outcome == "not applicable" and not next(iter(problem.inputs.values())).size
    assert (verdict.outcome == "agrees" and held) or promised_nothing or nothing_there, verdict


OF_ALL = {"permuted classes", "permuted rows", "batch of one", "split batch", "upstream gradient"}
OF_LOSSES = {"label smoothing", "class weights", "ignored rows"}
OF = {
    "softmax": {"common shift"},
    "log_softmax": {"common shift"},
    "logsumexp": {"common shift", "split classes"},
    "softmax_entropy": {"common shift"},
    "linear": {"split features"},
    "cross_entropy": {"common shift", *OF_LOSSES},
    "linear_cross_entropy": OF_LOSSES,
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_relations_that_apply_are_named(half: Candidate, operation: str, dtype: str, device: str) -> None:
    """On three rows of three classes: no more and no fewer, and all of them hold."""
    verdict = check_relations(half, three_rows(operation, dtype), device=device)

    expected = OF_ALL | OF.get(operation, set())
    assert verdict.outcome == "agrees"
    assert verdict.explanation.startswith(f"{len(expected)} relations hold: ")
    assert set(verdict.explanation.partition(": ")[2].split(", ")) == expected


@pytest.mark.parametrize("relation", softproof.RELATIONS)
def test_a_relation_that_does_not_apply_does_not_agree(relation: str) -> None:
    """It is an outcome of its own, which is not ok."""
    applies = {"permuted classes", "batch of one", "permuted rows", "split batch"}
    problem = Problem("entropy", "float32", {"p": np.zeros((0, 1)) if relation in applies else [[1.0]]}, {"dim": -1})

    verdict = check_relations(REFERENCE, problem, relation=relation)

    assert str(verdict) == f"not applicable: {relation}: does not apply"
    assert not verdict.ok


def test_where_no_relation_applies() -> None:
    """None does where there are no rows, by default."""
    verdict = check_relations(REFERENCE, Problem("entropy", "float32", {"p": np.zeros((0, 1))}, {"dim": -1}))

    assert (str(verdict), verdict.ok) == ("not applicable: no relation applies", False)


NO_WEIGHT: dict[str, Any] = {"logits": [[0.375, -0.5]], "target": [0], "weight": [0.0, 4.0]}  # a mean over nothing


@pytest.mark.parametrize(("inputs", "outcomes"), [
    (NO_WEIGHT, {"no guarantee", "agrees"}),  # where two sides that no document fixes happen to be the same
    ({"logits": [[0.0, -np.inf]], "target": [[0.5, 0.5]]}, {"not applicable"}),  # ε = 1 has 0·(-inf), others have not
], ids=["no weight", "a slope of -inf"])  # fmt: skip
def test_a_relation_says_nothing_of_what_no_document_fixes(
    half: Candidate, device: str, inputs: dict[str, Any], outcomes: set[str]
) -> None:
    """Whatever the two sides are."""
    problem = Problem("cross_entropy", "float32", inputs, {}, 1.0)

    verdict = check_relations(half, problem, device=device, relation="label smoothing")

    assert verdict.outcome in outcomes, verdict


@pytest.mark.parametrize("weight", [NO_WEIGHT["weight"], [1.0, 4.0]])
def test_a_mean_over_nothing_may_be_infinite_or_not_a_number(weight: list[float]) -> None:
    """One of them without smoothing, the other with it; where there is a weight that breaks the relation."""

    def strange(input: Tensor, target: Tensor, weight: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
        del target, weight
        return input.sum() * 0 + (np.inf if label_smoothing else np.nan)

    candidate = load(strange, operation="cross_entropy", adapter="torch").leaving_out(frozenset({"hvp", "jvp"}))
    problem = Problem("cross_entropy", "float32", NO_WEIGHT | {"weight": weight})
    verdict = check_relations(candidate, problem, relation="label smoothing")

    assert verdict.outcome == ("no guarantee" if weight == NO_WEIGHT["weight"] else "disagrees"), verdict


def test_a_relation_says_nothing_of_an_overflow() -> None:
    """Losses of 4·10⁴ have no sum in float16; times 1 - ε = 0 it is NaN."""
    problem = Problem("cross_entropy", "float16", {"logits": [[0.0, -4e4]] * 2, "target": [1, 1]}, {}, 1.0)

    verdict = check_relations(REFERENCE, problem, relation="label smoothing", arithmetic="torch-cpu")

    assert verdict.outcome == "no guarantee", verdict


@pytest.mark.parametrize(
    ("relation", "wrong", "problem"), BROKEN_RELATIONS, ids=[relation for relation, _, _ in BROKEN_RELATIONS]
)
def test_each_relation_is_broken_by_something(relation: str, wrong: Callable[..., Any], problem: Problem) -> None:
    """Without a truth, and named in the explanation; verify finds it too."""
    verdict = check_relations(load(wrong, operation=problem.operation, adapter="torch"), problem, relation=relation)

    assert verdict.outcome == "disagrees"
    assert verdict.explanation.startswith(f"{relation}: ")
    asked: Any = {"operation": problem.operation, "adapter": "torch", "dtypes": ["float32"], "seed": 0}
    assert not softproof.verify(wrong, **asked, shrink=False).ok


def test_every_relation_has_something_that_breaks_it() -> None:
    """The list above is complete."""
    assert [relation for relation, _, _ in BROKEN_RELATIONS] == list(softproof.RELATIONS)


def _full_size(rows: int) -> Problem:
    """Rows of 8192 classes."""
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(rows, 8192)).astype(np.float32), rng.integers(0, 8192, rows)
    return Problem("cross_entropy", "float32", {"logits": logits, "target": target}, {"reduction": "none"})


@pytest.mark.parametrize("relation", ["permuted classes", "split batch"])
def test_relations_at_full_size(relation: str, thorough: bool) -> None:
    """They need no truth, so that a batch of real size costs two evaluations and two bounds."""
    assert (
        check_relations(
            load(F.cross_entropy, adapter="torch"), _full_size(4096 if thorough else 512), relation=relation
        ).outcome
        == "agrees"
    )


def test_an_error_at_full_size_shows(thorough: bool) -> None:
    """In one position the loss is off in its third digit."""

    def cross_entropy(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        losses = F.cross_entropy(input, target, reduction=reduction)
        return losses + (torch.arange(len(losses)) == 259) * 0.01

    problem = _full_size(4096 if thorough else 512)
    assert (
        check_relations(load(cross_entropy, adapter="torch"), problem, relation="permuted rows").outcome == "disagrees"
    )


def _interval(middle: float, radius: float) -> Interval:
    return Interval(np.array([middle]), np.array([radius]))


@pytest.mark.parametrize(
    ("one", "two", "meet"),
    [
        ((1.0, 0.5), (2.0, 0.5), True),
        ((1.0, 0.5), (2.0, 0.499), False),
        ((1.0, 0.0), (1.0, 0.0), True),
        ((np.inf, 0.0), (np.inf, 0.0), True),
        ((np.inf, 0.0), (-np.inf, 0.0), False),
        ((np.inf, 1.0), (3.0, 1.0), False),
        ((np.inf, np.inf), (3.0, 1.0), True),
        ((np.nan, 0.0), (np.nan, 0.0), True),
        ((np.nan, 0.0), (3.0, 1.0), False),
        ((np.nan, 0.0), (3.0, np.inf), False),
        ((np.nan, np.inf), (0.0, np.inf), True),  # of one part that is NaN and one that promises nothing, and the whole
    ],
)
def test_intervals_meet(one: tuple[float, float], two: tuple[float, float], meet: bool) -> None:
    """Equal infinities do, NaN meets NaN alone, and a radius of inf anything that is a number."""
    distance = _interval(*one).distance(_interval(*two))

    assert bool((distance <= 1).all()) is meet


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=4, max_size=4),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
    st.floats(-8, 8),
)
def test_sums_and_products_are_rounded_outwards(points: list[float], weights: list[float], factor: float) -> None:
    """Whatever two numbers are inside two intervals, their sum and multiple are inside those of the intervals."""
    a, b = (_interval(points[i] / 2 + points[i + 1] / 2, abs(points[i] / 2 - points[i + 1] / 2)) for i in (0, 2))
    with ctx.workprec(4096):
        x, y = (arb(float(i.middle[0])) + (2 * arb(w) - 1) * arb(float(i.radius[0]))
                for i, w in zip((a, b), weights, strict=True))  # fmt: skip
        rounded = arb(factor) * (1 + arb(U) * (2 * arb(weights[0]) - 1))  # what the factor may stand for
        for exact, found in ((x + y, a + b), (x * arb(factor), a.times(factor, 0.0)), (x * rounded, a.times(factor))):
            assert abs(exact - arb(float(found.middle[0]))) <= arb(float(found.radius[0]))


def test_a_factor_that_is_rounded_has_room() -> None:
    """n/q by way of n·fl(1/q), which rounds twice."""
    n, q = np.arange(1.0, 100.0), 49.0
    found = Interval.exactly(n).times(1 / q)

    with ctx.workprec(256):
        for each, middle, radius in zip(n, found.middle, found.radius, strict=True):
            assert abs(arb(each) / arb(q) - arb(middle)) <= arb(radius)


@given(st.floats(-800, 800), st.floats(-800, 800))
def test_the_rounding_of_logaddexp(x: float, y: float) -> None:
    """Two numbers that are known: what float64 makes of them is within the radius."""
    found = _interval(x, 0.0).logaddexp(_interval(y, 0.0))
    with ctx.workprec(256):
        exact = (arb(x).exp() + arb(y).exp()).log()
        assert abs(exact - arb(float(found.middle[0]))) <= arb(float(found.radius[0]))


def test_what_may_have_overflowed_promises_nothing() -> None:
    """And what may not is inf, and nothing else."""
    low, high = (Problem("linear", "float16", {"input": [[x]], "weight": [[16.0]]}) for x in (4000.0, 4096.0))
    infinite = Result({"value": Output(np.array([[np.inf]], np.float32), "float16")})

    assert np.isinf(enclosed(high, infinite, any_order("float16"))["value"].radius).all()
    assert np.isfinite(enclosed(low, infinite, any_order("float16"))["value"].radius).all()


@pytest.mark.parametrize("weight", [1e308, 1.0, 5e-324])
def test_batches_are_weighted_by_exact_shares(weight: float) -> None:
    """Of a sum of weights that float64 does not hold, too."""
    logits = [[0.0, 1.0], [3.0, 0.0], [0.0, 0.0]]
    inputs: dict[str, Any] = {"logits": logits, "target": [0, 1, 0], "weight": [weight] * 2}
    problem = Problem("cross_entropy", "float64", inputs, {}, 1.0)
    identity = identity_of("split batch", problem, frozenset())
    assert identity is not None

    whole, *parts = ({"value": Interval.exactly(np.asarray(solve(each)["value"], np.float64))}
                     for each in (identity.problem, *identity.others))  # fmt: skip

    found = identity.combine(*parts)["value"]
    assert found.radius < 1e-14
    assert found.distance(whole["value"]) <= 1


def test_a_batch_without_a_share_is_no_relation() -> None:
    """5e-324 of 1e308 is less than any float64."""
    inputs: dict[str, Any] = {"logits": np.eye(2), "target": [0, 1], "weight": [1e308, 5e-324]}

    assert identity_of("split batch", Problem("cross_entropy", "float64", inputs, {}, 1.0), frozenset()) is None


def test_arguments_of_relations_that_do_not_fit_are_errors() -> None:
    """Naming both sides."""
    with pytest.raises(ValueError, match="relation is 'of nature'; expected one of common shift"):
        check_relations(load(F.softmax), BROKEN_RELATIONS[0][2], relation="of nature")
    with pytest.raises(ValueError, match="accuracy D"):
        check_relations(load(F.softmax), BROKEN_RELATIONS[0][2], accuracy="D")


def _explained(loss: Callable[..., Any], relation: str, logits: Any, target: Any, **options: Any) -> str:
    candidate = load(loss, operation="cross_entropy", adapter="torch")
    return check_relations(candidate, _loss(logits, target, None, "float32", **options), relation=relation).explanation


def test_a_relation_says_what_it_asked() -> None:
    """Inputs and options that differ from the problem shown, with their values where these are few."""

    def of_weights(input: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.cross_entropy(input, target) * (1 if weight is None else weight.sum())

    said = _explained(of_weights, "class weights", [[0.0, 0.0]], [0])
    assert re.search(r"; asked with weight=\[1\.0, 1\.0\], and with weight=\[(\S+), \1\]$", said), said
    many = _explained(of_weights, "class weights", np.zeros((1, 9)), [0])
    assert many.endswith("; asked with other weight of shape (9,), and with other weight of shape (9,)")


def test_a_relation_says_in_which_shape_an_error_was_raised() -> None:
    """And how to leave out what is not taken."""

    def in_batches(input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(F.log_softmax(input, 1), target)

    said = _explained(in_batches, "batch of one", [[1.0]], [0])

    assert said.startswith("batch of one: raised IndexError at ")
    assert said.endswith("; asked with logits=[1.0], target=0 (--without unbatched, if that is not taken)")
    assert "\n" not in said


def test_a_relation_says_where_a_question_is_the_problem_itself() -> None:
    """The rows of the problem, beside the same in two batches."""

    def mean_of_first(input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(input[:1], target[:1])

    said = _explained(mean_of_first, "split batch", [[0.0, 1.0], [0.0, 2.0]], [0, 0])

    assert said.endswith("; asked as it is, and with logits=[[0.0, 1.0]], target=[0], and with "
                         "logits=[[0.0, 2.0]], target=[0]")  # fmt: skip
