"""A loss that compares each position with the next label, as losses of language models do, is asked so."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import manual
import softproof
from softproof import Interface, Output, Problem, judge, load
from softproof.candidates.axes import given_so, is_beyond, taken_so
from softproof.problem.problem import Array
from tests.helpers.profiles import profile_of

HOW: Any = {"operation": "cross_entropy", "dtypes": ["float32"], "seed": 3, "arithmetic": "auto", "examples": 60}


def of_any(logits: Tensor, labels: Tensor, vocab_size: int, ignore_index: int = -100) -> Tensor:
    """A sequence, or a batch of them."""
    logits, labels = logits[..., :-1, :].contiguous(), labels[..., 1:].contiguous()
    return F.cross_entropy(logits.view(-1, vocab_size), labels.view(-1), ignore_index=ignore_index)


def of_batches(logits: Tensor, labels: Tensor) -> Tensor:
    """A batch alone."""
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1))


def token_logps(logits: Tensor, input_ids: Tensor) -> Tensor:
    """The log-probability of each next token."""
    return logits[:, :-1].log_softmax(-1).gather(-1, input_ids[:, 1:, None])[..., 0]


def masked(logits: Tensor, labels: Tensor, loss_mask: Tensor) -> Tensor:
    """The mean over a mask, which is shifted as the labels are."""
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    counts = loss_mask[:, 1:].to(losses.dtype)
    return (losses * counts).sum() / counts.sum()


def masked_too_early(logits: Tensor, labels: Tensor, loss_mask: Tensor) -> Tensor:
    """The mask is that of the position before."""
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    counts = loss_mask[:, :-1].to(losses.dtype)
    return (losses * counts).sum() / counts.sum()


def by_a_full_mask(logits: Tensor, labels: Tensor, loss_mask: Tensor) -> Tensor:
    """Takes the first of each mask for 1."""
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    counts = loss_mask.to(losses.dtype)
    return (losses * counts[:, 1:]).sum() / (counts.sum() - len(counts))


def of_numpy(logits: Array, labels: Array) -> Array:
    """With a backward pass of its own."""
    return manual.cross_entropy(logits[:-1], labels[1:], reduction="none")


def of_numpy_backward(grad_output: Array, logits: Array, labels: Array) -> Array:
    """With 0 for the last position."""
    grad = np.zeros_like(logits)
    grad[:-1] = manual.cross_entropy_backward(grad_output, logits[:-1], labels[1:], reduction="none")
    return grad


def at_the_last(logits: Tensor, labels: Tensor) -> Tensor:
    """The last position has a gradient, though no label follows it."""
    return of_batches(logits, labels) + 1e-3 * (logits[:, -1] - logits[:, -1].detach()).sum()


def by_the_last_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """The value has a part of the last position, which has no gradient."""
    return of_batches(logits, labels) + logits[:, -1].detach().sum()


def by_the_first_label(logits: Tensor, labels: Tensor) -> Tensor:
    """Right where the first label is like the second alone."""
    return of_batches(logits, labels) * (1 if (labels[:, :1] == labels[:, 1:2]).all() else 2)


def not_shifted(logits: Tensor, labels: Tensor) -> Tensor:
    """One position less of both, each with its own label."""
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, :-1].reshape(-1))


@pytest.mark.parametrize("layout", ["sequence", "batch", "classes last"])
def test_what_is_given_is_longer_and_what_is_taken_is_not(layout: str) -> None:
    """By one position, wherever the classes are."""
    shape, labels = ((4, 3), (4,)) if layout == "sequence" else ((2, 3, 4), (2, 4))
    rng = np.random.default_rng(0)
    inputs = {"logits": rng.normal(size=shape), "target": rng.integers(0, 3, labels)}
    problem = Problem("cross_entropy", "float64", inputs)
    interface = Interface(shifted=True, fixed={"dim": -1} if layout == "classes last" else {})

    x, y = (given_so(name, array, problem, interface) for name, array in problem.inputs.items())

    axis = {"sequence": 0, "batch": 2, "classes last": 1}[layout]
    assert [x.shape[axis], y.shape[-1]] == [5, 5]
    assert np.take(x, -1, axis).any()
    assert (y[..., 1:] == problem.inputs["target"]).all()
    back = taken_so("grad_logits", Output(x, "float64"), problem, interface)
    assert (back.values == problem.inputs["logits"]).all()
    assert is_beyond("grad_logits", Output(x, "float64"), problem, interface)
    x = np.array(x)
    np.moveaxis(x, axis, 0)[-1] = 0
    assert not is_beyond("grad_logits", Output(x, "float64"), problem, interface)
    np.moveaxis(x, axis, 0)[-1] = np.nan
    assert is_beyond("grad_logits", Output(x, "float64"), problem, interface)
    assert not is_beyond("grad_logits", Output(x, "float64"), problem, Interface(fixed=interface.fixed))


@pytest.mark.parametrize(
    ("function", "more", "right"),
    [
        (of_any, {"shifted": True, "fixed": {"dim": -1}, "extra": {"vocab_size": "@classes"}}, True),
        (of_batches, {"shifted": True, "fixed": {"dim": -1, "ignore_index": -100}, "ndim": [3]}, True),
        (
            token_logps,
            {"shifted": True, "negative": True, "fixed": {"dim": -1, "reduction": "none"}, "ndim": [3]},
            True,
        ),
        (masked, {"shifted": True, "names": {"counted": "loss_mask"}, "fixed": {"dim": -1}, "ndim": [3]}, True),
        (masked_too_early, {"shifted": True, "names": {"counted": "loss_mask"}, "fixed": {"dim": -1}}, False),
        (by_a_full_mask, {"shifted": True, "names": {"counted": "loss_mask"}, "fixed": {"dim": -1}}, False),
        (by_the_last_logits, {"fixed": {"dim": -1}}, False),
        (by_the_first_label, {"shifted": True, "fixed": {"dim": -1}}, False),
        (at_the_last, {"shifted": True, "fixed": {"dim": -1, "ignore_index": -100}, "ndim": [3]}, False),
        (not_shifted, {"fixed": {"dim": -1}}, False),
    ],
)
def test_it_is_found_out(function: Any, more: dict[str, Any], right: bool) -> None:
    """Where its answers are right so, and nowhere else; what is wrong so is wrong."""
    found = profile_of(function, operation="cross_entropy")

    assert more.items() <= found.arguments.items()
    assert any("with the next label" in each for each in found.notes) == ("shifted" in more)
    names = ("fixed", "without", "ndim", "names", "extra", "negative", "shifted")
    interface = {name: found.arguments[name] for name in names if name in found.arguments}
    interface["without"] = [*interface.get("without", ()), "nonfinite", "invalid_labels"]
    (row,) = softproof.verify(function, **interface, **HOW).rows
    assert row.verdict == ("agrees" if right else "disagrees"), row.failure


def test_a_gradient_that_nothing_follows_is_told() -> None:
    """And does not count as one of a wrong shape."""
    (row,) = softproof.verify(at_the_last, shifted=True, fixed={"dim": -1}, ndim=[3], **HOW).rows

    assert row.failure is not None
    assert "grad_logits is not 0 at the last position, whose logits no label follows" in str(row.failure.verdict)


def test_a_backward_pass_of_numpy() -> None:
    """Of one sequence; the same that gives a gradient of the wrong row is wrong."""

    def other_way(grad_output: Array, logits: Array, labels: Array) -> Array:
        return np.roll(of_numpy_backward(grad_output, logits, labels), 1, 0)

    how: Any = {**HOW, "operation": None, "shifted": True, "fixed": {"reduction": "none"}, "ndim": [2]}
    for backward, verdict in ((of_numpy_backward, "agrees"), (other_way, "disagrees")):
        target = ModuleType("own")
        vars(target).update(cross_entropy=of_numpy, cross_entropy_backward=backward)
        (row,) = softproof.verify(target, adapter="numpy", without=["invalid_labels"], **how).rows
        assert row.verdict == verdict, row.failure


@pytest.mark.parametrize("size", ["@rows", "@positions", "@batch"])
def test_a_size_is_that_of_what_is_given(size: str) -> None:
    """With the position more."""
    axes = {"@rows": (0, 1), "@positions": (1,), "@batch": (0,)}[size]

    def loss(logits: Tensor, labels: Tensor, count: int) -> Tensor:
        assert count == np.prod([logits.shape[axis] for axis in axes])
        return of_batches(logits, labels)

    interface: Any = {"shifted": True, "fixed": {"dim": -1}, "ndim": [3], "extra": {"count": size}}
    problem = Problem("cross_entropy", "float32", {"logits": np.zeros((2, 3, 4)), "target": np.zeros((2, 4), int)})
    verdict = judge(load(loss, "cross_entropy", "torch", **interface), problem)
    assert verdict.ok, verdict


def of_linear(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """A linear layer, and the loss of the next labels."""
    return F.cross_entropy(F.linear(hidden, weight)[:-1], labels[1:])


@pytest.mark.parametrize(
    ("function", "operation", "options"),
    [(of_any, "cross_entropy", "--shifted --fixed dim=-1"), (of_linear, "linear_cross_entropy", "--shifted")],
)
def test_who_asks_as_usual_is_told_the_option(function: Any, operation: str, options: str) -> None:
    """Which makes it agree."""
    extra: dict[str, Any] = {"extra": {"vocab_size": "@classes"}} if function is of_any else {}
    without = ["invalid_labels", *(["nonfinite"] if function is of_any else [])]
    how: Any = {**HOW, **extra, "operation": operation, "without": without}
    (row,) = softproof.verify(function, **how).rows
    fixed: dict[str, Any] = {"fixed": {"dim": -1}} if function is of_any else {}
    (again,) = softproof.verify(function, shifted=True, **fixed, **how).rows

    assert row.verdict == "cannot ask"
    assert f"Say so: {options} (in Python: " in row.outcome.reason
    assert again.verdict == "agrees", again.failure


def test_what_cannot_be_shifted_is_not_asked() -> None:
    """Probabilities, a row without a batch, and what is no sequence; nor an operation without labels."""
    candidate = load(torch.nn.functional.cross_entropy, "cross_entropy", "torch", shifted=True)

    assert not candidate.supports("cross_entropy") & {"probabilities", "unbatched"}
    for shape, labels, takes in (((4, 3), (4,), True), ((3,), (), False), ((2, 3, 4, 5), (2, 4, 5), False)):
        problem = Problem("cross_entropy", "float32", {"logits": np.zeros(shape), "target": np.zeros(labels, int)})
        assert candidate.takes(problem) == takes
    with pytest.raises(ValueError, match=r"shifted is True, and ndim \[4\]; expected 2, a sequence, or 3"):
        Interface(shifted=True, ndim=frozenset({4}))
    with pytest.raises(ValueError, match="shifted is True, and softmax has no labels"):
        load(torch.softmax, "softmax", "torch", shifted=True)
    with pytest.raises(TypeError, match="shifted is 'yes'"):
        load(F.cross_entropy, "cross_entropy", "torch", shifted="yes")  # type: ignore[arg-type]
