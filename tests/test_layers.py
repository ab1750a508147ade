"""Layers with `forward` and `backward`, as courses write them, and losses that are Python numbers are judged so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from softproof import Problem, judge, load
from softproof.candidates.layers import layer_of
from softproof.cli.commands import main

COURSE = """
import numpy as np
import torch

class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.y = e / e.sum(-1, keepdims=True)
        return self.y
    def backward(self, dout): return self.y * (dout - (dout * self.y).sum(-1, keepdims=True))

class SoftmaxWithLoss:
    def forward(self, x, t):
        z = x - x.max(axis=1, keepdims=True)
        self.p, self.t = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), t
        return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), t]).mean()
    def backward(self, dout=1):
        d = self.p.copy()
        d[np.arange(len(d)), self.t] -= 1
        return d * dout / len(d)

class CrossEntropy(SoftmaxWithLoss):
    def __call__(self, x, t): return float(self.forward(x, t))
    def backward(self): return SoftmaxWithLoss.backward(self)
loss = CrossEntropy()

class TorchLoss(CrossEntropy):
    def forward(self, x, t):
        self.p, self.t = torch.softmax(x, 1), t
        return (torch.logsumexp(x, 1) - x[range(len(x)), t]).mean()
    def backward(self): return (self.p - torch.nn.functional.one_hot(self.t, self.p.shape[1])) / len(self.p)

def float_loss(logits, labels): return float(SoftmaxWithLoss().forward(logits, labels))

class WrongSoftmax(Softmax):
    def backward(self, dout): return self.y * dout
class WrongUpstream(SoftmaxWithLoss):
    def backward(self, dout=1): return SoftmaxWithLoss.backward(self)
class WrongCrossEntropy(CrossEntropy):
    def backward(self): return CrossEntropy.backward(self) * len(self.p)
class WrongLater(SoftmaxWithLoss):
    def forward(self, x, t):
        before, value = getattr(self, "p", None), SoftmaxWithLoss.forward(self, x, t)
        if before is not None and before.shape == x.shape:
            self.p = before
        return value
def wrong_float_loss(logits, labels): return float_loss(logits, labels) * 1.0001

class MaskedLoss:
    def forward(self, x, t, mask=None):
        z = x - x.max(1, keepdims=True)
        self.x, self.t, self.m = x, t, np.ones(len(x), x.dtype) if mask is None else mask.astype(x.dtype)
        return ((np.log(np.exp(z).sum(1)) - z[np.arange(len(x)), t]) * self.m).sum() / self.m.sum()
    def backward(self, dout=1):
        e = np.exp(self.x - self.x.max(1, keepdims=True))
        d = e / e.sum(1, keepdims=True)
        d[np.arange(len(d)), self.t] -= 1
        return d * self.m[:, None] / self.m.sum() * dout

class Sized(Softmax):
    def __init__(self, size): self.size = size
class Tempered(Softmax):
    def __init__(self, temperature=1.0): self.temperature = temperature
    def forward(self, x): return Softmax.forward(self, x / self.temperature)
class OfDvalues(SoftmaxWithLoss):
    def backward(self, dvalues, y_true): return dvalues
class ByName(Softmax):
    def backward(self, *, grad): return grad
class OfClass:
    @staticmethod
    def forward(x): return x
    @staticmethod
    def backward(y, dout): return dout
"""
RIGHT = ("Softmax", "SoftmaxWithLoss", "CrossEntropy", "loss", "TorchLoss", "MaskedLoss", "float_loss")
WRONG = ("WrongSoftmax", "WrongUpstream", "WrongCrossEntropy", "WrongLater", "wrong_float_loss")


@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_a_layer_of_a_course(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its class, or an instance of it; its gradient is that of its backward pass."""
    monkeypatch.chdir(tmp_path)
    Path("course_layers.py").write_text(COURSE)
    how = (
        "--dtype",
        "float32",
        "--examples",
        "40",
        "--seed",
        "1",
        "--in-process",
        "--no-diagnosis",
        "--json",
        "report.json",
    )
    status = main(["verify", f"course_layers.py:{name}", *how])
    rows = json.loads(Path("report.json").read_text())["rows"]

    assert (status, {each["verdict"] for each in rows}) == ((1, {"disagrees"}) if name in WRONG else (0, {"agrees"}))
    assert {each["operation"] for each in rows} == {"softmax" if "Softmax" in name[-7:] else "cross_entropy"}
    assert ("no backward pass" in str(rows)) == ("float" in name)


def of_course(name: str) -> Any:
    """One of them."""
    space: dict[str, Any] = {"__name__": __name__}
    exec(COURSE, space)
    return space[name]


def test_a_layer_is_made_with_its_options() -> None:
    """What it lacks is named; an instance is judged as it is."""
    rows = Problem("softmax", "float64", {"logits": [[0.5, 1.0]]}, grad_output=[[1.0, 0.0]])
    raised = load(of_course("Sized"), "softmax", "numpy").answer(rows, "cpu").raised

    assert raised is not None
    assert "missing 1 required positional argument: 'size'" in raised
    assert judge(load(of_course("Sized"), "softmax", extra={"size": 2}), rows).outcome == "agrees"
    assert judge(load(of_course("Sized")(3), "softmax"), rows).outcome == "agrees"
    assert judge(load(of_course("Tempered"), "softmax", "numpy"), rows).outcome == "agrees"
    assert judge(load(of_course("Tempered"), "softmax", extra={"temperature": 2.0}), rows).outcome == "disagrees"


@pytest.mark.parametrize(("name", "takes"), [("OfDvalues", "dvalues, y_true"), ("ByName", "grad")])
def test_a_backward_pass_that_takes_more(name: str, takes: str) -> None:
    """It is no layer, which is said; a class of static methods is none either."""
    with pytest.raises(ValueError, match=f"class {name}, whose backward takes {takes}; expected the upstream gradient"):
        load(of_course(name), "softmax")
    assert layer_of(of_course(name)()) is None
    assert layer_of(of_course("OfClass")) is None


def test_an_upstream_gradient_for_each_row_is_refused() -> None:
    """Where the backward pass takes none, and would have to know it."""
    candidate = load(of_course("loss"), "cross_entropy", fixed={"reduction": "none"})
    asked = Problem(
        "cross_entropy", "float64", {"logits": [[0.5, 1.0]], "target": [1]}, {"reduction": "none"}, grad_output=[2.0]
    )
    verdict = judge(candidate, asked)
    assert "backward takes no upstream gradient; one of shape (1,) was to be given" in verdict.explanation
