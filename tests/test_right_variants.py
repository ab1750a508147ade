"""Right implementations in legal arithmetics are never rejected; their twins, one term short or over, always are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from softproof import MODELS, OPERATIONS, Output, Problem, Result, judge_result
from softproof.bounds.algebra import additions
from softproof.mutants.right import sums
from softproof.mutants.right.catalogue import VARIANTS, table
from softproof.mutants.right.record import Right
from softproof.mutants.right.sums import Order, Spoiled, Sum
from softproof.mutants.right.trial import drawn, hunt, rejected, variants_of, verdict_on
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array

DOCS = Path(__file__).parent.parent / "docs"
F32 = FORMATS["float32"]


@pytest.fixture(scope="session")
def seed(number_of_the_run: int) -> int:
    """That of the run; without one, another in each run."""
    return number_of_the_run


# ---- never rejected -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_right_variant_is_rejected(operation: str, seed: int, thorough: bool) -> None:
    """On drawn problems in a format of this run, value and gradients together; all variants do answer some."""
    for dtype in FORMATS if thorough else (random.Random(f"{seed} {operation}").choice(list(FORMATS)),):
        answered = set[str]()
        for number in range(40 if thorough else 1):
            asked = drawn(operation, dtype, 10 if thorough else 4, f"{seed} {number}", small=number % 3 == 2)
            variants = variants_of(operation, dtype)
            found = [(variant.name, str(verdict)) for variant, verdict in rejected(variants, asked)]
            assert found == [], f"seed {seed} {number}, {dtype}"
            answered |= {variant.name for variant in variants if any(map(variant.takes, asked))}
        assert not thorough or answered == {variant.name for variant in variants_of(operation, dtype)}


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("numbers", ["float64", "float32"])
def test_a_loss_may_be_one_sum_over_rows_and_classes(numbers: str, reduction: str) -> None:
    """-(t log_softmax(x)).sum() in one order, each addition of which rounds the same way; not where rows come first."""
    rows, classes = 300, 40
    x, q = np.zeros((rows, classes)), np.full((rows, classes), 2.0**-5)
    problem = Problem("cross_entropy", numbers, {"logits": x, "target": q}, {"reduction": reduction})
    term = (FORMATS[numbers].round(np.log(classes)) * q).astype(numbers)
    value = np.add.accumulate(term.reshape(-1))[-1] / (rows if reduction == "mean" else 1)
    result = Result({"value": Output(np.asarray(value, numbers), numbers)})

    assert judge_result(problem, result).ok
    assert judge_result(problem, result, arithmetic="numpy").outcome == "disagrees"


def _hunted(variant: Right, spoiled: Spoiled, dtype: str, seed: str) -> None:
    verdict = hunt(variant.twin(spoiled), dtype, seed)
    assert verdict is not None, f"{variant.name}, {spoiled}, survives in {dtype} from seed {seed}"


@pytest.mark.parametrize("name", VARIANTS)
def test_its_twin_is_rejected(name: str, seed: int) -> None:
    """Under the same model, with a term of the sum dropped or doubled, by this run's choice."""
    chosen = random.Random(f"{seed} {name}")
    spoiled: Spoiled = chosen.choice(("dropped", "doubled"))
    _hunted(VARIANTS[name], spoiled, "float32", f"twin {seed}")


@pytest.mark.thorough
@pytest.mark.parametrize("spoiled", ["dropped", "doubled"])
@pytest.mark.parametrize("name", VARIANTS)
def test_both_twins_are_rejected_in_every_format(name: str, spoiled: Spoiled, seed: int) -> None:
    """Half precision too."""
    for dtype in VARIANTS[name].dtypes:
        _hunted(VARIANTS[name], spoiled, dtype, f"twins {seed}")


# ---- the catalogue --------------------------------------------------------------------------------------------------


def test_there_are_enough() -> None:
    """At least 60, 40 of them with no assumption of their own, some of each operation; a model has what each needs."""
    models = [each.model for each in VARIANTS.values()]

    assert len(VARIANTS) >= 60
    assert models.count("any-order") >= 40
    assert {each.operation for each in VARIANTS.values()} == set(OPERATIONS)
    assert all((not each.needs) == (each.model == "any-order") for each in VARIANTS.values())


