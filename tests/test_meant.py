"""A wrong value that is right for one row alone, log-probabilities or the next token is told so, and stays wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from softproof import Problem, judge, load
from softproof.bounds.models import model
from softproof.diagnosis.diagnose import Diagnosing, Failed
from softproof.diagnosis.lineup import NO_TORCH, Lineup
from softproof.diagnosis.record import Diagnosis
from softproof.problem.problem import Array


def of_one_row(logits: Array) -> Array:
    """A softmax of a vector."""
    x = np.exp(logits - logits.max())
    return np.asarray(x / x.sum())


def halved(logits: Array) -> Array:
    """Wrong for any."""
    return of_one_row(logits) / 2


def of_logarithms(logp: Tensor, labels: Tensor) -> Tensor:
    """As NLLLoss."""
    return -logp.gather(1, labels[:, None]).mean()


def summed(logp: Tensor, labels: Tensor) -> Tensor:
    """The same, and no mean."""
    return -logp.gather(1, labels[:, None]).sum()


def twice(logp: Tensor, labels: Tensor) -> Tensor:
    """Wrong for log-probabilities, too."""
    return 2 * of_logarithms(logp, labels)


def of_the_next(logits: Tensor, labels: Tensor) -> Tensor:
    """A causal loss."""
    return torch.nn.functional.cross_entropy(logits[:-1], labels[1:])


def of_the_last(logits: Tensor, labels: Tensor) -> Tensor:
    """Shifted to the wrong side."""
    return torch.nn.functional.cross_entropy(logits[1:], labels[:-1])


def smoothing_others(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """As fairseq and Megatron-LM, which divide by 0 where there is one class."""
    each = label_smoothing / (logits.shape[1] - 1)
    log_p = logits.log_softmax(1)
    return -((1 - label_smoothing - each) * log_p.gather(1, labels[:, None])[:, 0] + each * log_p.sum(1)).mean()


def smoothing_in_float32(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """As a kernel that is given its scalars so."""
    return torch.nn.functional.cross_entropy(logits, labels, label_smoothing=float(np.float32(label_smoothing)))


def smoothing_twice(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Wrong by any convention."""
    return torch.nn.functional.cross_entropy(logits, labels, label_smoothing=2 * label_smoothing)


def ignoring_one(logits: Tensor, labels: Tensor) -> Tensor:
    """A label that stands for no class in somebody's data, of images alone."""
    batch, _, height, width = logits.shape
    return torch.nn.functional.cross_entropy(logits, labels.view(batch, height, width), ignore_index=3)


def of_batches(logits: Tensor, labels: Tensor) -> Tensor:
    """It divides by the length of the first axis, whatever that is."""
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    return losses / len(logits)


def ignoring_two(logits: Tensor, labels: Tensor) -> Tensor:
    """The same of another label."""
    return torch.nn.functional.cross_entropy(logits, labels, ignore_index=2)


def infinite(logits: Tensor, labels: Tensor) -> Tensor:
    """Wrong for huge logits alone."""
    loss = torch.nn.functional.cross_entropy(logits, labels)
    return loss + 0 * logits.max().square()


ROWS = Problem("softmax", "float32", {"logits": [[1.0, 2.0], [0.0, 0.5]]})
LOSS = Problem("cross_entropy", "float32", {"logits": [[1.0, 2.0], [0.0, 0.5]], "target": [0, 1]}, grad_output=1.0)
SMOOTHED = Problem("cross_entropy", "float64", LOSS.inputs, {"label_smoothing": 0.1}, grad_output=1.0)
ONE_CLASS = Problem("cross_entropy", "float64", {"logits": [[1.0], [2.0]], "target": [0, 0]}, {"label_smoothing": 0.1})
EVEN = Problem("cross_entropy", "float32", {"logits": np.ones((1, 4, 1, 1)), "target": np.array([[[2]]])})
IMAGES = Problem("cross_entropy", "float32", {"logits": np.resize([0.0, 0.5, 1.0], (1, 5, 3, 2)),
                 "target": [[[0, 1], [3, 1], [3, 0]]]}, grad_output=1.0)  # fmt: skip
OF_ONE = replace(IMAGES, inputs={"logits": np.ones((1, 4, 1, 1)), "target": np.array([[[3]]])})
MANY = replace(IMAGES, inputs={"logits": np.zeros((1, 9, 3, 3)), "target": np.arange(9).reshape(1, 3, 3)})
ROW = Problem("cross_entropy", "float32", {"logits": [1.0, 2.0], "target": 1}, grad_output=1.0)
HUGE = Problem("cross_entropy", "float64", {"logits": [[-1e200]], "target": [0]})


@pytest.mark.parametrize(
    ("function", "problem", "words"),
    [
        (of_one_row, ROWS, "--ndim 1"),
        (halved, ROWS, ""),
        (of_logarithms, LOSS, "log_softmax(logits, 1)"),
        (summed, LOSS, "log_softmax(logits, 1)"),
        (twice, LOSS, ""),
        (of_the_next, LOSS, "shifts labels by one token"),
        (of_the_last, LOSS, ""),
        (smoothing_others, SMOOTHED, "--without label_smoothing"),
        (smoothing_others, ONE_CLASS, "--without label_smoothing"),
        (smoothing_in_float32, SMOOTHED, "--dtype float32"),
        (smoothing_twice, SMOOTHED, ""),
        (infinite, HUGE, ""),
        (of_batches, ROW, "--without unbatched"),
        (ignoring_one, IMAGES, "--fixed ignore_index=3"),
        (ignoring_one, OF_ONE, "--fixed ignore_index=3"),
        (ignoring_two, EVEN, "--fixed ignore_index=2"),
        (ignoring_one, MANY, "--fixed ignore_index=3"),
    ],
)
def test_what_it_may_be_meant_for(function: Any, problem: Problem, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it answers alone."""
    monkeypatch.setattr(Lineup, "missing", property(lambda _: NO_TORCH))
    verdict = judge(candidate := load(function, problem.operation), problem)
    found: Diagnosis = Diagnosing("cpu", "C").diagnosis(candidate, Failed(verdict), model(None))

    assert verdict.outcome == "disagrees"
    assert (words or "debugger") in found.next, found.lines


def test_a_class_of_a_module_is_one_that_is_made() -> None:
    """Where nothing has to be known to make it."""

    class Loss(torch.nn.Module):
        def __init__(self, factor: float = 1.0) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
            return self.factor * torch.nn.functional.cross_entropy(logits, labels)

    assert judge(load(Loss, "cross_entropy", "torch"), LOSS).ok

    class Wide(Loss):
        def __init__(self, width: float) -> None:
            super().__init__(width)

    raised = judge(load(Wide, "cross_entropy", "torch"), LOSS).explanation
    assert "missing 1 required positional argument: 'width'" in raised
    assert judge(load(Wide, "cross_entropy", "torch", extra={"width": 1.0}), LOSS).ok
