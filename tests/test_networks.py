"""A forward and backward pass of one's own, held against a network that is stated."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flint import ctx

import softproof
from softproof import Problem, any_order
from softproof.generation.edge_cases import EDGE_CASES
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.verdicts.networks.answers import KINK, ask, compare
from softproof.verdicts.networks.carried import Carried, carried, mean_loss, product
from softproof.verdicts.networks.drawn import FARTHEST, STYLES, logits, problem_of
from softproof.verdicts.networks.layers import Layers, Linear, layers_of

from .helpers.small_formats import Machine, Row, leans, small
from .helpers.small_networks import outputs, products
from .wrong.networks import (
    RIGHT,
    WRONG,
    AddsUp,
    Answer,
    ByHand,
    DiagonalOnly,
    HalfInside,
    MaskOfAnotherLayer,
    NoBiasGradient,
    NoMean,
    NoSlope,
    OneAfterAnother,
    OneBuffer,
    SlopeOneAtZero,
    SumForMean,
    Transposed,
    WritesInput,
)

BOTH = [("linear", 3, 4), "relu", ("linear", 4, 4), "tanh", ("linear", 4, 3)]
TWO_RELUS = [("linear", 3, 4), "relu", ("linear", 4, 4), "relu", ("linear", 4, 3)]
STATED: list[list[Any]] = [[("linear", 2, 2)], [("linear", 2, 3), "tanh", ("linear", 3, 2)], BOTH]
ALSO: dict[type[ByHand], tuple[str, ...]] = {HalfInside: ("grad_W3",)}  # where the loss is right by chance
NAMES = ("loss", "W3", "b3", "W2", "b2", "W1", "b1", "x")


@pytest.mark.parametrize("variant", RIGHT, ids=lambda each: each.__name__)
def test_right_passes_agree(variant: type[ByHand], dtype: str, number_of_the_run: int) -> None:
    """In whatever order and form; a slope of 1 at 0 cites its row, and nothing else does."""
    net = softproof.network(BOTH)
    verdict = net.judge(variant(net.layers), dtypes=[dtype], seed=number_of_the_run)

    assert verdict.outcome == "agrees", verdict
    assert verdict.unspecified == ((KINK,) if variant is SlopeOneAtZero else ())
    assert all(0 < ratio < 1 for ratio in verdict.ratios.values())
    assert [*verdict.ratios] == ["loss", *(f"grad_{name}" for name in NAMES[1:])]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: each.__name__)
def test_wrong_passes_disagree(wrong: type[ByHand], dtype: str, number_of_the_run: int) -> None:
    """The first output that is wrong on the way back is named (where h is 0, a bias for its weight)."""
    net = softproof.network(TWO_RELUS if wrong is MaskOfAnotherLayer else BOTH)
    verdict = net.judge(wrong(net.layers), dtypes=[dtype], seed=number_of_the_run)

    assert verdict.outcome == "disagrees", verdict
    assert verdict.output in {WRONG[wrong], WRONG[wrong].replace("W", "b"), *ALSO.get(wrong, ())}, verdict


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (NoSlope, "before is right: look at the product of the gradient with W3 and the slope of tanh"),
        (DiagonalOnly, "before is right: look at the gradient of the logits, (p - y)/N"),
        (Transposed, "before is right: look at the product of the gradient with W2 and the slope of relu"),
        (NoBiasGradient, "grad_W3 is right, and so the gradient g of the layer: look at grad_b3 = the sum of g"),
        (NoMean, "all of it is 2 times the exact: is 1/N forgotten, of 2 rows?"),
        (SumForMean, "all gradients are right, so the logits are: look at how the loss is formed of them"),
        (AddsUp, "the function keeps something between calls"),
        (WritesInput, "the call changed W1, b1, W2, b2, W3, b3; work on a copy"),
        (OneBuffer, "a later call changed grad_W1, grad_b1, grad_W2, grad_b2, grad_W3, grad_b3 of an earlier one"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_verdict_says_where_to_look(wrong: type[ByHand], told: str) -> None:
    """At the step between what is right and what is wrong."""
    net = softproof.network(BOTH)

    assert told in str(net.judge(wrong(net.layers), dtypes=["float64"], seed=1))


def test_a_factor_is_told_where_the_bounds_allow_it() -> None:
    """Of all elements; one that is another number times the exact is none."""
    net = softproof.network([("linear", 3, 4)])

    def times(factor: Array) -> str:
        def function(x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
            loss, gradients = ByHand(net.layers)(x, labels, parameters)
            return loss, gradients | {"W1": (gradients["W1"] * factor).astype(x.dtype)}

        return str(net.judge(function, dtypes=["float32"], seed=1))

    assert "; all of it is -0.5 times the exact" in times(np.array(-0.5))
    assert "times the exact" not in times(np.array([1.5, 1.5, 1.5 + 1e-4]))


def test_only_one_gradient_is_wrong() -> None:
    """That of a weight, or that of the input: the step that makes it is named."""

    class NoActivation(ByHand):
        """Every weight gradient as if the layer had another input."""

        def of_weight(self, g: Array, h: Array) -> Array:
            return super().of_weight(g, h + 1)

    net = softproof.network(BOTH)

    def no_input(x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
        loss, gradients = ByHand(net.layers)(x, labels, parameters)
        return loss, gradients | {"x": -gradients["x"]}

    assert "look at grad_W3 = gᵀ h, where h is the input of layer 3" in str(net.judge(NoActivation(net.layers), seed=1))
    assert "is right: look at the product of the gradient with W1\n" in str(net.judge(no_input, seed=1))


def test_the_printed_program_shows_it_again() -> None:
    """As it stands, with the function beside it; the problem is the verdict's."""
    net = softproof.network(BOTH)
    verdict = net.judge(NoSlope(net.layers), dtypes=["float32"], seed=4)
    program = verdict.explanation.split("seed 4):\n")[1].replace("print(", "again = (")
    names: dict[str, Any] = {"my_network": NoSlope(net.layers)}
    exec(program, names)

    assert verdict.problem is not None
    assert names["problem"].digest() == verdict.problem.digest()
    again = names["again"]
    assert (again.output, again.index, again.ratio) == (verdict.output, verdict.index, verdict.ratio)


