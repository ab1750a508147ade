"""What `softproof init` tells of answers that are a matter of what is promised, and of what functions hide."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import manual
import softproof
from softproof.candidates.guesses import operation_of
from softproof.runs.introduction import Profile
from tests.helpers.profiles import profile_of


def zero_where_nothing_counts(logits: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """The loss of training code: 0 over nothing, labels are not checked, and classes lie along the last axis."""
    keep = target != ignore_index
    picked = logits.log_softmax(-1).gather(-1, (target % logits.shape[-1])[..., None])[..., 0]
    return -(picked * keep).sum() / keep.sum().clamp(min=1)


def told(found: Profile) -> set[str]:
    """What the notes say that could be left out."""
    return {each.rpartition('add "')[2].partition('"')[0] for each in found.notes if 'add "' in each}


def test_conventions_are_told_and_not_left_out() -> None:
    """Each with what leaves it out, and then `verify` agrees; of torch's own loss there is one, a finding."""
    found = profile_of(zero_where_nothing_counts, operation="cross_entropy")
    left = {"empty", "all_ignored", "masked", "nonfinite", "ignored_nonfinite", "invalid_labels"}
    how: dict[str, Any] = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"], "seed": 0,
                           "fixed": {"dim": -1}, "examples": 40, "arithmetic": "auto"}  # fmt: skip

    assert told(found) == left - {"masked", "nonfinite"}
    assert any("its classes lie along the last axis" in each for each in found.notes)
    assert not left & set(found.arguments.get("without", ()))
    without = [*found.arguments["without"], *left]
    assert softproof.verify(zero_where_nothing_counts, without=without, **how).ok
    assert told(profile_of(F.cross_entropy, operation="cross_entropy")) == {"ignored_nonfinite"}


