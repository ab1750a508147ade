"""Theorem 21: one error of a row explains all of its gradient, or the answer is wrong, however wide the row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from softproof import Output, Problem, Result, Verdict, judge, judge_result, solve
from softproof.bounds.algebra import Allowed, RowUnknowns
from softproof.bounds.kernels import default
from softproof.bounds.theorems import allowed
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.problem import Array
from softproof.truth.solver import FLOAT64
from softproof.verdicts import summary
from softproof.verdicts.elements import Elements
from softproof.verdicts.row_unknowns import Refuted, Strips, explained, refuted

from .helpers.candidates import MANUAL, REFERENCE

F32 = FORMATS["float32"]
SIZES = (10, 1000, pytest.param(32768, marks=pytest.mark.thorough), 131072)
GRADIENTS = ("softmax", "log_softmax", "logsumexp", "loss", "weighted", "smoothed", "probabilities", "by rows")


def question(kind: str, classes: int, dtype: str = "float32", seed: int = 0) -> Problem:
    """Two rows of normal logits, and a gradient that differs from element to element."""
    rng, fmt = np.random.default_rng([seed, classes]), FORMATS[dtype]
    x, g = fmt.round(3 * rng.normal(size=(2, classes))), fmt.round(rng.normal(size=(2, classes)))
    if kind in ("softmax", "log_softmax", "logsumexp"):
        return Problem(kind, dtype, {"logits": x}, {"dim": -1}, g[:, 0] if kind == "logsumexp" else g)
    inputs: dict[str, Any] = {"logits": x, "target": rng.integers(0, classes, 2)}
    if kind == "probabilities":
        inputs["target"] = fmt.round(rng.dirichlet(np.ones(classes), 2))
    if kind == "weighted":
        inputs["weight"] = fmt.round(rng.uniform(0.5, 2, classes))
    options: dict[str, Any] = {"label_smoothing": 0.1} if kind == "smoothed" else {}
    if kind == "by rows":
        return Problem("cross_entropy", dtype, inputs, {"reduction": "none"}, g[:, 0])
    return Problem("cross_entropy", dtype, inputs, options, 0.75)


def nearest(problem: Problem) -> dict[str, Floats]:
    """The exact answer, rounded to the dtype."""
    truth = solve(problem, FLOAT64)
    return {name: FORMATS[problem.dtype].round(each.astype(np.float64)) for name, each in truth.items()}


def judged(problem: Problem, answer: dict[str, Floats], gradient: Floats, bits: tuple[int, ...] = (53,)) -> Verdict:
    """With this gradient in the place of the right one."""
    outputs = {**answer, "grad_logits": FORMATS[problem.dtype].round(gradient)}
    return judge_result(
        problem, Result({name: Output(each, problem.dtype) for name, each in outputs.items()}), bits=bits
    )


def middle(row: Floats) -> int:
    """The element of median magnitude."""
    return int(np.argsort(np.abs(row))[row.size // 2])


def _feasible(strips: Strips) -> Refuted:
    """A stub: whatever the strips, there are unknowns that explain them."""
    rows = len(strips.low)
    return Refuted(np.zeros(rows), np.full((rows, 4), -1), np.zeros(rows), np.zeros(rows))


# ---- what is seen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", SIZES)
@pytest.mark.parametrize("kind", GRADIENTS)
def test_one_element_that_is_slightly_off_is_seen(kind: str, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By 10⁻⁵ of itself, at every width; in large rows by nothing else."""
    problem = question(kind, classes)
    answer = nearest(problem)
    gradient = answer["grad_logits"].copy()
    at = 1, middle(gradient[1])
    gradient[at] *= 1 + 1e-5

    assert judged(problem, answer, answer["grad_logits"]).ok
    verdict = judged(problem, answer, gradient)
    assert (verdict.outcome, verdict.output, verdict.index) == ("disagrees", "grad_logits", at)
    if classes > 1000:
        assert "explains it with the others (Theorem 21): beside them this is off by" in verdict.explanation
        monkeypatch.setattr(summary, "refuted", _feasible)
        assert judged(problem, answer, gradient).ok


@pytest.mark.parametrize("kind", ["softmax", "logsumexp", "loss", "weighted", "by rows"])
def test_balls_say_the_same(kind: str) -> None:
    """What float64 refutes is stated by balls."""
    problem = question(kind, 600)
    answer = nearest(problem)
    gradient = answer["grad_logits"].copy()
    gradient[0, middle(gradient[0])] *= 1 + 1e-5

    for bits in ((53, 128), (128,)):
        assert "Theorem 21" in judged(problem, answer, gradient, bits).explanation