def _gives(change: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Array, Array, dict[str, Array]], Any]:
    """A right pass whose answer is changed."""
    layers = layers_of(BOTH)
    return lambda x, labels, parameters: change(*ByHand(layers)(x, labels, parameters))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda loss, _: loss, "raised TypeError: cannot unpack"),
        (lambda loss, g: (loss, {name: g[name] for name in g if name != "x"}), "gradients has no 'x'; expected"),
        (lambda loss, g: (loss, {f"{name}_": g[name] for name in g}), "gradients has no 'W1'; expected W1, b1, W2"),
        (lambda loss, g: (loss, g | {"W1": g["W1"].T}), "has shape (3, 4); expected (4, 3); is it transposed?"),
        (lambda loss, g: (loss, g | {"b1": g["b1"][None]}), "grad_b1 has shape (1, 4); expected (4,)"),
        (lambda loss, g: (loss, g | {"b1": np.zeros(4, int)}), "grad_b1 has dtype int64; expected floating-point"),
        (lambda loss, g: (np.array([loss]), g), "loss has shape (1,); expected ()"),
        (lambda loss, g: (loss, g | {"b1": g["b1"] + 0j}), "grad_b1 has dtype complex"),
        (lambda loss, g: (loss, g["W4"]), "raised KeyError: 'W4'"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told(change: Callable[..., Any], told: str) -> None:
    """Apart from numbers that are wrong; a wider format and a Python float are answers."""
    net = softproof.network(BOTH)
    verdict = net.judge(_gives(change), problems=1)

    assert (verdict.outcome, verdict.output) == ("disagrees", "")
    assert told in verdict.explanation


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_never_agrees(name: str, bad: float) -> None:
    """In one element of one output, at a kink too."""

    def spoiled(loss: Any, gradients: dict[str, Array]) -> Answer:
        found = {"loss": np.array(loss)} | gradients
        found[name].reshape(-1)[:1] = bad
        return found.pop("loss"), found

    net = softproof.network(BOTH)
    verdict = net.judge(_gives(spoiled), dtypes=["float32"], problems=[problem_of(net.layers, "float32", 5, 1)])

    assert (verdict.outcome, verdict.output) == ("disagrees", name if name == "loss" else f"grad_{name}")


def test_a_gradient_may_be_left_out() -> None:
    """That of the input, which few need; and it is not judged then."""
    net = softproof.network(BOTH)
    without = _gives(lambda loss, g: (float(loss), {name: g[name] for name in g if name != "x"}))
    verdict = net.judge(without, without=["x"], problems=2)

    assert verdict.outcome == "agrees", verdict
    assert "grad_x" not in verdict.ratios


# ---- a relu at 0 -----------------------------------------------------------------------------------------------------

AT_ZERO = Problem(
    "network", "float32",
    {"x": [[1.0, -1.0]], "W1": [[0.5, 0.5], [1.0, 0.25]], "b1": [0.0, 0.5], "W2": [[1.0, 2.0], [-0.5, 1.0]],
     "b2": [0.25, 0.0], "target": [1]},
)  # fmt: skip


@pytest.mark.parametrize(
    ("slope", "outcome"),
    [
        (0.0, "agrees"),
        (0.5, "agrees"),
        (1.0, "agrees"),
        (-0.01, "disagrees"),
        (1.01, "disagrees"),
        (np.nan, "disagrees"),
    ],
)
def test_the_slope_at_0_is_any_from_0_to_1(slope: float, outcome: str) -> None:
    """And 0 is exact; what is not made of it is demanded as everywhere."""
    net = softproof.network([("linear", 2, 2), "relu", ("linear", 2, 2)])

    class AtZero(ByHand):
        """A slope for 0."""

        def slope_of_relu(self, z: Array, h: Array) -> Array:
            return np.where(z == 0, np.float32(slope), super().slope_of_relu(z, h)).astype(np.float32)

    class SumsToo(AtZero):
        """And the second layer is wrong."""

        def of_bias(self, g: Array) -> Array:
            return super().of_bias(g) * (1 if self.kept else 0)

        kept = False

    verdict = net.judge(AtZero(net.layers), problems=[AT_ZERO])
    assert verdict.outcome == outcome, verdict
    assert verdict.unspecified == ((KINK,) if outcome == "agrees" and slope else ())
    assert net.judge(SumsToo(net.layers), problems=[AT_ZERO]).output == "grad_b2"


def test_the_row_of_the_kink_is_its_own() -> None:
    """No edge case has its number, and the document has it."""
    document = (Path(__file__).parents[1] / "docs" / "theory" / "semantics.md").read_text()

    assert KINK not in {each.number for each in EDGE_CASES}
    assert len(re.findall(rf"^\| {KINK} \|.*relu at 0", document, re.MULTILINE)) == 1


# ---- truth and bounds ------------------------------------------------------------------------------------------------


def _drawn(stated: list[Any], dtype: str, count: int, seed: int) -> tuple[Layers, list[Problem]]:
    layers = layers_of(stated)
    return layers, [problem_of(layers, dtype, number, seed) for number in range(count)]


def _by_torch(layers: Layers, inputs: dict[str, Array]) -> dict[str, Array]:
    """The loss and the gradients by autograd, in float64."""
    given = {name: torch.tensor(array, dtype=torch.float64, requires_grad=True) for name, array in inputs.items()
             if name != "target"}  # fmt: skip
    h = given["x"]
    for layer in layers:
        if isinstance(layer, Linear):
            weight, bias = layer.names
            h = torch.nn.functional.linear(h, given[weight], given[bias])
        else:
            h = getattr(torch, layer)(h)
    loss = torch.nn.functional.cross_entropy(h, torch.tensor(inputs["target"]))
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: tensor.grad.numpy() for name, tensor in given.items() if tensor.grad is not None}
    return {"loss": loss.detach().numpy()} | gradients