def p_minus_q(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """A loss of one-hot rows, and its gradient, which supposes that they sum to 1."""
    loss = -(target * logits.log_softmax(1)).sum() / logits.shape[0]
    return loss, (logits.softmax(1) - target) / logits.shape[0]


def checked(logits: Tensor, target: Tensor) -> Tensor:
    """Refuses rows that do not sum to 1."""
    if not torch.allclose(target.sum(1), torch.ones_like(target.sum(1))):
        raise ValueError("target is no distribution")
    return F.cross_entropy(logits, target)


def test_probabilities_that_do_not_sum_to_1_are_a_kind() -> None:
    """Told where the answer is another then, and left out where it is an error; and then `verify` agrees."""
    given: Any = {"operation": "cross_entropy", "ndim": [2], "without": ["labels"]}
    found = profile_of(p_minus_q, **given)
    assert "unnormalised" in told(found)
    assert "unnormalised" in profile_of(checked, **given).arguments["without"]

    how: dict[str, Any] = {"adapter": "torch", "dtypes": ["float32"], "seed": 0, "examples": 60, "arithmetic": "auto",
                           "output": 0, "gradients": {"logits": 1}}  # fmt: skip
    left = ["labels", "unnormalised", "empty", "nonfinite", "masked"]
    assert softproof.verify(p_minus_q, **given | how | {"without": left}).ok
    left.remove("unnormalised")
    (row,) = softproof.verify(p_minus_q, **given | how | {"without": left}).rows
    assert row.failure is not None
    assert (row.verdict, row.failure.verdict.output) == ("disagrees", "grad_logits")


class _InForward(torch.autograd.Function):
    """A loss whose gradient is made in the forward pass; autograd takes it for a constant."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        p = logits.softmax(-1)
        p[torch.arange(len(target)), target] -= 1
        ctx.save_for_backward(p / len(target))
        return F.cross_entropy(logits, target)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * ctx.saved_tensors[0], None


def made_in_forward(logits: Tensor, target: Tensor) -> Tensor:
    """Of matrices."""
    if logits.ndim != 2:
        raise ValueError("matrices alone")
    found: Tensor = _InForward.apply(logits, target)  # type: ignore[no-untyped-call]
    return found


def test_the_derivative_of_a_constant_is_left_out() -> None:
    """It cannot be asked: no number of the kernel's own is wrong."""
    found = profile_of(made_in_forward, operation="cross_entropy")

    assert "hvp" in found.arguments["without"]
    assert found.not_tested["hvp"].startswith("autograd takes its gradient for a constant")
    assert found.arguments["require"] == ["value", "gradient"]
    assert "hvp" in profile_of(F.cross_entropy, operation="cross_entropy").arguments["require"]


def by_token(logits: Tensor, index: Tensor) -> Tensor:
    """Log-probabilities."""
    return logits.log_softmax(-1).gather(-1, index[..., None])[..., 0]


def loss_by_token(logits: Tensor, index: Tensor) -> Tensor:
    """A loss whose value has another shape than it should without a batch."""
    return -by_token(logits.reshape(-1, logits.shape[-1]), index.reshape(-1))


def test_log_probabilities_are_no_loss() -> None:
    """A function whose value is right times -1 is told so."""
    (row,) = softproof.verify(by_token, operation="cross_entropy", adapter="torch", dtypes=["float32"], examples=5).rows

    assert row.verdict == "cannot ask"
    assert "right times -1" in row.outcome.reason
    assert "--negative" in row.outcome.reason
    assert operation_of("by_token_log_softmax", ["logits", "index"]) == "cross_entropy"


def test_a_backward_pass_of_the_opposite() -> None:
    """With `negative`, derivatives are those of minus the loss; of the loss itself they disagree."""
    functions = [getattr(manual, f"cross_entropy{kind}") for kind in ("", "_backward", "_jvp", "_hvp")]
    module = ModuleType("log_probabilities")
    for function in functions:
        setattr(module, function.__name__, opposite(function))
    how: dict[str, Any] = {"dtypes": ["float64"], "examples": 20, "require": ["value", "gradient", "jvp", "hvp"]}

    (row,) = softproof.verify(module, negative=True, **how).rows
    assert row.verdict == "agrees", row
    module.cross_entropy_backward = manual.cross_entropy_backward  # type: ignore[attr-defined]
    (row,) = softproof.verify(module, negative=True, **how).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert row.failure.verdict.output.startswith("grad_")


def opposite(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, times -1."""

    @wraps(function)
    def called(*arrays: Any, **options: Any) -> Any:
        results = function(*arrays, **options)
        return tuple(None if each is None else -each for each in results) if isinstance(results, tuple) else -results

    return called


def soft_loss(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Of logits and target probabilities."""
    return -(probabilities * torch.log_softmax(logits, -1)).sum(-1)


def test_a_cross_entropy_of_logits_has_target_probabilities() -> None:
    """One between distributions has none, and the advice names the operation that has."""
    how: dict[str, Any] = {"adapter": "torch", "dtypes": ["float32"], "examples": 5}
    (row,) = softproof.verify(soft_loss, operation="distribution_cross_entropy", **how).rows
    assert row.verdict == "cannot ask"
    assert row.outcome.reason.endswith("which cross_entropy does, with target probabilities: --operation cross_entropy")

    (row,) = softproof.verify(lambda p, q: -(p.exp() * q).sum(-1), operation="distribution_cross_entropy", **how).rows
    assert row.outcome.reason.endswith("of which it is made, can be judged")


def test_another_shape_is_another_interface() -> None:
    """If with some dimensions it has the right one."""
    found = profile_of(loss_by_token, operation="cross_entropy")
    assert found.arguments["ndim"] == [2]
    assert found.not_tested["1 dimension"] == "gave a value of shape (1,); expected ()"

    without = [*found.arguments["without"], "invalid_labels", "nonfinite", "masked"]
    how: dict[str, Any] = {"fixed": {"reduction": "none"}, "without": without}
    (row,) = softproof.verify(loss_by_token, operation="cross_entropy", adapter="torch", dtypes=["float32"], seed=0,
                              ndim=[1, 2], examples=40, **how).rows  # fmt: skip
    assert row.verdict == "cannot ask"
    assert "--ndim 2" in row.outcome.reason


def padded(logits: Tensor, labels: Tensor, smoothing: float = 0.0, padding_idx: int = 0) -> Tensor:
    """Losses by row; labels of 0 are padding."""
    return F.cross_entropy(logits, labels, ignore_index=padding_idx, reduction="none", label_smoothing=smoothing)


def from_minus_1(logits: Tensor, targets: Tensor) -> Tensor:
    """Ignores -1."""
    return F.cross_entropy(logits, targets, ignore_index=-1)


@pytest.mark.parametrize(
    ("function", "fixed", "called"),
    [
        (padded, {"reduction": "none"}, {"ignore_index": "padding_idx", "label_smoothing": "smoothing"}),
        (from_minus_1, {"ignore_index": -1}, {}),
    ],
)
def test_the_label_that_is_ignored(function: Any, fixed: dict[str, Any], called: dict[str, str]) -> None:
    """Where it is hard-coded it is found out; where it has a default, it is an option by another name."""
    found = profile_of(function, operation="cross_entropy").arguments
    assert (found["fixed"], found.get("names", {})) == (fixed, called)


def swallows(source: Tensor, target: Tensor, ignore_index: int = -100, **_more: Any) -> Tensor:
    """Takes any keyword, as the models of a library that are called with more than they need."""
    return F.cross_entropy(source, target, ignore_index=ignore_index)


def passes_on(logits: Tensor, target: Tensor, **more: Any) -> Tensor:
    """Names none, and takes what torch does."""
    return F.cross_entropy(logits, target, **more)


def reads_one(logits: Tensor, target: Tensor, **more: Any) -> Tensor:
    """Takes any, and uses one."""
    return F.cross_entropy(logits, target, reduction=more.get("reduction", "mean"))


ALL = {"weight", "ignore_index", "label_smoothing", "reduction"}


@pytest.mark.parametrize(
    ("function", "taken"),
    [
        (swallows, {"ignore_index"}),
        (passes_on, ALL),
        (reads_one, {"reduction"}),
        (nn.CrossEntropyLoss(), set()),
        (F.cross_entropy, ALL),
    ],
)
def test_a_keyword_that_changes_nothing_is_not_taken(function: Any, taken: set[str]) -> None:
    """Of functions that name what they take, and of such that do not."""
    candidate = softproof.load(function, operation="cross_entropy", adapter="torch")

    assert candidate.supports("cross_entropy") & ALL == taken
    if isinstance(function, nn.Module):
        assert candidate.capabilities.parameters("cross_entropy") == ("input", "target")


def of_shares(logits: Tensor, soft_targets: Tensor) -> Tensor:
    """A loss of target probabilities alone, for distillation."""
    return -(soft_targets * logits.log_softmax(-1)).sum(-1).mean()


def test_a_loss_of_target_probabilities_alone() -> None:
    """Is told so in the first run, and agrees in the second; labels that give wrong numbers are no other interface."""
    how: dict[str, Any] = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"], "seed": 0,
                           "ndim": [2], "examples": 40, "arithmetic": "auto"}  # fmt: skip
    (row,) = softproof.verify(of_shares, **how).rows
    assert row.verdict == "cannot ask"
    assert row.outcome.reason.endswith("--without labels (in Python: without=['labels'])")

    found = profile_of(of_shares, operation="cross_entropy")
    assert "labels" in found.arguments["without"]
    (again,) = softproof.verify(of_shares, without=["labels", "masked", "nonfinite"], **how).rows
    assert again.verdict == "agrees", again.failure
    assert "labels" in again.asked.unsupported
    assert again.coverage.regions["probabilities"] == again.coverage.problems > 30

    def wrong(logits: Tensor, target: Tensor) -> Tensor:
        return of_shares(logits, target) if target.is_floating_point() else 3 * F.cross_entropy(logits, target)

    assert softproof.verify(wrong, **how).rows[0].verdict == "disagrees"
    assert "labels" not in profile_of(wrong, operation="cross_entropy").arguments.get("without", ())


def of_two_logits(p: Tensor, q: Tensor) -> Tensor:
    """Which looks like that of distributions."""
    log_p, log_q = p.log_softmax(-1), q.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


@pytest.mark.parametrize("operation", ["kl_divergence", "softmax_kl_divergence"])
def test_a_divergence_of_logits(operation: str) -> None:
    """Is found out by distributions that differ: of equal numbers it is 0, whatever these are."""
    assert profile_of(of_two_logits, operation=operation).operation == "softmax_kl_divergence"
    assert profile_of(plain_divergence, operation="kl_divergence").operation == "kl_divergence"


def plain_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Of positive probabilities."""
    return (p * (p.log() - q.log())).sum(-1)


def of_a_quotient(p: Tensor, q: Tensor) -> Tensor:
    """The same; it is 0 of equal numbers, whatever these are."""
    return (p * (p / q).log()).sum(-1)


def test_a_divergence_of_equal_numbers_tells_nothing() -> None:
    """So it is not taken for one of logarithms; who takes these is told so."""
    how: dict[str, Any] = {"operation": "kl_divergence", "adapter": "torch", "dtypes": ["float32"], "seed": 1}
    (row,) = softproof.verify(of_a_quotient, examples=30, arithmetic="auto", **how).rows
    assert row.verdict == "disagrees"

    (row,) = softproof.verify(lambda p, q: (p * (p.log() - q)).sum(-1), examples=5, **how).rows
    assert (row.verdict, "its value is right for log q:" in row.outcome.reason) == ("cannot ask", True)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_probabilities_of_0_may_be_left_out(name: str) -> None:
    """Then none is asked, of small problems or large ones, and a kernel without 0 log 0 agrees."""
    how: dict[str, Any] = {"operation": "kl_divergence", "adapter": "torch", "dtypes": [name], "seed": 1}
    (row,) = softproof.verify(plain_divergence, diagnose=True, examples=30, arithmetic="auto", **how).rows
    assert row.failure is not None
    assert row.failure.diagnosis.next.endswith("--without zeros")
    assert "zeros" in told(profile_of(plain_divergence, operation="kl_divergence"))

    (again,) = softproof.verify(plain_divergence, without=["zeros"], arithmetic="auto", **how).rows
    assert again.verdict == "agrees", again.failure
    assert "a probability of 0" not in again.coverage.regions