@pytest.mark.parametrize("dtype_", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", GRADIENTS)
def test_in_other_formats_in_proportion(kind: str, dtype_: str) -> None:
    """An element that is off by 64 units of what is computed in, and 3 of what is stored, beside exact ones."""
    problem, fmt = question(kind, 1000, dtype_), FORMATS[dtype_]
    answer = nearest(problem)
    gradient = answer["grad_logits"].copy()
    row = np.abs(gradient[0])
    at = 0, int(np.argsort(row)[990])  # far above what underflows
    unit = max(64 * default(problem).compute.u, 3 * fmt.u)
    gradient[at] *= 1 + unit
    bits = (128,) if dtype_ == "float64" else (53,)

    assert judged(problem, answer, answer["grad_logits"], bits).ok
    assert not judged(problem, answer, gradient, bits).ok


def _softmax32(x: Array, e: Array) -> Array:
    """Quotients in float32, of exponentials that are given."""
    return np.asarray(e / e.sum(-1, keepdims=True, dtype=np.float32), x.dtype)


def _polynomial(x: Array) -> Array:
    """An exponential that is off by 8·10⁻⁶ in every sixteenth lane."""
    e = np.exp(x - x.max(-1, keepdims=True))
    e[:, 5::16] *= np.float32(1 + 8e-6)
    return _softmax32(x, e)


def _tile(x: Array) -> Array:
    """One tile of 64 classes whose exponentials are rounded to 16 bits."""
    e = np.exp(x - x.max(-1, keepdims=True))
    e[:, 128:192] = _short(e[:, 128:192])
    return _softmax32(x, e)


def _short(e: Array) -> Array:
    return np.asarray((np.ascontiguousarray(e).view(np.int32) & ~0xFF).view(np.float32))


def _stale(x: Array) -> Array:
    """Blocks relative to the maximum so far, and the last but one not rescaled to the last."""
    top = np.maximum.accumulate(x.reshape(len(x), -1, 64).max(-1), -1)  # (R, blocks)
    scale = np.exp(top - top[:, -1:])
    scale[:, -2] = 1
    e = np.exp(x.reshape(len(x), -1, 64) - top[..., None]) * scale[..., None]
    return _softmax32(x, e.reshape(x.shape))


@pytest.mark.parametrize("wrong", [_polynomial, _tile, _stale])
def test_wrong_in_one_lane_or_tile_or_step(wrong: Any) -> None:
    """p - y of 32768 classes whose maximum grows by 2⁻¹⁴ in the last of its blocks."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 32768)).astype(np.float32)
    x[:, 64 * 200], x[:, -3] = 8, 8 + 2.0**-14
    y = np.array([7, 500])
    problem = Problem("cross_entropy", "float32", {"logits": x, "target": y}, {"reduction": "sum"}, 1.0)
    answer, one = nearest(problem), (np.arange(32768) == y[:, None]).astype(np.float32)

    assert judged(problem, answer, _softmax32(x, np.exp(x - x.max(-1, keepdims=True))) - one).ok
    verdict = judged(problem, answer, wrong(x) - one)
    assert verdict.outcome == "disagrees"
    assert "Theorem 21" in verdict.explanation


# ---- what is right --------------------------------------------------------------------------------------------------

STYLES = ("normal", "wide", "level", "ramp", "offset", "ties", "confident", "masked", "gaps")


def styled(rng: np.random.Generator, style: str, shape: tuple[int, int], dtype: str) -> Floats:
    """Logits of one kind (R, C); where some are masked, the first is not."""
    x = rng.normal(0, 2, shape)
    places = np.arange(shape[0]), rng.integers(0, shape[1], shape[0])
    if style == "confident":
        x[places] += rng.choice([10, 40, 100])
    masked = (rng.random(shape) < 0.3) & (np.arange(shape[1]) > 0)
    found = {
        "wide": 15 * x,
        "level": np.zeros(shape),
        "ramp": np.sort(x, -1),
        "offset": x + rng.choice([64.0, -1000.0]),
        "ties": np.round(x),
        "masked": np.where(masked, -np.inf, x),
        "gaps": -rng.choice([0.0, 1.0, 17.0, 50.0, 90.0, 104.0], shape),
    }
    return FORMATS[dtype].round(found.get(style, x))


@pytest.mark.parametrize("style", STYLES)
def test_right_gradients_are_explained(style: str, dtype: str, thorough: bool) -> None:
    """By hand and by torch, in rows of 1 to 2000 classes, each kind in one of four of them; and of 131072."""
    number = STYLES.index(style)
    rng, sizes = np.random.default_rng(number), (1, 17, 257, 2000)
    for classes in (*sizes, *([131072] if thorough and dtype != "float16" else [])):
        for kind in GRADIENTS if thorough else GRADIENTS[(sizes.index(classes) + number) % 4 :: 4]:
            problem = question(kind, classes, dtype, seed=1)
            x = styled(rng, style, (2, classes), dtype)
            inputs: dict[str, Array] = {**problem.inputs, "logits": x}
            if style == "masked" and "target" in inputs:
                labels = inputs["target"].dtype == np.int64
                inputs["target"] = np.zeros(2, np.int64) if labels else np.where(np.isinf(x), 0.0, inputs["target"])
            if style == "masked" and kind == "smoothed":
                continue  # an infinite loss
            problem = replace(problem, inputs=inputs)
            halves = [(REFERENCE, "torch-cpu")] + [(MANUAL, "numpy")] * (dtype != "bfloat16")
            for half, model in halves:
                verdict = judge(half, problem, arithmetic=model)
                assert verdict.ok or verdict.outcome == "no guarantee", (classes, kind, model, verdict)


def test_the_whole_row_may_be_off_by_what_its_sum_may(thorough: bool) -> None:
    """A factor is one of the unknowns, and has a limit."""
    problem = question("logsumexp", 131072 if thorough else 4096)
    answer, limit = nearest(problem), allowed(problem, default(problem))[0]["grad_logits"].row
    assert isinstance(limit, RowUnknowns)
    assert problem.grad_output is not None
    grows = float((limit.limit / np.abs(problem.grad_output)[:, None]).max())

    assert 4096 * F32.u < grows < 0.02
    assert judged(problem, answer, answer["grad_logits"] * (1 + 0.9 * grows)).ok
    assert not judged(problem, answer, answer["grad_logits"] * (1 + 1.1 * grows)).ok


# ---- strips ---------------------------------------------------------------------------------------------------------


def elements_of(
    error: Floats,
    own: Floats,
    slope: Floats | None = None,
    tilt: Floats | None = None,
    limits: tuple[float, float] = (1e3, 1e3),
    got: Floats | None = None,
) -> Elements:
    """Rows (r, C) whose exact values are 0, whose slopes are 1 unless they are given, and whose bounds are 10⁶."""
    one = np.ones((len(error), 1))
    slope = np.ones(error.shape) if slope is None else slope
    unknowns = RowUnknowns(slope, limits[0] * one, own, tilt, None if tilt is None else limits[1] * one)
    bound = Allowed(np.zeros(error.shape), np.full(error.shape, 1e6), unknowns)
    return Elements.of(error if got is None else got, np.zeros(error.shape), 0.0, bound, FORMATS["float64"])


def possible(error: Floats, own: Floats, tilt: Floats, limits: tuple[float, float]) -> bool:
    """Whether the strips and limits of a row leave anything: then they leave a corner, where two lines meet."""
    ones, zeros = np.ones(2), np.zeros(2)
    sides = np.stack([np.concatenate([np.ones(error.size), -np.ones(error.size), [1, -1], zeros]),
                      np.concatenate([tilt, -tilt, zeros, [1, -1]])], -1)  # fmt: skip
    ends = np.concatenate([error + own, own - error, limits[0] * ones, limits[1] * ones])
    first, second = np.triu_indices(len(ends), 1)
    meet = np.linalg.det(sides[np.stack([first, second], -1)]) != 0
    pairs = np.stack([first[meet], second[meet]], -1)
    corners = np.linalg.solve(sides[pairs], ends[pairs][..., None])[..., 0]
    return bool((corners @ sides.T <= ends + 1e-9).all(-1).any())


def test_the_search_finds_every_corner() -> None:
    """Possible or not, of rows near the edge of either, with and without limits that matter."""
    rng, both = np.random.default_rng(3), {True: 0, False: 0}
    for _ in range(200):
        count = int(rng.choice([1, 2, 3, 5, 20]))
        tilt, own = rng.normal(size=(1, count)), rng.uniform(0.1, 1, (1, count))
        limits = float(rng.choice([0.3, 3.0, 1e3])), float(rng.choice([0.3, 3.0, 1e3]))
        alpha, beta = rng.normal(size=2) * rng.choice([0.3, 3.0])
        error = beta + alpha * tilt + own * rng.uniform(-1, 1, own.shape) * rng.choice([1.0, 1.3])
        less, more = (possible(error[0], by * own[0], tilt[0], limits) for by in (1 - 1e-6, 1 + 1e-6))
        if less != more:
            continue
        found = refuted(Strips.of(elements_of(error, own, tilt=tilt, limits=limits)))
        assert (found.ratio[0] == 0) == less
        both[less] += 1

    assert min(both.values()) >= 30


def test_rows_are_searched_one_by_one() -> None:
    """Together with others they are found as they are alone."""
    rng = np.random.default_rng(4)
    tilt, own = rng.normal(size=(60, 6)), rng.uniform(0.1, 1, (60, 6))
    error = 0.5 + 2 * tilt + own * rng.uniform(-1.4, 1.4, own.shape)
    together = refuted(Strips.of(elements_of(error, own, tilt=tilt)))
    each = [(error[row, None], own[row, None], tilt[row, None]) for row in range(60)]
    alone = [refuted(Strips.of(elements_of(first, second, tilt=third))) for first, second, third in each]

    assert together.ratio.tolist() == [found.ratio[0] for found in alone]
    assert 5 < np.count_nonzero(together.ratio) < 55


def test_an_element_that_says_nothing_is_left_out() -> None:
    """No number, no promise, or no slope; the others still speak."""
    error, own = np.array([[0.0, 0.0, 50.0]] * 5), np.full((5, 3), 1.0)
    slope, got = np.ones((5, 3)), error.copy()
    got[0, 2], own[1, 2], slope[2, 2], slope[3, 2] = np.nan, np.inf, 0.0, 2.0**-1020

    ratio = refuted(Strips.of(elements_of(error, own, slope, got=got))).ratio
    assert (ratio > 0).tolist() == [False, False, False, False, True]
    tilted = refuted(Strips.of(elements_of(error, own, slope, np.zeros((5, 3)), got=got))).ratio
    assert (tilted > 0).tolist() == [False, False, False, False, True]
    unknown = refuted(Strips.of(elements_of(error, own, slope, np.full((5, 3), np.nan))))
    assert not unknown.ratio.any()


@pytest.mark.parametrize("limits", [(np.nan, 1.0), (np.inf, 1.0), (1.0, np.nan), (1.0, np.inf)])
def test_unknowns_without_a_limit_say_nothing(limits: tuple[float, float]) -> None:
    """Where the sum has no correct digit."""
    error, own = np.array([[0.0, 50.0, 0.0]]), np.ones((1, 3))

    assert not refuted(Strips.of(elements_of(error, own, tilt=np.ones((1, 3)), limits=limits))).ratio.any()


def test_the_limits_of_the_unknowns_count() -> None:
    """All elements may agree about a β or an α that cannot be."""
    error, own, tilt = np.array([[2.0, 2.0]]), np.full((1, 2), 0.5), np.array([[1.0, 2.0]])

    assert refuted(Strips.of(elements_of(error, own, limits=(1.0, 0.0)))).ratio[0] > 1
    assert not refuted(Strips.of(elements_of(error, own, limits=(1.6, 0.0)))).ratio[0]
    sloped = elements_of(2 * tilt, own, tilt=tilt, limits=(0.1, 1.0))
    assert refuted(Strips.of(sloped)).ratio[0] > 1
    assert not refuted(Strips.of(elements_of(2 * tilt, own, tilt=tilt, limits=(0.1, 2.0)))).ratio[0]


def test_what_stands_out_is_named() -> None:
    """One element beside the others, or several that are too far apart."""
    error = np.array([[0.1, 0.1, 0.1, 7.1, 0.1], [0.0, 0.0, 20.0, 20.0, 0.0]])
    elements = elements_of(error, np.full((2, 5), 1.0))
    found = refuted(Strips.of(elements))

    column, text = explained(elements, found, 0, str)
    assert column == 3
    assert "no one factor of the row explains it with the others (Theorem 21): beside them this is off by" in text
    assert text.endswith("where 1 is allowed")
    _, text = explained(elements, found, 1, str)
    assert "no one factor of the row explains this with" in text
    assert text.endswith("they are 10 times too far apart")
    tilted = elements_of(error, np.full((2, 5), 1.0), tilt=np.arange(10.0).reshape(2, 5))
    column, text = explained(tilted, refuted(Strips.of(tilted)), 0, str)
    assert column == 3
    assert "no factor and dot product of the row explains" in text


def test_some_rows_of_unknowns_alone() -> None:
    """Their part of every array."""
    arrays = [np.arange(6.0).reshape(3, 2) + 10 * each for each in range(3)]
    some = RowUnknowns(arrays[0], arrays[0][:, :1], arrays[1], arrays[2], arrays[2][:, :1]).of_rows(np.array([2]))

    for each, whole in ((some.slope, arrays[0]), (some.own, arrays[1]), (some.tilt, arrays[2])):
        assert each is not None
        assert each.tolist() == whole[2:].tolist()
    assert some.tilt_limit is not None
    assert (some.limit.tolist(), some.tilt_limit.tolist()) == ([[4.0]], [[24.0]])