@pytest.mark.parametrize("stated", STATED, ids=len)
def test_the_truth_is_that_of_autograd(stated: list[Any]) -> None:
    """In float64, which has 12 digits of all that does not cancel; one problem of each style."""
    layers, problems = _drawn(stated, "float32", len(STYLES), 3)
    for problem in problems:
        beside = _by_torch(layers, dict(problem.inputs))
        with ctx.workprec(128), np.errstate(all="ignore"):
            exact = carried(layers, problem.inputs, any_order("float32"))
        assert exact.keys() == beside.keys()
        for name, each in exact.items():
            np.testing.assert_allclose(each.exact.astype(np.float64), beside[name], rtol=1e-10, atol=1e-12)


def _moved(each: Carried, by: float, dtype: str) -> Array:
    """The exact numbers moved by so many bounds."""
    return FORMATS[dtype].round(each.exact.astype(np.float64) + by * each.error)


@pytest.mark.parametrize("stated", STATED, ids=len)
def test_the_bound_is_the_limit(stated: list[Any], dtype: str) -> None:
    """Half of it agrees, and twice it does not, in each output; none is more than 2 in a thousand of what it bounds."""
    layers, problems = _drawn(stated, dtype, len(STYLES), 11)
    for problem in problems:
        with ctx.workprec(128), np.errstate(all="ignore"):
            exact = carried(layers, problem.inputs, any_order(dtype))
        half, twice = ({name: _moved(each, by, dtype) for name, each in exact.items()} for by in (0.25, 2.0))
        assert all(each.agreed.all() for each in compare(layers, problem, half).values())
        assert all((each.error == 0).all() or not found.agreed.all() for each, found in
                   zip(exact.values(), compare(layers, problem, twice).values(), strict=True))  # fmt: skip
        for name, each in exact.items():
            assert each.error.max() < 2e-3 * max(1.0, each.size.max()), name


