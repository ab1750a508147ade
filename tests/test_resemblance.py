"""Known bugs are named where all answers are like theirs, and nothing is named elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from softproof import Problem, judge, load
from softproof.bounds.models import model
from softproof.candidates.candidate import Candidate
from softproof.diagnosis.diagnose import QUESTIONS, Diagnosing, Failed
from softproof.diagnosis.interview import Interview
from softproof.diagnosis.likeness import Answer, Yardstick
from softproof.diagnosis.lineup import NO_TORCH, Lineup
from softproof.diagnosis.pool import pool
from softproof.diagnosis.record import Diagnosis
from softproof.mutants.catalogue import MUTANTS
from softproof.problem.problem import Array
from softproof.properties.metamorphic import compared_problems
from softproof.verdicts.verdict import DISAGREES, Verdict

from .helpers.candidates import stored_logsumexp

pytestmark = pytest.mark.known_bugs

LOSS = Problem("cross_entropy", "float32", {"logits": [[0.0, 0.0]], "target": [1]}, grad_output=0.0)
ROWS = Problem(
    "softmax", "float32", {"logits": [[1.0, 2.0, 4.0], [0.5, 0.0, -3.0]]}, {"dim": -1}, grad_output=np.ones((2, 3))
)


class _Loss(torch.autograd.Function):
    """The mean of -log p, whose gradient is scaled by `factor` and does not read what comes from above."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, factor: float) -> Tensor:
        p = logits.softmax(1)
        ctx.gradient = factor * (p - torch.nn.functional.one_hot(labels, p.shape[1])) / len(p)
        return -p[torch.arange(len(p)), labels].log().mean()

    @staticmethod
    def backward(ctx: Any, *_grads: Tensor) -> Any:
        return ctx.gradient, None, None


def upstream_dropped(logits: Tensor, target: Tensor) -> Tensor:
    """As `upstream-gradient-dropped` does, in other words."""
    loss: Tensor = _Loss.apply(logits, target, 1.0)  # type: ignore[no-untyped-call]  # torch's own
    return loss


def nobodys(logits: Tensor, target: Tensor) -> Tensor:
    """Wrong as no known bug is."""
    loss: Tensor = _Loss.apply(logits, target, 0.37)  # type: ignore[no-untyped-call]  # torch's own
    return loss


def refused(logits: Tensor, target: Tensor) -> Tensor:
    """Right, but for an error where there are no rows."""
    if not len(logits):
        raise RuntimeError("a grid of no blocks")
    return torch.nn.functional.cross_entropy(logits, target)


def divided_by_the_last_axis(logits: Array, dim: int = -1) -> Array:
    """As `softmax-of-the-last-axis`, of images alone."""
    axis = dim if logits.ndim < 3 else -1
    x = np.exp(logits - logits.max(axis, keepdims=True))
    return np.asarray(x / x.sum(axis, keepdims=True))


def loss(target: Callable[..., Any]) -> Candidate:
    """Of logits in two dimensions, by torch."""
    return load(target, "cross_entropy", "torch", ndim=[2], without=["empty", "probabilities", "invalid_labels"])


@pytest.fixture(scope="module")
def lineup() -> Iterator[Lineup]:
    """One process for all tests here."""
    shared = Lineup()
    yield shared
    shared.close()


def diagnosis(lineup: Lineup, candidate: Candidate, problem: Problem, **more: Any) -> Diagnosis:
    """Of what a problem shows."""
    verdict = judge(candidate, problem)
    return Diagnosing("cpu", "C", lineup).diagnosis(candidate, Failed(verdict, **more), model(None))


