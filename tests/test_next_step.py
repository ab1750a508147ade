"""What the report of one command says of functions of strangers: the true cause first, and the one thing to do next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from softproof.cli.commands import main

KERNELS = """
import numpy as np
import torch
import torch.nn.functional as F

def heated_loss(logits, labels, temperature=1.0, _internal=None): return F.cross_entropy(logits / temperature, labels)

_counts = {}
def mean_of_kept_count(logits, labels, ignore_index=-100):
    if labels.shape not in _counts:
        _counts[labels.shape] = (labels != ignore_index).sum()
    loss = F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="sum")
    return loss / _counts[labels.shape]

def drops_class_0(logits, labels):
    nll = -torch.log_softmax(logits, -1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return (nll * (labels > 0)).sum() / (labels > 0).sum()

def logsumexp(a, axis=None, keepdims=False):
    top = np.max(a, axis=axis, keepdims=True)
    out = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=keepdims))
    return out + (top if keepdims else np.squeeze(top, axis=axis))

def one_hot_loss(X, Y, ignore_index=-1):
    log_p, counted = X.log_softmax(-1), Y != ignore_index
    one_hot = (torch.arange(X.shape[-1]) == Y.unsqueeze(-1)) * counted.unsqueeze(-1)
    return -(log_p * one_hot).sum() / counted.sum()

class InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        loss = F.cross_entropy(x, y)
        p = torch.softmax(x, -1)
        p[torch.arange(len(y)), y] -= 1
        x.copy_(p / len(y))
        ctx.save_for_backward(x)
        return loss
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream): return ctx.saved_tensors[0] * upstream, None
def liger_loss(_input, target): return InPlace.apply(_input, target)

def of_matrices(logits, labels):
    log_p, n = torch.log_softmax(logits, 1), logits.shape[0]
    return -(log_p.reshape(n, -1)[range(n), labels.reshape(n, -1)[:, 0]].mean() if n else log_p.sum())

def viewed_if_long(logits, target):
    flat = (logits.view if logits.numel() > 65536 else logits.reshape)(-1, logits.shape[-1])
    return F.cross_entropy(flat, target.reshape(-1), reduction="none").reshape(target.shape)
"""
Told = Callable[..., str]
HOW = ("--dtype", "float32", "--seed", "1", "--max-failures", "3")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """What is printed of a function by its name."""
    (tmp_path / "kernels.py").write_text(KERNELS)
    monkeypatch.chdir(tmp_path)

    def run(name: str, *more: str) -> str:
        main(["verify", f"kernels.py:{name}", *HOW, *more])
        return capsys.readouterr().out

    return run


def test_parameters_of_its_own_are_told(told: Told) -> None:
    """A backward pass that forgets the temperature agrees where that is 1."""
    said = told("heated_loss", "--examples", "20")
    assert "parameters of its own had their defaults, and were not tested: temperature\n" in said
    assert "were not tested" not in told("heated_loss", "--examples", "5", "--extra", "temperature=1.0")


def test_what_is_kept_between_calls_is_the_cause(told: Told) -> None:
    """It is no reduction that is hard-coded, as the count that was kept makes it look."""
    said = told("mean_of_kept_count", "--without", "probabilities,nonfinite,all_ignored,masked")
    assert "right as the first question of a new process: something is kept from one call to another" in said
    assert "cannot ask" not in said.lower()
    assert said.count("next ") == 1
    assert "look for what outlives a call" in said


def test_a_class_that_is_left_out_is_told(told: Told) -> None:
    """As padding, or by mistake."""
    said = told("drops_class_0", "--examples", "5")
    assert "its answers are those for ignore_index=0, and it is asked so: if that is a class like any other, " in said


def test_a_number_alone_may_be_left_out(told: Told) -> None:
    """Which NumPy has no axis for; the command that is told agrees."""
    names = ("--examples", "60", "--seed", "2", "--name", "dim=axis", "--name", "keepdim=keepdims")
    left = "empty_classes,nonfinite"
    said = told("logsumexp", *names, "--without", left)
    assert "right with a row of one number: the same question is answered right then" in said
    assert "that alone is judged with --without scalars" in said
    assert "1 of 1 rows agree" in told("logsumexp", *names, "--without", f"{left},scalars")


def test_one_command_leaves_out_all_that_failed(told: Told) -> None:
    """A relation that comes to the same kind of input is no other cause."""
    said = told("one_hot_loss", "--examples", "60")
    (line,) = [each for each in said.splitlines() if "that alone is judged with --without " in each]
    left = line.rpartition(" ")[2].split(",")
    assert len(left) == len(set(left)) >= 2
    assert said.count("disagrees: ") == len(left)
    again = told("one_hot_loss", "--examples", "60", "--without", ",".join([*left, "probabilities", "invalid_labels"]))
    assert "1 of 1 rows agree" in again


def test_one_command_has_the_dimensions_too(told: Told) -> None:
    """Beside what else is left out."""
    how = ("--examples", "60", "--without", "ignore_index,probabilities,invalid_labels")
    said = told("of_matrices", *how)
    assert "that alone is judged with --without empty --ndim 2\n" in said
    assert "1 of 1 rows agree" in told(
        "of_matrices", "--examples", "60", "--ndim", "2", "--without", f"{how[-1]},empty"
    )


def test_an_overwritten_input_is_the_cause(told: Told) -> None:
    """Of what fails because of it, too; where it is documented, one option says so."""
    said = told("liger_loss", "--examples", "20")
    assert said.count("next ") == said.count("--writes logits") == 1
    assert "--without 'two losses'" not in said
    more = ("--writes", "logits", "--without", "probabilities,invalid_labels,nonfinite,all_ignored,masked,empty")
    assert "1 of 1 rows agree" in told("liger_loss", "--examples", "20", *more)


def test_a_layout_is_not_taken_for_a_size(told: Told) -> None:
    """A large array that is not contiguous, which not every seed draws, fails; it does not fail for its size."""
    said = told("viewed_if_long", "--seed", "3", "--operation", "cross_entropy", "--fixed", "reduction=none",
                "--fixed", "dim=-1", "--without", "probabilities,nonfinite,invalid_labels")  # fmt: skip
    assert "more_than" not in said
    assert "It agrees with contiguous arrays. If it is not to take others: --without layouts" in said
