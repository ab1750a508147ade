"""Classes, methods of classes and factories are judged as what they make, with every option that it is made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from softproof import Problem, judge, load
from softproof.candidates.built import of_factory
from softproof.cli.commands import main

LOSSES = """
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear

class SmoothLoss(nn.Module):
    def __init__(self, num_classes, smoothing):
        super().__init__()
        self.classes, self.smoothing = num_classes, smoothing
    def forward(self, pred, target):
        assert pred.shape[-1] == self.classes
        log_p, eps = pred.log_softmax(-1), self.smoothing
        picked = log_p.gather(-1, target[..., None]).squeeze(-1)
        return -((1 - eps) * picked + (eps * log_p.mean(-1) if eps else 0)).mean()

class WrongSmoothing(SmoothLoss):
    def __init__(self, num_classes, smoothing):
        super().__init__(num_classes, smoothing * (num_classes - 1) / num_classes)

class Chunked:
    def __init__(self, chunk_size, reduction="mean"): self.size, self.reduction = chunk_size, reduction
    def __call__(self, logits, labels):
        parts = zip(logits.split(self.size), labels.split(self.size))
        losses = torch.cat([cross_entropy(x, y, reduction="none") for x, y in parts])
        return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[self.reduction]()

class Hidden(nn.Module):
    def __call__(self, *inputs): return super().__call__(*inputs)
    def forward(self, logits, labels): return cross_entropy(logits, labels)

class OfTheFirst(Chunked):
    seen = None
    def __call__(self, logits, labels):
        self.seen = self.seen or labels.shape
        return super().__call__(logits, labels) * (1 if labels.shape == self.seen else len(labels))

def make_loss(label_smoothing=0.0, reduction="mean"):
    return lambda logits, labels: cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction=reduction)

def make_wrong_loss(label_smoothing=0.0, reduction="mean"):
    return lambda logits, labels: cross_entropy(logits, labels, label_smoothing=label_smoothing)

class LinearLoss(nn.Module):
    def __init__(self, vocab_size, hidden, bias=False, reduction="mean"):
        super().__init__()
        self.weight, self.reduction = nn.Parameter(torch.randn(vocab_size, hidden)), reduction
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if bias else None
    def logits(self, hidden): return linear(hidden, self.weight, self.bias)
    def forward(self, hidden, labels): return cross_entropy(self.logits(hidden), labels, reduction=self.reduction)

class WithoutBias(LinearLoss):
    def logits(self, hidden): return linear(hidden, self.weight, None if self.bias is None else self.bias.detach())

class Scorer:
    def __init__(self, temperature=1.0): self.temperature = temperature
    def entropy(self, logits):
        log_p = (logits / self.temperature).log_softmax(-1)
        return -(log_p.exp() * log_p.masked_fill(log_p == -torch.inf, 0)).sum(-1)
    def wrong_entropy(self, logits): return self.entropy(logits) * 1.01

class Kernels:
    def softmax(x, dim=-1): return torch.softmax(x, dim)

class OnlyForward:
    def __init__(self, label_smoothing=0.0): self.smoothing = label_smoothing
    def forward(self, logits, labels): return cross_entropy(logits, labels, label_smoothing=self.smoothing)

def make_softmax(): return torch.softmax
def make_weighted(weight=None, reduction="mean"): return nn.CrossEntropyLoss(weight, reduction=reduction)

class OfLogits:
    def __init__(self, logits): self.log_p = logits - logits.logsumexp(-1, keepdim=True)
    def softmax_entropy(self): return Scorer().entropy(self.log_p)
    def wrong_softmax_entropy(self): return Scorer().entropy(2 * self.log_p)
"""
AGREE = ("SmoothLoss", "Hidden", "Chunked", "make_loss", "LinearLoss", "Scorer.entropy", "OfLogits.softmax_entropy",
         "Kernels.softmax", "OnlyForward", "OnlyForward.forward", "make_softmax", "make_weighted")  # fmt: skip
WRONG = ("WrongSmoothing", "OfTheFirst", "make_wrong_loss", "WithoutBias", "Scorer.wrong_entropy",
         "OfLogits.wrong_softmax_entropy")  # fmt: skip
OPERATIONS = {"Linear": "linear_cross_entropy", "Without": "linear_cross_entropy",
              "Scorer": "softmax_entropy", "OfLogits": "softmax_entropy",
              "Kernels": "softmax", "make_softmax": "softmax"}  # fmt: skip


@pytest.mark.parametrize("name", [*AGREE, *WRONG])
def test_what_is_made_is_judged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of what makes it; what it is made with are options, sizes and numbers that change nothing."""
    monkeypatch.chdir(tmp_path)
    Path("made_losses.py").write_text(LOSSES)
    operation = next((each for start, each in OPERATIONS.items() if name.startswith(start)), "cross_entropy")
    how = ["--dtype", "float32", "--examples", "30", "--seed", "1", "--in-process", "--no-diagnosis"]
    main(["verify", f"made_losses.py:{name}", "--operation", operation, *how, "--json", "report.json"])
    (row,) = json.loads(Path("report.json").read_text())["rows"]

    assert row["verdict"] == ("disagrees" if name in WRONG else "agrees"), row
    assert row["gradients"]


@pytest.mark.parametrize(
    ("of", "operation"),
    [(torch.nn.CrossEntropyLoss, "cross_entropy"), (torch.nn.Softmax, "softmax"), (torch.nn.LogSoftmax, "log_softmax")],
)
def test_the_classes_of_torch_take_their_options(of: Any, operation: str) -> None:
    """As their functions do."""
    candidate, function = load(of, operation), load(f"torch.nn.functional:{operation}")

    assert candidate.supports(operation) == function.supports(operation)


def test_options_reach_what_is_made() -> None:
    """Arrays among them."""
    weighted: dict[str, Any] = {"logits": [[0.0, 1.0], [2.0, 0.5]], "target": [0, 1], "weight": [1.0, 3.0]}
    problem = Problem("cross_entropy", "float64", weighted, {"reduction": "sum", "label_smoothing": 0.25})

    assert judge(load(torch.nn.CrossEntropyLoss, "cross_entropy"), problem).outcome == "agrees"


def make_nothing() -> int:
    """No function."""
    return 3


def make_of(logits: Any) -> Any:
    """Of an input."""
    return logits


@pytest.mark.parametrize("function", [make_nothing, make_of, test_options_reach_what_is_made])
def test_what_is_no_factory(function: Any) -> None:
    """It is called itself."""
    assert of_factory(function) is None
