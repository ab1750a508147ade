"""Theorem 29: a logsumexp that is folded from those of blocks of classes, y = logaddexp(y, logsumexp(block))."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import softproof
from softproof import Arithmetic, Problem
from softproof.bounds.models import MODELS
from softproof.bounds.softmax_rows import SoftmaxRows
from softproof.bounds.theorems import theorems
from softproof.problem.formats import Floats
from softproof.runs.fitting import fitted
from softproof.runs.ladder import STEPS
from tests.helpers.small_formats import Machine, Row, leans, small

MODEL, NARROWER = "folded-logsumexp", "fused-flush-to-zero"


# ---- in formats of a few bits ---------------------------------------------------------------------------------------


def _rows(rng: np.random.Generator, m: Machine, classes: int) -> Floats:
    """Normal or equal logits, ascending or around a number; some blocks far below the others, some masked."""
    x = rng.normal(size=(200, classes)) * rng.choice([0.0, 0.3, 3.0], (200, 1)) + rng.choice([0.0, -6.0, 8.0], (200, 1))
    x = np.where(rng.random((200, 1)) < 0.3, np.sort(x, -1), x)
    x[rng.random(x.shape) < rng.choice([0.0, 0.2, 0.7], (200, 1))] = rng.choice([-np.inf, -900.0])
    x[np.arange(200), rng.integers(classes, size=200)] = rng.normal(size=200)
    return m.round(x)


def _logaddexp(m: Machine, a: Floats, b: Floats) -> Floats:
    """One fold, with its exponential and its logarithm off to either side."""
    most, least = np.maximum(a, b), np.minimum(a, b)
    d = np.where(least == -np.inf, -np.inf, m.round(least - most))
    e = m.exp(d, leans(m.rng, d.shape))
    lean = leans(m.rng, d.shape)
    log = m.any_of(lambda: m.log1p(e, lean), lambda: m.log(m.round(1 + e), lean))
    return np.where(most == -np.inf, most, m.round(most + log))


def _folded(m: Machine, x: Floats, width: int) -> Floats:
    """From blocks of so many classes, in any order, or from -inf on."""
    parts, lean = [], leans(m.rng, x.shape)
    for start in range(0, x.shape[-1], width):
        at = slice(start, start + width)
        parts.append(Row(m, x[:, at], lean[:, at], leans(m.rng, (len(x), 1))).lse)
    parts = [np.where(np.isnan(each), -np.inf, each) for each in parts]
    before = [np.full((len(x), 1), -np.inf)] if m.rng.random() < 0.5 else []
    return m._tree([*before, *parts], lambda a, b: _logaddexp(m, a, b))


def _worst(rng: np.random.Generator, usual: Arithmetic, width: int, classes: int) -> tuple[float, float]:
    """The largest error of a folded logsumexp in units of its bound, and of that of one that is not folded."""
    m = Machine(replace(usual, folded_from=width), rng)
    x = _rows(rng, m, classes)
    y = np.logaddexp.reduce(x, -1, keepdims=True)
    error = np.abs(_folded(m, x, width) - y)
    limit, narrow = (SoftmaxRows.of(x, each).lse_error for each in (m.arithmetic, usual))
    assert np.isfinite(limit).mean() > 0.9
    return float((error / limit).max()), float((error / narrow).max())


@pytest.mark.parametrize("base2", [False, True])
def test_no_fold_exceeds_its_bound(base2: bool) -> None:
    """In whatever order, exp and log as far off as A2 allows; some come near, and are outside that of others."""
    rng, worst, outside = np.random.default_rng(2), 0.0, 0.0
    with np.errstate(all="ignore"):
        for bits, c, width, classes in product((13, 16), (1.0, 3.0), (1, 3), (7, 24)):
            for _ in range(4):
                own, other = _worst(rng, replace(small(bits, c=c), base2=base2), width, classes)
                worst, outside = max(worst, own), max(outside, other)

    assert 0.25 < worst <= 1 < outside


# ---- by torch -------------------------------------------------------------------------------------------------------


def loss_by_folds(width: int, forgotten: int = -1, factor: float = 1.0) -> Any:
    """A loss that reads blocks of so many classes, and its backward pass; a block is forgotten, or a factor off."""

    class Folded(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
            y = torch.full((len(logits),), -torch.inf, dtype=logits.dtype)
            for number, block in enumerate(torch.split(logits, width, -1)):
                y = torch.logaddexp(y, torch.logsumexp(block, -1)) if number != forgotten else y
            ctx.save_for_backward(logits, target, y)
            return y - logits.gather(-1, target[:, None])[:, 0]

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
            logits, target, y = ctx.saved_tensors
            slope = torch.exp(logits - y[:, None])
            slope[torch.arange(len(slope)), target] -= 1
            return slope * (g[:, None] * factor), None

    def cross_entropy(logits: Tensor, target: Tensor, reduction: str = "none") -> Tensor:
        assert reduction == "none"
        found: Tensor = Folded.apply(logits, target)  # type: ignore[no-untyped-call]
        return found

    return softproof.load(cross_entropy, operation="cross_entropy", adapter="torch")


def _asked(kind: str, classes: int, dtype: str = "float32") -> Problem:
    """Two rows of logits, the labels of which are in the first and the last block."""
    x = np.random.default_rng(classes).normal(size=(2, classes))
    x = {
        "equal": 0 * x,
        "level": 0 * x + [[100.0], [1000.0]],
        "normal": x,
        "far": 100 + x,
        "ascending": np.sort(x, -1),
        "apart": 9 * np.sort(x, -1)[:, ::-1],
    }[kind]
    inputs: dict[str, Any] = {"logits": x.astype(np.float32), "target": [1, classes - 2]}
    return Problem("cross_entropy", dtype, inputs, {"reduction": "none"}, [1.0, -0.25])


@pytest.mark.parametrize("width", [64, 96, 128, 1000])
@pytest.mark.parametrize("kind", ["equal", "normal", "ascending", "far", "apart"])
def test_a_right_one_agrees(kind: str, width: int) -> None:
    """With as few classes as have a fold, and with many."""
    for classes in (65, 3000, *([1 << 17] if kind in ("equal", "far") else [])):
        verdict = softproof.judge(loss_by_folds(width), _asked(kind, classes), arithmetic=MODEL)
        assert verdict.ok, (classes, verdict)


@pytest.mark.parametrize("width", [64, 96])
def test_only_the_last_rung_has_it(width: int) -> None:
    """Equal logits, whose sums are exact; the bound is still a number."""
    problem = _asked("level", 100_000)
    found = {name: softproof.judge(loss_by_folds(width), problem, arithmetic=name).outcome for name in STEPS[:5]}

    assert found == {**dict.fromkeys(STEPS[:4], "disagrees"), MODEL: "agrees"}
    assert np.isfinite(softproof.bound(problem, MODEL)["value"]).all()


def test_it_is_found_out() -> None:
    """By a question that tells it from the models before, of equal logits as well."""
    candidate = loss_by_folds(64)

    assert fitted(candidate, "cross_entropy", "float32", "cpu").model == MODEL


@pytest.mark.parametrize("kind", ["equal", "normal", "far"])
def test_a_wrong_one_disagrees(kind: str) -> None:
    """A block is forgotten, or the gradient is 1 % too large; of 1000 classes also where the last one is."""
    for classes, width, forgotten, factor in ((5000, 64, 7, 1.0), (5000, 64, -1, 1.01), (1001, 200, 5, 1.0)):
        wrong = loss_by_folds(width, forgotten, factor)
        verdict = softproof.judge(wrong, _asked(kind, classes), arithmetic=MODEL)
        assert verdict.outcome == "disagrees", (classes, verdict)
        assert softproof.judge(loss_by_folds(width), _asked(kind, classes), arithmetic=MODEL).ok


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "logsumexp", "cross_entropy"])
def test_no_fold_is_no_wider(operation: str) -> None:
    """One block is a row; of two the bound is wider than that of the rung before, and cites the theorem."""
    for classes in (64, 65):
        inputs: dict[str, Any] = {"logits": np.random.default_rng(0).normal(size=(2, classes)).astype(np.float32)}
        more: dict[str, Any] = {"target": [0, 1]} if operation == "cross_entropy" else {}
        problem = Problem(operation, "float32", inputs | more, {} if more else {"dim": -1})
        narrow, wide = (softproof.bound(problem, name)["value"] for name in (NARROWER, MODEL))
        assert ((narrow < wide) == (classes == 65)).all()
        assert (narrow <= wide).all()
        assert 29 in theorems(operation, MODELS[MODEL](problem))
        assert 29 not in theorems(operation, MODELS[NARROWER](problem))