def test_a_known_bug_is_named_with_its_counts_and_its_source(lineup: Lineup) -> None:
    """The witness is 1 × 2; what is asked besides tells it from others that answer so."""
    found = diagnosis(lineup, loss(upstream_dropped), LOSS)

    (first,) = found.resembles
    assert first.name == "upstream-gradient-dropped"
    assert 2 <= first.wrong == first.of_wrong < first.alike == first.of <= QUESTIONS
    assert "pytorch/pytorch PR #94226" in first.source
    text = f"upstream-gradient-dropped ({first.wrong} of {first.wrong} wrong answers, {first.of} of {first.of} in all)"
    assert any(text in line for line in found.lines)


def test_what_nobody_knows_is_not_named(lineup: Lineup) -> None:
    """Of the same formula with another factor."""
    found = diagnosis(lineup, loss(nobodys), LOSS)

    assert (found.resembles, found.fault) == ((), "")
    assert found.models is not None
    assert not found.models.agrees


def test_errors_alone_are_like_nothing(lineup: Lineup) -> None:
    """`nothing-to-launch` raises an error for no rows, too, and is right elsewhere; so are many others."""
    empty = Problem("cross_entropy", "float32", {"logits": np.ones((0, 2)), "target": np.ones(0, int)}, grad_output=1.0)
    candidate = load(refused, "cross_entropy", "torch", ndim=[2], without=["probabilities", "invalid_labels"])
    found = diagnosis(lineup, candidate, empty)

    assert (found.resembles, found.fault) == ((), "")
    assert found.asked > 3