@pytest.mark.parametrize(("terms", "needed"), [(1, 0.9), (2, 0.5), (6, 0.2)])
def test_what_products_and_sums_lose_is_allowed(terms: int, needed: float) -> None:
    """Where all factors are exact and no term cancels; and some need much of it."""
    a, rng = small(11, -126, 127), np.random.default_rng(2)
    p, q = (np.abs(a.compute.round(rng.normal(size=shape))) for shape in ((8, terms), (terms, 8)))
    with ctx.workprec(128):
        found = product(Carried.given(p), Carried.given(q), a)
    worst = max(float((np.abs(products(Machine(a, rng), p, q) - p @ q) / found.error).max()) for _ in range(200))

    assert needed < worst <= 1


def test_what_the_logarithm_of_a_probability_loses_is_allowed() -> None:
    """Of one that is far from 1, by which a logarithm that is off by so many u of itself is off."""
    a, rng, z = small(11, -126, 127, 5.0), np.random.default_rng(2), np.array([[0.0, -26.0]])
    with ctx.workprec(128):
        loss, _ = mean_loss(Carried.given(z), np.array([1]), a)
    machine, worst = Machine(a, rng), 0.0
    for _ in range(50):
        p = Row(machine, z, leans(rng, z.shape), leans(rng, (1, 1))).p
        worst = max(
            worst, float(np.abs(-machine.log(p, leans(rng, z.shape))[0, 1] - float(loss.exact[()])) / loss.error)
        )

    assert 0.5 < worst <= 1


@pytest.mark.parametrize("variant", [ByHand, OneAfterAnother], ids=lambda each: each.__name__)
def test_no_order_of_sums_leaves_the_bound(variant: type[ByHand], dtype: str, number_of_the_run: int) -> None:
    """By BLAS, and one after another."""
    for stated in STATED:
        layers, problems = _drawn(stated, dtype, len(STYLES), number_of_the_run)
        for problem in problems:
            answer = ask(variant(layers), problem, [name for name in problem.inputs if name != "target"])
            assert isinstance(answer, dict), answer
            for name, each in compare(layers, problem, answer).items():
                assert each.agreed.all(), (problem, name, each.ratio.max())


