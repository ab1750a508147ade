"""Theorems 17 and 18 of docs/theory/bounds.md at work, in the manner of test_theorems.py: hard rows for both halves and
every model, wrong answers, the truth in float64 beside balls, and evaluations in small formats that do their worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from softproof import Arithmetic, Problem, any_order, bound, judge, judge_result, solve
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array

from .helpers.hard_rows import (
    ALL_DTYPES,
    HALVES,
    HELD,
    WRONG,
    answer_of,
    arithmetics,
    doubtful,
    limits_of,
    models_of,
    ordinary,
    problem_of,
    row_of,
    worst_of,
)
from .helpers.small_formats import Machine, Row, small
from .helpers.wrong_answers import spoiled

OPERATIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")
DERIVATIVES = ("jvp", "hvp_logits")


def _along(problem: Problem) -> Problem:
    """The same with a direction that differs from element to element."""
    v = np.random.default_rng(11).normal(size=problem.inputs["logits"].shape)
    return replace(problem, tangent=FORMATS[problem.dtype].round(v))


@pytest.mark.parametrize(("library", "model", "numbers"), HELD)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_right_answers_hold(operation: str, library: str, model: str, numbers: str) -> None:
    """By hand and by torch, under their own model and under the one that leaves the order open."""
    asked = [(classes, dim, layout) for classes in (3, 33) for dim in ("last", "other")
             for layout in ("contiguous", "strided")] + [(1000, "last", "contiguous")]  # fmt: skip
    for each in asked:
        verdict = judge(HALVES[library], _along(problem_of(operation, numbers, *each)), arithmetic=model)
        assert verdict.ok, (each, verdict)
        assert {"jvp", "hvp_logits"} <= verdict.ratios.keys()


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_wrong_answers_are_refuted_under_every_model(operation: str, numbers: str) -> None:
    """Each derivative in turn, wherever a model promises anything; and the exact answer agrees."""
    problem, storage = _along(ordinary(operation, numbers)), FORMATS[numbers]
    right, truth = answer_of(problem), solve(problem)
    for model, arithmetic in models_of(problem).items():
        limits = bound(problem, arithmetic)
        assert judge_result(problem, right, arithmetic=arithmetic).outcome != "disagrees", model
        for name in DERIVATIVES:
            exact, limit = truth[name].astype(np.float64), limits[name]
            if not limit.max() < 0.1 * np.abs(exact).max():
                assert numbers in ("float16", "bfloat16"), (model, name)
                continue
            for wrong, spoil in WRONG.items():
                if wrong == "uniform" and np.ptp(exact) < 4 * limit.max() + 2.0**-4:
                    continue
                result = spoiled(right, name, spoil(exact, limit, storage), storage)
                verdict = judge_result(problem, result, arithmetic=arithmetic)
                assert (verdict.outcome, verdict.output) == ("disagrees", name), (model, wrong, verdict)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_bounds_are_small_beside_the_answer(operation: str, dtype: str) -> None:
    """100 classes: against the largest element, a bound is less than a thousandth, far from vacuous."""
    rng = np.random.default_rng(7)
    x, g, v = (FORMATS["float16"].round(rng.normal(0, 2, (8, 100))) for _ in range(3))
    problem = Problem(operation, dtype, {"logits": x}, {"dim": -1}, g, tangent=v)
    if operation == "logsumexp":
        problem = replace(problem, grad_output=g[:, 0])
    if operation == "cross_entropy":
        inputs = {"logits": x, "target": rng.integers(0, 100, 8)}
        problem = Problem(operation, dtype, inputs, {}, 0.75, tangent=v)
    truth, limits = solve(problem), bound(problem)

    for name in DERIVATIVES:
        assert limits[name].max() < np.abs(truth[name].astype(np.float64)).max() / 1000, name


@pytest.mark.parametrize("numbers", ALL_DTYPES)
@pytest.mark.parametrize("dim", ["last", "other"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_float64_is_as_near_as_it_says(operation: str, dim: str, numbers: str) -> None:
    """Theorem 15, on hard rows, for every model and for the classes B and C."""
    problem = _along(problem_of(operation, numbers, 17, dim))
    for arithmetic in models_of(problem).values():
        for letter in "BC":
            found = list(doubtful(problem, arithmetic, letter))
            assert [each for each in found if not each[1] <= 1] == []
            assert {name for name, _ in found} >= set(DERIVATIVES)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_class_b_asks_for_no_more_than_class_c(dtype: str, operation: str) -> None:
    """No derivative in a direction is among what Theorem 16 promises: its bound is that of class C, or more."""
    problem = _along(ordinary(operation, dtype))
    usual = any_order(dtype)
    limits, of_class_b = bound(problem, usual), bound(problem, replace(usual, forward=True))

    for name in DERIVATIVES:
        assert (of_class_b[name] >= limits[name]).all(), name


# ---- evaluations that do their worst --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stored(Machine):
    """One that keeps each result of a step of a derivative, where the arithmetic says so; sums are added up before."""

    def _kept(self, x: Floats) -> Floats:
        return self.kept("derivatives", x)

    @property
    def _plain(self) -> Machine:
        return Machine(self.arithmetic, self.rng)

    def minus(self, x: Floats, y: Floats) -> Floats:
        """x - y."""
        return self._kept(self.round(x - y))

    def mul(self, *factors: Floats) -> Floats:
        """From the left."""
        product = factors[0]
        for factor in factors[1:]:
            product = self._kept(self.round(product * factor))
        return product

    def div(self, x: Floats, y: Floats | float) -> Floats:
        """A quotient."""
        return self._kept(self._plain.div(x, y))

    def sum(self, terms: Floats, start: Floats | None = None) -> Floats:
        """Of the last axis."""
        return self._kept(self._plain.sum(terms, start))

    def dot(self, x: Floats, y: Floats) -> Floats:
        """Σ x y, of products that are kept or of none."""
        forms = (lambda: self._plain.dot(x, y)), (lambda: self._plain.sum(self.mul(x, y)))
        return self._kept(self.any_of(*forms))


@dataclass(frozen=True)
class _Flushing(_Stored):
    """One for which a subnormal result is 0 now and then."""

    def round(self, x: Floats) -> Floats:
        """To the format, or to 0."""
        found = super().round(x)
        lost = (np.abs(found) < self.format.tiny) & (self.rng.random(np.shape(found)) < 0.5)
        return np.where(lost, 0.0, found)

    @property
    def _plain(self) -> Machine:
        return self

    def div(self, x: Floats, y: Floats | float) -> Floats:
        """A quotient."""
        return Machine.div(self, x, y)

    def sum(self, terms: Floats, start: Floats | None = None) -> Floats:
        """Of the last axis."""
        return Machine.sum(self, terms, start)

    def dot(self, x: Floats, y: Floats) -> Floats:
        """Σ x y."""
        return Machine.dot(self, x, y)


def _machine(row: Row) -> _Stored:
    kind = _Flushing if row.machine.arithmetic.flushes else _Stored
    return kind(row.machine.arithmetic, row.machine.rng)


def _mean(m: _Stored, row: Row, p: Floats, v: Floats) -> Floats:
    """Σ p v, or of exponentials that are divided by their sum."""
    return m.any_of(lambda: m.dot(p, v), lambda: m.div(m.dot(row.e, v), row.s))


def _jacobian(m: _Stored, row: Row, p: Floats, v: Floats) -> Floats:
    """p (v - Σ p v), or p v - p Σ p v."""
    mean = _mean(m, row, p, v)
    return m.any_of(lambda: m.mul(p, m.minus(v, mean)), lambda: m.minus(m.mul(p, v), m.mul(p, mean)))


def _scaled(m: _Stored, row: Row, p: Floats, v: Floats, slope: Floats) -> Floats:
    """A number for each row times J v, multiplied last or first."""

    def first() -> Floats:
        w = m.any_of(lambda: m.mul(slope, p, v), lambda: m.mul(slope, v, p))
        return m.minus(w, m.mul(p, m.sum(w)))

    return m.any_of(lambda: m.mul(slope * np.ones_like(p), _jacobian(m, row, p, v)), first)


def _curvature(m: _Stored, row: Row, p: Floats, g: Floats, v: Floats) -> Floats:
    """By the product rule, as torch does it, and as a covariance."""
    of_g, of_v = m.dot(g, p), _mean(m, row, p, v)

    def by_hand() -> Floats:
        dp = _jacobian(m, row, p, v)
        return m.minus(m.mul(dp, m.minus(g, of_g)), m.mul(p, m.dot(g, dp)))

    def centred(w: Floats) -> Floats:
        return m.mul(p, m.minus(w, m.dot(p, w)))

    def by_autograd() -> Floats:
        return centred(m.minus(m.minus(m.mul(g, v), m.mul(of_g * np.ones_like(v), v)), m.mul(g, of_v)))

    return m.any_of(by_hand, by_autograd, lambda: centred(m.mul(m.minus(g, of_g), m.minus(v, of_v))))


def _rows_along(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """Theorems 17 (a), (b) and 18."""
    row = row_of(rng, arithmetic, int(rng.choice([1, 2, 3, 6, 14])))
    m, dim, stored = _machine(row), {"dim": -1}, arithmetic.storage.round
    g, v = (stored(rng.normal(size=row.x.shape) * rng.choice([1.0, 8.0])) for _ in range(2))
    if rng.random() < 0.3:
        v = stored(np.abs(v) + 4)  # all of one sign, and near to each other: J v cancels
    found: dict[str, float] = {}

    def compare(operation: str, upstream: Array, jvp: Floats, hvp: Floats) -> None:
        truth, limit = limits_of(operation, arithmetic, {"logits": row.x}, dim, upstream, v)
        for name, got in zip(DERIVATIVES, (jvp, hvp), strict=True):
            found[f"{operation}, {name}"] = worst_of(stored(got), truth[name], limit[name].error)

    p = m.kept("output", row.p)
    compare("softmax", g, _jacobian(m, row, p, v), _curvature(m, row, p, g, v))
    p = m._kept(m.exp(m.kept("output", row.log_p), row.lean))
    jvp = m.minus(v, _mean(m, row, p, v))
    compare("log_softmax", g, jvp, _scaled(m, row, p, v, -m.sum(g)))
    p = m._kept(m.exp(m._kept(m.round(row.x - m.kept("output", row.lse))), row.lean))
    compare("logsumexp", g[:, 0], _mean(m, row, p, v), _scaled(m, row, p, v, g[:, :1]))
    return found


def _losses_along(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """Theorems 17 (c) and 18 (a): labels or probabilities, weights, smoothing, every reduction."""
    classes, reduction = int(rng.choice([1, 2, 3, 5])), str(rng.choice(["none", "sum", "mean"]))
    row = row_of(rng, arithmetic, classes)
    rows = len(row.x) if reduction == "none" else int(rng.choice([1, 2, 3, 5]))
    row, m = replace(row, x=row.x[:rows], lean=row.lean[:rows], lean_log=row.lean_log[:rows]), _machine(row)
    epsilon, labels = float(rng.choice([0.0, 0.1, 0.5, 1.0])), rng.random() < 0.6
    weights = m.round(rng.uniform(0.3, 4, classes)) if rng.random() < 0.6 else None
    q = np.eye(classes)[rng.integers(0, classes, rows)]
    q = q if labels else m.round(rng.dirichlet(np.ones(classes), rows))
    g, v = m.round(rng.normal(size=rows if reduction == "none" else ())), m.round(rng.normal(size=row.x.shape))
    inputs: dict[str, Any] = {"logits": row.x, "target": q.argmax(-1) if labels else q}
    inputs |= {} if weights is None else {"weight": weights}
    options = {"reduction": reduction, "label_smoothing": epsilon}
    truth, limit = limits_of("cross_entropy", arithmetic, inputs, options, g, v)

    one = np.ones((rows, classes))
    t = m.round(m.mul(m.round(one * (1 - epsilon)), q) + m.round(one * epsilon / classes)) if epsilon else q
    t = t if weights is None else m.mul(t, one * weights)
    divisor = float(rows)
    if reduction == "mean" and labels and weights is not None:
        divisor = float(m.sum((one * weights)[q == 1][None])[0, 0])
    mean = _mean(m, row, row.p, v)
    losses = m.any_of(
        lambda: m.minus(m.mul(m.sum(t), mean), m.dot(t, v)),
        lambda: m.sum(m.mul(t, m.minus(mean * one, v))),
    )
    jvp = losses if reduction == "none" else m.sum(losses.reshape(1, -1))
    jvp = m.div(jvp, divisor) if reduction == "mean" else jvp
    c = one * np.reshape(g, (-1, 1))
    c = m.div(c, divisor) if reduction == "mean" else c
    slope = m.any_of(lambda: m.sum(m.mul(c, t)), lambda: m.mul(c[:, :1], m.sum(t)))
    p = m.any_of(lambda: row.p, lambda: m.exp(row.log_p, row.lean))
    hvp = _scaled(m, row, p, v, slope)
    return {
        "loss, jvp": worst_of(jvp, truth["jvp"], limit["jvp"].error),
        "loss, hvp": worst_of(hvp, truth["hvp_logits"], limit["hvp_logits"].error),
    }


def _searched(
    simulate: Callable[[np.random.Generator, Arithmetic], dict[str, float]],
    arithmetics: Callable[[np.random.Generator], Iterator[Arithmetic]],
    times: int,
) -> dict[str, float]:
    rng, worst = np.random.default_rng(1), dict[str, float]()
    with np.errstate(all="ignore"):
        for _ in range(times):
            for arithmetic in arithmetics(rng):
                for what, ratio in simulate(rng, arithmetic).items():
                    worst[what] = max(worst.get(what, 0.0), ratio)
    return worst


@pytest.mark.parametrize(("simulate", "times"), [(_rows_along, 12), (_losses_along, 40)], ids=["rows", "losses"])
def test_no_evaluation_exceeds_its_bound(
    simulate: Callable[[np.random.Generator, Arithmetic], dict[str, float]], times: int
) -> None:
    """In whatever order, with exp and log as far off as A2 allows; and some come near enough to call it a search."""
    worst = _searched(simulate, arithmetics, times)

    assert {what: ratio for what, ratio in worst.items() if not ratio <= 1} == {}
    assert min(worst.values()) >= 0.2, worst


def test_nor_one_that_stores_intermediate_results() -> None:
    """8 bits kept of 12: of every step of a derivative, and of each subset of what a row keeps."""

    def kept(rng: np.random.Generator) -> Iterator[Arithmetic]:
        base = small(12, -40, 40, 3.0)
        for _ in range(8):
            names = {each for each in ("exp", "sum", "log", "output") if rng.random() < 0.5}
            yield replace(base, storage=small(8, -14).compute, stored=frozenset(names | {"derivatives"}))

    worst = _searched(_rows_along, kept, 8)

    assert {what: ratio for what, ratio in worst.items() if not ratio <= 1} == {}


@pytest.mark.parametrize(("simulate", "times"), [(_rows_along, 12), (_losses_along, 40)], ids=["rows", "losses"])
def test_nor_one_that_flushes(
    simulate: Callable[[np.random.Generator, Arithmetic], dict[str, float]], times: int
) -> None:
    """Formats with little room below 1, where subnormal results of every step may count as 0."""

    def flushing(rng: np.random.Generator) -> Iterator[Arithmetic]:
        for precision, e_min in ((4, -5), (8, -8), (8, -12), (11, -12)):
            yield replace(small(precision, e_min, c=float(rng.choice([2.0, 3.0, 5.0]))), flushes=True)

    worst = _searched(simulate, flushing, times)

    assert {what: ratio for what, ratio in worst.items() if not ratio <= 1} == {}