def test_a_mutant_that_is_taken_out_is_not_named(lineup: Lineup, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is none of the others: none of them drops the upstream gradient and is right elsewhere."""
    monkeypatch.setattr(lineup, "without", frozenset(["upstream-gradient-dropped"]))

    assert diagnosis(lineup, loss(upstream_dropped), LOSS).resembles == ()


def test_a_right_kernel_under_a_narrow_model_resembles_nothing() -> None:
    """No known bug is asked even."""
    lineup, problem = Lineup(), Problem("log_softmax", "float32", {"logits": [10.0, 9.0]}, {"dim": -1})
    found = diagnosis(lineup, load(stored_logsumexp, "log_softmax", "numpy"), problem)

    assert found.models is not None
    assert "fused" in found.models.agrees
    assert found.resembles == ()
    assert not lineup.known


def test_a_bug_in_numpy_is_compared_with_one_in_torch(lineup: Lineup) -> None:
    """Answers are numbers, wherever they come from; here the value alone."""
    problem = Problem("softmax", "float32", {"logits": [[[1.0], [2.0]]]}, {"dim": 1})
    found = diagnosis(lineup, load(divided_by_the_last_axis, "softmax", "numpy"), problem)

    assert [each.name for each in found.resembles] == ["softmax-of-the-last-axis"]


def test_a_layout_that_torch_does_not_have(lineup: Lineup) -> None:
    """The same numbers lie in another way before those that are compared."""
    problem = Problem("softmax", "float32", {"logits": [[[1.0], [2.0]]]}, {"dim": 1}, layout="reversed")
    found = diagnosis(lineup, load(divided_by_the_last_axis, "softmax", "numpy"), problem)

    assert [each.name for each in found.resembles] == ["softmax-of-the-last-axis"]


def test_a_relation_is_broken_by_one_of_its_answers(lineup: Lineup) -> None:
    """With weights of 1 the answer is right; the relation asks for weights of 2, and that is wrong on its own."""
    mutant = load(MUTANTS["mean-ignores-weights"].make(), "cross_entropy", "torch")
    question = Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [0], "weight": [1.0, 1.0]})
    assert judge(mutant, question).ok
    problems = partial(compared_problems, "class weights", question, mutant)
    found = diagnosis(lineup, mutant, question, question=("relation", "class weights"), compared=problems)

    assert [each.name for each in found.resembles] == ["mean-ignores-weights"]


def test_a_fault_that_only_a_way_of_asking_shows(lineup: Lineup) -> None:
    """The plain answer is right, and not the caller's own."""
    kept = load(MUTANTS["one-buffer-for-all"].make(), "softmax", "torch")
    found = diagnosis(lineup, kept, ROWS, question=("check", "overwritten answers"))

    assert "one-buffer-for-all" in [each.name for each in found.resembles]


def test_an_error_under_a_way_of_asking_is_like_nothing(lineup: Lineup) -> None:
    """Though `one-buffer-for-all` fails the same check."""
    kept = load(MUTANTS["one-buffer-for-all"].make(), "softmax", "torch")
    verdict = Verdict(DISAGREES, explanation="overwritten answers: raised ValueError: no more", problem=ROWS)
    failed = Failed(verdict, question=("check", "overwritten answers"))
    found = Diagnosing("cpu", "C", lineup).diagnosis(kept, failed, model(None))

    assert (found.resembles, found.fault) == ((), "")
    assert "--without 'overwritten answers'" in found.next


def test_without_torch_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all else is said as before."""
    monkeypatch.setattr(Lineup, "missing", property(lambda _: NO_TORCH))
    found = diagnosis(Lineup(), loss(upstream_dropped), LOSS)

    assert found.fault == NO_TORCH == "install torch to compare with known bugs"
    assert found.models is not None
    assert any(NO_TORCH in line for line in found.lines)


def test_a_lineup_that_is_too_slow_costs_the_names_alone() -> None:
    """It is ended at its time limit."""
    lineup = Lineup(seconds=0.001)
    found = diagnosis(lineup, loss(upstream_dropped), LOSS)

    assert found.fault == "known bugs could not be asked: it gave no answer within 0.001 s"
    assert found.models is not None


def test_likeness() -> None:
    """The same numbers up to rounding in elements that are wrong; anything that is allowed in those that are not."""
    yard = Yardstick.of(ROWS, model(None))
    right = yard.exact["value"]
    wrong, other = right.copy(), right.copy()
    wrong[0, 0], other[0, 1] = 0.25, 0.25
    nearly = wrong * (1 + 2.0**-24)

    def alike(x: Array, y: Array) -> bool:
        return yard.alike(Answer(outputs={"value": x}), Answer(outputs={"value": y}))

    assert alike(wrong, nearly)
    assert alike(right, right * (1 + 2.0**-24))
    assert not alike(wrong, other)
    assert not alike(wrong, right)
    assert not alike(wrong, -wrong)
    assert not alike(wrong, wrong * 1.01)
    assert alike(np.full_like(right, np.nan), np.full_like(right, np.nan))
    assert not alike(np.full_like(right, np.nan), wrong)
    assert not alike(np.full_like(right, np.inf), right)
    assert yard.alike(Answer("raised"), Answer("raised"))
    assert not yard.alike(Answer("raised"), Answer(outputs={"value": right}))
    assert not yard.alike(Answer(outputs={"value": right}), Answer(outputs={"grad_logits": right}))


def test_an_interview_ends() -> None:
    """After as many questions as it may ask, none is asked."""
    candidate = load(stored_logsumexp, "log_softmax", "numpy")
    interview = Interview(candidate, "cpu", model(None), "C", 2)
    problem = Problem("log_softmax", "float32", {"logits": [100.0, 0.0]}, {"dim": -1}, grad_output=[1.0, 0.0])
    replies = [interview.ask(each) for each in [problem, *pool(candidate, problem)][:3]]

    assert [each is not None for each in replies] == [True, True, False]
    assert replies[0] is not None
    assert replies[0].problem.grad_output is None  # which it has no function for


def test_who_takes_single_numbers_alone_is_asked_these() -> None:
    """Which others are not asked, since they are nobody's usual logits."""

    def halved(logits: Array, dim: int) -> Array:
        return np.asarray(logits * 0.5 + 0 * dim)

    candidate = load(halved, operation="softmax", adapter="numpy", ndim=[0])
    found = pool(candidate, Problem("softmax", "float32", {"logits": 1.0}, {"dim": 0}))

    assert len(found) > 3
    assert all(problem.inputs["logits"].ndim == 0 for problem in found)
