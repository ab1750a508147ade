"""The generator reaches the hard regions, and what it draws is what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from unittest import mock

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Candidate, Problem, Result, problems, verify
from softproof.exact import solve
from softproof.formats import FORMATS, Floats
from softproof.operations import check
from softproof.problem import Array
from softproof.rotation import Rotation
from softproof.strategies import STYLES, Draw, styles
from softproof.verify import EXAMPLES

from .candidates import MANUAL


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_problems_are_well_formed(operation: str, name: str, data: st.DataObject) -> None:
    """Every value is a number of the format, and the upstream gradient has the shape of the value."""
    problem = data.draw(problems(operation, name, small=data.draw(st.booleans())))

    check(problem)
    if problem.grad_output is not None:
        assert problem.grad_output.shape == solve(problem)["value"].shape


def _rows(problem: Problem) -> Array:
    logits = problem.inputs["logits"]
    return np.moveaxis(logits, min(logits.ndim - 1, 1), -1)


def _gap(problem: Problem) -> float:
    """The largest distance between the two largest finite logits of a row."""
    rows = _rows(problem)
    if rows.shape[-1] < 2 or not rows.size:
        return 0.0
    ordered = np.sort(np.where(np.isfinite(rows), rows, rows.max(-1, keepdims=True)), -1)
    return float((ordered[..., -1] - ordered[..., -2]).max())


def _offset(problem: Problem) -> float:
    """The largest magnitude that a whole row exceeds."""
    rows = _rows(problem)
    return float(np.abs(rows).min(-1).max()) if rows.size else 0.0


def _upstream(problem: Problem) -> Array:
    assert problem.grad_output is not None
    return problem.grad_output


def _ignored(problem: Problem) -> float:
    """The share of ignored labels."""
    target = problem.inputs["target"]
    if target.dtype != np.int64 or not target.size:
        return 0.0
    return float((target == problem.options.get("ignore_index", -100)).mean())


REGIONS: dict[str, Callable[[Problem], bool]] = {
    "no rows": lambda problem: problem.inputs["logits"].size == 0,
    "one class": lambda problem: _rows(problem).shape[-1] == 1,
    "more than 100 classes": lambda problem: _rows(problem).shape[-1] > 100,
    "unbatched": lambda problem: problem.inputs["logits"].ndim == 1,
    "spatial": lambda problem: problem.inputs["logits"].ndim > 2,
    "a gap above 17": lambda problem: _gap(problem) > 17,
    "a gap above 104": lambda problem: _gap(problem) > 104,
    "a common offset of 1e8": lambda problem: 9e7 < _offset(problem) < 2e8,
    "masked classes": lambda problem: bool(np.isneginf(problem.inputs["logits"]).any()),
    "probabilities": lambda problem: problem.inputs["target"].dtype != np.int64,
    "some rows ignored": lambda problem: 0 < _ignored(problem) < 1,
    "all rows ignored": lambda problem: _ignored(problem) == 1,
    "an ignore_index that is a class": lambda problem: problem.options.get("ignore_index", -100) >= 0,
    "weights": lambda problem: "weight" in problem.inputs,
    "weights, smoothing and ignored rows": lambda problem: (
        "weight" in problem.inputs and "label_smoothing" in problem.options and 0 < _ignored(problem) < 1
    ),
    "no reduction, upstream gradients that differ": lambda problem: (
        problem.options["reduction"] == "none" and len(np.unique(_upstream(problem))) > 1
    ),
    "an upstream gradient of zero": lambda problem: not _upstream(problem).any(),
    "a scalar upstream gradient that is not 1": lambda problem: (
        _upstream(problem).ndim == 0 and _upstream(problem) not in (0, 1)
    ),
    "transposed": lambda problem: problem.layout == "transposed" and problem.inputs["logits"].ndim > 1,
    "strided": lambda problem: problem.layout == "strided",
}


@dataclass(frozen=True)
class _Recorder(Candidate):
    """Answers by hand, and counts the regions that it was asked about."""

    reached: Counter[str] = field(default_factory=Counter)

    def answer(self, problem: Problem, device: str = "cpu") -> Result:
        self.reached.update(region for region, contains in REGIONS.items() if contains(problem))
        return super().answer(problem, device)


@cache
def _reached(seed: int) -> Counter[str]:
    """How many of the 100 problems of a row of the report lie in each region."""
    by_hand = MANUAL.only("cross_entropy")
    recorder = _Recorder(by_hand.name, by_hand.functions, by_hand.backwards, by_hand.adapter)
    with mock.patch.object(Rotation, "_besides", return_value=None):  # the problems as they are drawn, and nothing else
        verify(recorder, dtypes=["float32"], seed=seed).check()
    return recorder.reached


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("seed", range(3))
def test_the_default_number_of_examples_reaches(region: str, seed: int) -> None:
    """Every region, from each of three seeds."""
    assert _reached(seed)[region] > 0


def _counted(draw: Draw, drawn: Counter[str], name: str) -> Draw:
    """The same, and one more under `name` whenever it is called."""

    def counting(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        drawn[name] += 1
        return draw(rng, shape)

    return counting


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FORMATS)
def test_every_style_is_drawn(seed: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default number of softmax problems shows every style that the format holds, from each of three seeds."""
    drawn: Counter[str] = Counter()
    for each, style in STYLES.items():
        monkeypatch.setitem(STYLES, each, replace(style, draw=_counted(style.draw, drawn, each)))

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[hypothesis.Phase.generate])
    @given(problem=problems("softmax", name))
    def draw(problem: Problem) -> None:
        assert problem.inputs

    draw()

    assert set(drawn) == set(styles(name, finite=False))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", [(0, 3), (1,), (200, 17)])
def test_styles_are_finite_logits(name: str, shape: tuple[int, ...]) -> None:
    """In every format that is said to hold them, and so are the distances where that is asked for."""
    for style in styles(name, finite=False):
        x = FORMATS[name].round(STYLES[style].draw(np.random.default_rng(0), shape))

        assert x.shape == shape
        assert np.isfinite(x).all(), style
        if style in styles(name):
            assert np.isfinite(FORMATS[name].round(np.ptp(x, -1) if x.size else 0.0)).all(), style


@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
@given(data=st.data())
def test_what_is_not_supported_is_not_drawn(operation: str, data: st.DataObject) -> None:
    """Neither logits without a batch nor probabilities, for a loss that takes neither."""
    supports = frozenset(OPERATIONS[operation].extras) - {"unbatched", "probabilities"}
    problem = data.draw(problems(operation, "float32", supports=supports))

    assert next(iter(problem.inputs.values())).ndim >= 2
    assert problem.inputs["target"].dtype == np.int64


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_seed_draws_the_same_problems(operation: str) -> None:
    """Expansion is deterministic: a problem is its structure."""
    drawn: list[str] = []

    @hypothesis.seed(1)
    @hypothesis.settings(max_examples=10, database=None, deadline=None, phases=[hypothesis.Phase.generate])
    @given(problem=problems(operation, "float32"))
    def draw(problem: Problem) -> None:
        drawn.append(repr(problem))

    draw()
    draw()

    half = len(drawn) // 2
    assert drawn[:half] == drawn[half:]
    assert len(set(drawn)) > 1
