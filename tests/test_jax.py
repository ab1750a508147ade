"""Kernels of JAX are asked as whole questions that are compiled, and a small one operation by operation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pytest

from softproof import Problem, judge, load
from softproof.candidates.adapters import jax_arrays

jnp: Any = pytest.importorskip("jax.numpy")
calls: list[tuple[int, ...]] = []


def counted(logits: Any, labels: Any) -> Any:
    """A loss by rows that notes when Python is run."""
    calls.append(logits.shape)
    return jnp.log(jnp.exp(logits).sum(1)) - logits[jnp.arange(len(labels)), labels]


def wrong(logits: Any, labels: Any) -> Any:
    """Its gradient is that of another loss."""
    return counted(logits, labels) + 0.01 * logits[:, 0]


def checking(logits: Any, labels: Any) -> Any:
    """It looks at numbers, which are not there while it is compiled."""
    calls.append(labels.shape)
    if (labels < 0).any():
        raise ValueError("labels")
    return counted(logits, labels)


def kept(logits: Any, labels: Any, seen: list[Any] = []) -> Any:  # noqa: B006  # which it keeps
    """It answers as it did for the labels that it has seen first."""
    seen += [] if any(each.shape == labels.shape for each in seen) else [labels]
    return counted(logits, next(each for each in seen if each.shape == labels.shape))


@cache
def places(rows: int) -> Any:
    """Kept for all questions."""
    return jnp.arange(rows)


def cached(logits: Any, labels: Any) -> Any:
    """It is right."""
    return jnp.log(jnp.exp(logits).sum(1)) - logits[places(len(labels)), labels]


@dataclass
class Scaled:
    """It is equal to others, and so has no hash."""

    scale: float

    def __call__(self, logits: Any, labels: Any) -> Any:
        """A loss."""
        return counted(self.scale * logits, labels)


def loss(rows: int, classes: int, labels: Any = 0) -> Problem:
    """Of rows that differ."""
    logits = np.linspace(-1, 1, rows * classes).reshape(rows, classes).astype(np.float32)
    target = np.full(rows, labels)
    return Problem("cross_entropy", "float32", {"logits": logits, "target": target}, {"reduction": "none"},
                   grad_output=np.ones(rows))  # fmt: skip


@pytest.mark.parametrize(("function", "ok"), [(counted, True), (wrong, False), (checking, True)])
@pytest.mark.parametrize("classes", [2, 50])
def test_small_and_large(function: Any, ok: bool, classes: int) -> None:
    """Both are judged, with whatever cannot be compiled."""
    candidate = load(function, "cross_entropy", "jax", fixed={"reduction": "none"})

    assert judge(candidate, loss(1, classes), arithmetic="flush-to-zero").ok == ok


def test_a_question_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is answered again without Python; a small one by Python every time; and only some are kept."""
    monkeypatch.setattr(jax_arrays, "_turns", count(1))
    candidate = load(counted, "cross_entropy", "jax", fixed={"reduction": "none"})
    candidate.answer(loss(3, 40), "cpu")
    calls.clear()
    first, again = candidate.answer(loss(3, 40), "cpu"), candidate.answer(loss(3, 40, 2), "cpu")
    assert not calls
    assert (first.outputs["value"].values != again.outputs["value"].values).all()

    candidate.answer(loss(1, 2), "cpu")
    assert calls == [(1, 2)]
    assert len(jax_arrays._kept) <= jax_arrays.KEPT


def test_how_it_is_asked_is_compiled_too() -> None:
    """The same function may be asked for another of its results, or for minus it."""
    plain, minus = (
        load(counted, "cross_entropy", "jax", fixed={"reduction": "none"}, negative=each) for each in (False, True)
    )
    first, other = plain.answer(loss(3, 41), "cpu"), minus.answer(loss(3, 41), "cpu")

    assert (first.outputs["value"].values == -other.outputs["value"].values).all()


@pytest.mark.parametrize("function", [cached, Scaled(1.0)])
def test_what_has_no_hash_or_keeps_an_array(function: Any) -> None:
    """An array that is made while a question is compiled is a number, for the next one too."""
    candidate = load(function, "cross_entropy", "jax", fixed={"reduction": "none"})

    assert all(judge(candidate, loss(3, classes), arithmetic="flush-to-zero").ok for classes in (60, 61, 60))


def test_some_larger_questions_are_asked_operation_by_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Always the same ones; those that cannot be compiled as well, and are not tried again."""
    monkeypatch.setattr(jax_arrays, "_turns", count(jax_arrays.EAGER))
    candidate = load(counted, "cross_entropy", "jax", fixed={"reduction": "none"})
    calls.clear()
    for _ in range(3):
        candidate.answer(loss(3, 70), "cpu")
    assert len(calls) == 3

    candidate = load(checking, "cross_entropy", "jax", fixed={"reduction": "none"})
    candidate.answer(loss(3, 71), "cpu")
    calls.clear()
    candidate.answer(loss(3, 71), "cpu")
    assert calls == [(3,), (3, 71)]


def test_a_state_is_seen_where_a_question_is_small() -> None:
    """As labels of an earlier question."""
    candidate = load(kept, "cross_entropy", "jax", fixed={"reduction": "none"})

    assert judge(candidate, loss(1, 2), arithmetic="flush-to-zero").ok
    assert not judge(candidate, loss(1, 2, 1), arithmetic="flush-to-zero").ok