@pytest.mark.parametrize("precision", [11, 16])
def test_the_worst_evaluation_in_a_small_format_is_within_the_bound(precision: int, number_of_the_run: int) -> None:
    """Each step in any legal form, each function as far off as it may be; and some need more than half of the bound."""
    seed = number_of_the_run
    rng, a, worst = np.random.default_rng(seed), small(precision, -126, 127), 0.0
    for number in range(2 * len(STYLES)):
        layers = layers_of(STATED[number % 3])
        drawn = problem_of(layers, "float32", number, seed).inputs
        inputs = {name: array if name == "target" else a.compute.round(array) for name, array in drawn.items()}
        with ctx.workprec(128), np.errstate(all="ignore"):
            exact, at_kinks = (carried(layers, inputs, a, any_slope) for any_slope in (False, True))
            for _ in range(3):
                found = outputs(Machine(a, rng), layers, inputs)
                for name, got in found.items():
                    ratios = [np.abs(got - each[name].exact.astype(np.float64)) / each[name].error
                              for each in (exact, at_kinks)]  # fmt: skip
                    known = np.isfinite(exact[name].error)
                    assert ((ratios[0] <= 1) | (ratios[1] <= 1) | ~known).all(), (number, name, ratios[0].max())
                    worst = max(worst, float(ratios[0].max(initial=0.0, where=known & (ratios[0] <= 1))))
    assert worst > 0.3


# ---- problems and what is no network ---------------------------------------------------------------------------------


def test_problems_are_those_of_the_seed() -> None:
    """Their numbers are of their format, no two logits of a row are too far apart, and rows grow."""
    layers, problems = _drawn(BOTH, "float32", 24, 5)
    rows = [len(problem.inputs["x"]) for problem in problems]

    assert [each.digest() for each in problems] == [each.digest() for each in _drawn(BOTH, "float32", 24, 5)[1]]
    assert len({each.digest() for each in problems}) == 24
    assert rows == sorted(rows)
    assert rows[-1] == 5
    for problem in problems:
        assert all(FORMATS["float32"].holds(array).all() for array in problem.inputs.values())
        assert np.ptp(logits(layers, problem.inputs)[-1], axis=-1).max() < 1.01 * FARTHEST


@pytest.mark.parametrize("stated", STATED, ids=len)
def test_no_probability_that_is_drawn_underflows(stated: list[Any], number_of_the_run: int) -> None:
    """Of any seed and any style: logits of a row are near each other, also where weights and biases nearly cancel."""
    layers = layers_of(stated)
    for number in range(40 * len(STYLES)):
        inputs = problem_of(layers, "float32", number, number_of_the_run).inputs
        assert np.ptp(logits(layers, inputs)[-1], axis=-1).max() < 1.1 * FARTHEST


def test_a_seed_is_drawn_and_told() -> None:
    """Another one each time."""
    net = softproof.network([("linear", 1, 2)])
    told = {str(net.judge(ByHand(net.layers), problems=1)) for _ in range(2)}

    assert len(told) == 2
    assert all("seed" in each for each in told)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"target": [2]}, "labels from 0 to 1"),
        ({"b1": [0.1, 0.0]}, "none of float32"),
        ({"x": [[np.inf]]}, "infinite"),
        ({"b1": [500.0, 0.0]}, "the logits of row 0 are 499 apart; expected so few that no product of its"),
    ],
)
def test_a_problem_of_ones_own_is_checked(changed: dict[str, Any], told: str) -> None:
    """Labels, format and finiteness; and the network is printed as it was stated."""
    net = softproof.network([("linear", 1, 2)])
    inputs: dict[str, Any] = {"x": [[1.0]], "W1": [[1.0], [2.0]], "b1": [0.0, 0.0], "target": [1]}

    assert net.judge(ByHand(net.layers), problems=[Problem("network", "float32", inputs)]).ok
    with pytest.raises(ValueError, match=told):
        net.judge(ByHand(net.layers), problems=[Problem("network", "float32", inputs | changed)])
    assert repr(net) == "softproof.network([('linear', 1, 2)], loss='cross_entropy')"