FIELDS = {
    "A2'": "base2",
    "A2''": "scales_logits",
    "A3'": "online",
    "A3''": "through_maximum",
    "A4'": "subtracts_logsumexp",
    "A4'''": "folded_from",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_model_has_what_a_variant_needs(name: str) -> None:
    """The fields of the arithmetic that docs/theory/bounds.md names beside each assumption."""
    variant = VARIANTS[name]
    problem = Problem("softmax", "float32", {"logits": [0.0]}, {"dim": -1})

    assert all(getattr(MODELS[variant.model](problem), FIELDS[each]) for each in variant.needs)
    assert all(
        f"**{each}** (`{field}`)" in (DOCS / "theory" / "bounds.md").read_text() for each, field in FIELDS.items()
    )


def test_the_document_lists_them() -> None:
    """docs/generated/right_variants.md ends with the table."""
    assert (DOCS / "generated" / "right_variants.md").read_text().endswith(table())


ORDERS: list[Order] = sorted({each.sum.order for each in VARIANTS.values()}, key=lambda order: order.__name__)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_a_sum_is_one_and_its_twin_is_not(order: Order, seed: int) -> None:
    """Within (n - 1)u Σ|t|; spoiled, off by the last term."""
    rng = np.random.default_rng(seed)
    for n in (1, 2, 3, 8, 9, 33, 200):
        terms = (2.0 ** rng.uniform(-6, 6, (50, n))).astype(np.float32)
        for spoiled, count in (("", 1), ("dropped", 0), ("doubled", 2)):
            weights = np.where(np.arange(n) == n - 1, count, 1)
            expected = (terms.astype(np.float64) * weights).sum(-1)
            got = Sum(order, spoiled)(terms)[:, 0]  # type: ignore[arg-type]
            assert got.dtype == np.float32
            assert (np.abs(got - expected) <= max(n, 2) * F32.u * expected * (1 + 2.0**-20)).all(), (n, spoiled)


def test_a_variant_that_is_wrong_is_told() -> None:
    """The search is one: a twin is in it."""
    twin = next(iter(VARIANTS.values())).twin("doubled")
    problem = Problem("softmax", "float32", {"logits": [[0.0, 1.0, 2.0]]}, {"dim": -1})

    ((variant, verdict),) = rejected([twin], [problem])
    assert variant is twin
    assert verdict.outcome == "disagrees"
    assert verdict_on(twin, Problem("softmax", "float32", {"logits": [[np.nan, 1.0]]}, {"dim": -1})) is None


SHAPES = {
    "a number": Problem("softmax", "float32", {"logits": 0.5}, {"dim": 0}, 1.0),
    "several axes": Problem("logsumexp", "float32", {"logits": np.arange(6.0).reshape(1, 2, 3)},
                            {"dim": (0, 2), "keepdim": True}, np.ones((1, 2, 1))),
    "no rows": Problem("log_softmax", "float32", {"logits": np.zeros((0, 2))}, {"dim": -1}, np.zeros((0, 2))),
    "no classes": Problem("softmax", "float32", {"logits": np.zeros((2, 0))}, {"dim": -1}, np.zeros((2, 0))),
    "a weight for each position": Problem("linear_cross_entropy", "float32", {
        "input": np.ones((2, 3)), "linear_weight": np.ones((4, 5, 3)), "target": np.zeros((2, 5), np.int64)}),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_that_are_drawn_seldom(kind: str) -> None:
    """Each is answered rightly, or not taken where there are no rows of classes."""
    problem = SHAPES[kind]
    verdicts = [verdict_on(each, problem) for each in variants_of(problem.operation, "float32")]

    assert verdicts
    if kind in ("no classes", "a weight for each position"):
        assert set(verdicts) == {None}
    else:
        assert all(verdict is not None and verdict.ok for verdict in verdicts), verdicts


# ---- what no model covers -------------------------------------------------------------------------------------------


def _log_softmax(x: Array) -> Array:
    d = x - x.max(-1, keepdims=True)
    return np.asarray(d - np.log(np.exp(d).sum(-1, keepdims=True)))


def _log_of_softmax(rng: np.random.Generator) -> tuple[Problem, Array]:
    x = (10 * rng.normal(size=(5, 4))).astype(np.float32)
    x[0, 1] = x.max() + 120
    e = np.exp(x - x.max(-1, keepdims=True))
    return Problem("log_softmax", "float32", {"logits": x}, {"dim": -1}), np.log(e / e.sum(-1, keepdims=True))


def _folded(rng: np.random.Generator) -> tuple[Problem, Array]:
    x = (1000 + rng.normal(size=(5, 300))).astype(np.float32)
    return Problem("logsumexp", "float32", {"logits": x}, {"dim": -1}), np.logaddexp.accumulate(x, -1)[:, -1]


def _weights_by_the_largest(rng: np.random.Generator) -> tuple[Problem, Array]:
    w = rng.uniform(0.5, 3, 3).astype(np.float32)
    x = np.zeros((400, 3), np.float32)
    x[:, 1:] = np.stack((-40 - 24 * rng.random(400), np.full(400, -200)), -1)
    inputs: dict[str, Array] = {"logits": x, "target": np.ones(400, np.int64), "weight": w}
    value = w[1] / w.max() * -_log_softmax(x)[:, 1] * w.max()
    return Problem("cross_entropy", "float32", inputs, {"reduction": "none"}), value


def _scaled(rng: np.random.Generator) -> tuple[Problem, Array]:
    x = (1000 + rng.normal(size=(5, 4))).astype(np.float32)
    z = x * np.float32(np.log2(np.e))
    e = np.exp2(z - z.max(-1, keepdims=True))
    return Problem("softmax", "float32", {"logits": x}, {"dim": -1}), e / e.sum(-1, keepdims=True)


def _rescaled_elements(rng: np.random.Generator) -> tuple[Problem, Array]:
    x = np.sort(rng.normal(0, 3, (5, 400)).astype(np.float32), -1)
    e, top = np.ones_like(x[:, :1]), x[:, :1]
    for each in x[:, 1:].T[..., None]:
        factor = np.exp(top - each)
        e, top = np.concatenate((e * factor, np.ones_like(each)), -1), each
    return Problem("softmax", "float32", {"logits": x}, {"dim": -1}), e / e.sum(-1, keepdims=True)


Excluded = Callable[[np.random.Generator], tuple[Problem, Array]]

EXCLUDED: dict[str, tuple[str, Excluded]] = {
    "formed as log(softmax(x))": ("fused", _log_of_softmax),
    "y ← logaddexp(y, x_i)": ("fused", _folded),
    "divided by something that is no power of 2": ("any-order", _weights_by_the_largest),
    "By `fused`: an exponential formed as 2^fl(x log₂e - m log₂e)": ("any-order", _scaled),
    "whose elements, not only their sum, are rescaled": ("any-order", _rescaled_elements),
}


@pytest.mark.parametrize("words", EXCLUDED)
def test_what_is_listed_as_not_covered_is_not(words: str) -> None:
    """docs/theory/bounds.md says so, and a model does reject it."""
    listed = " ".join((DOCS / "theory" / "bounds.md").read_text().split("## What is not covered")[1].split())
    name, form = EXCLUDED[words]
    rng, outcomes = np.random.default_rng(0), set[str]()
    for _ in range(200):
        with np.errstate(divide="ignore"):
            problem, value = form(rng)
        result = Result({"value": Output(np.asarray(value, np.float32), "float32")})
        outcomes.add(judge_result(problem, result, arithmetic=name).outcome)
        if "disagrees" in outcomes:
            break

    assert words in listed
    assert "disagrees" in outcomes


def test_a_running_mean_is_no_sum_in_some_order() -> None:
    """In working precision it leaves the bound of two summands."""
    terms = np.random.default_rng(0).uniform(0, 1, (1000, 2)).astype(np.float32)
    total = 2 * (terms[:, 0] + (terms[:, 1] - terms[:, 0]) / np.float32(2))
    error = np.abs(total - terms.astype(np.float64).sum(-1)) / terms.astype(np.float64).sum(-1)

    assert "running mean, m ← m + (x_k - m)/k (Welford)" in (DOCS / "theory" / "bounds.md").read_text()
    assert error.max() > additions(2, F32.u)
    assert sums.welford in sums.NARROW


def test_a_running_mean_of_what_cancels_is_outside_in_float64_too() -> None:
    """Upstream gradients that are whole numbers, whose sum is 0 in every order; no variant takes it by a mean."""
    g = np.array([[5.0, 2.0, 0.0, -4.0, -4.0, 1.0]], np.float32)
    problem = Problem("log_softmax", "float32", {"logits": np.zeros((1, 6))}, {"dim": -1}, g)
    value = np.full((1, 6), -np.log(6), np.float32)

    def outcome(order: Order) -> str:
        outputs = {"value": value, "grad_logits": g - np.exp(value) * Sum(order)(g)}
        return judge_result(problem, Result({name: Output(each, "float32") for name, each in outputs.items()})).outcome

    assert outcome(sums.welford) == "disagrees"
    assert {outcome(Sum(order).intact.order) for order in ORDERS} == {"agrees"}


def _by_whole_jacobian(p: Array, g: Array, first: int) -> Array:
    """(diag(p) - p pᵀ) g, each inner product from the column `first` on, one term after another."""
    jacobian, total = np.diag(p) - np.outer(p, p), np.float32(0) * p
    for k in (first, *(k for k in range(len(p)) if k != first)):
        total = total + jacobian[:, k] * g[k]
    return np.asarray(total)


def test_a_whole_jacobian_is_outside_the_bound_of_a_gradient() -> None:
    """Each term of the sum of exponentials is lost, and each of the inner product rounds up: 1000 classes."""
    half_ulp, x, e = np.float32(0.99 * F32.u), np.zeros((1, 1000), np.float32), np.float32(0)
    x[0, 1:] = np.log(half_ulp)
    for each in np.exp(x[0]):
        e = e + each
    p = np.exp(x[0]) / e
    scale = np.float32(1.02) / p[-1]  # so that p g is just above 1
    g = np.where(np.arange(1000) == 999, scale, -scale).astype(np.float32)
    g[0] = 0
    problem = Problem("softmax", "float32", {"logits": x}, {"dim": -1}, g[None])
    result = Result({"value": Output(p[None], "float32"),
                     "grad_logits": Output(_by_whole_jacobian(p, g, 999)[None], "float32")})  # fmt: skip

    verdict = judge_result(problem, result)
    assert (verdict.outcome, verdict.output) == ("disagrees", "grad_logits")
    assert 1.8 < verdict.ratio < 2
    assert "by the whole Jacobian matrix" in (DOCS / "theory" / "bounds.md").read_text()
