"""A gradient is judged wherever it is: beside what the forward pass keeps, in a layer's attributes, in a function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from softproof.candidates.backward_passes import after_forward
from softproof.cli.commands import main

COURSE = """
import numpy as np

def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
def _loss(x, y):
    z = x - x.max(-1, keepdims=True)
    return (np.log(np.exp(z).sum(-1)) - z[np.arange(len(y)), y]).mean()
def _of_loss(p, y):
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return d / len(y)

# what the forward pass keeps
def affine_forward(x, w, b): return x @ w + b, (x, w, b)
def affine_backward(dout, cache):
    x, w, b = cache
    return {"db": dout.sum(0), "dw": x.T @ dout * FACTOR, "dx": dout @ w.T}

# what it keeps and the labels by another name, and no upstream gradient
def ce_forward(x, y): return _loss(x, y), _softmax(x)
def ce_bwd(p, labels): return _of_loss(p, labels) * FACTOR

# the value, and the upstream gradient in second place
def softmax(x): return _softmax(x)
def softmax_backward(out, dout): return FACTOR * out * (dout - (dout * out).sum(-1, keepdims=True))

# a function beside the value
def cross_entropy(logits, labels):
    return _loss(logits, labels), lambda g=1.0: FACTOR * g * _of_loss(_softmax(logits), labels)
def linear(x, w, b):
    def backward(g): return [g @ w, g.T @ x, FACTOR * g.sum(0)]
    return x @ w.T + b, backward
def log_softmax(x):
    p = _softmax(x)
    def backward(): return p
    return x - x.max(-1, keepdims=True) - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)), backward

# weights that a layer is made with, or makes itself
class Affine:
    def __init__(self, W, b): self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW, self.db = FACTOR * self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T
class AffineOfLists:
    def __init__(self, W, b): self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]
    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]
    def backward(self, dout):
        self.grads[0][...], self.grads[1][...] = self.x.T @ dout, FACTOR * dout.sum(0)
        return dout @ self.params[0].T
class LinearOfSizes:
    def __init__(self, n_inputs, n_units):
        self.weights, self.biases = 0.01 * np.random.randn(n_inputs, n_units), np.zeros((1, n_units))
    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases
    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, FACTOR * dvalues.sum(0, keepdims=True)
        return dvalues @ self.weights.T
class DenseOfNames:
    def __init__(self, out_features, in_features):
        self.params = {"W": np.zeros((out_features, in_features)), "b": np.zeros(out_features)}
        self.grads = {}
    def forward(self, x):
        self.x = x
        return x @ self.params["W"].T + self.params["b"]
    def backward(self, grad):
        self.grads = {"W": FACTOR * grad.T @ self.x, "b": grad.sum(0)}
        return grad @ self.params["W"]
class ForgetfulLinear(Affine):
    def backward(self, dout): return dout @ self.W.T
"""
NAMES = ("affine_forward", "ce_forward", "softmax", "cross_entropy", "linear",
         "Affine", "AffineOfLists", "LinearOfSizes", "DenseOfNames")  # fmt: skip


def asked(name: str, factor: str, folder: Path) -> tuple[int, list[dict[str, object]]]:
    """The status, and the rows, of one that is right but for this factor of one gradient."""
    module = f"course_{name}_{factor.replace('.', '_')}"
    (folder / f"{module}.py").write_text(f"{COURSE}\nFACTOR = {factor}\n")
    how = ("--dtype", "float32", "--examples", "40", "--seed", "1", "--in-process", "--no-diagnosis")
    status = main(["verify", f"{module}.py:{name}", *how, "--json", "report.json"])
    return status, json.loads(Path("report.json").read_text())["rows"]


@pytest.mark.parametrize("factor", ["1", "1.0001"])
@pytest.mark.parametrize("name", NAMES)
def test_its_gradient_is_judged(name: str, factor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It agrees, with its gradient; with a hundredth of a per cent too much of one it disagrees."""
    monkeypatch.chdir(tmp_path)
    status, rows = asked(name, factor, tmp_path)

    assert (status, [each["verdict"] for each in rows]) == ((0, ["agrees"]) if factor == "1" else (1, ["disagrees"]))
    assert rows[0]["gradients"] or factor != "1"


@pytest.mark.parametrize(
    ("name", "why"), [("ForgetfulLinear", "keeps no gradient of W"), ("log_softmax", "no upstream")]
)
def test_a_gradient_that_it_does_not_have(
    name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its value is judged, and its user is told what of its gradient is missing."""
    monkeypatch.chdir(tmp_path)
    status, rows = asked(name, "1", tmp_path)

    assert (status, [each["verdict"] for each in rows]) == (0, ["agrees"])
    assert not rows[0]["gradients"]
    assert why in capsys.readouterr().out


def test_the_usual_backward_pass_stays_as_it_is() -> None:
    """The upstream gradient, and then the inputs by any names, or with options."""

    def softmax(logits, dim=-1): ...  # type: ignore[no-untyped-def]
    def usual(grad_output, logits, dim=-1): ...  # type: ignore[no-untyped-def]
    def by_place(g, x): ...  # type: ignore[no-untyped-def]
    def of_value(g, y): return g, y  # type: ignore[no-untyped-def]  # fmt: skip

    assert after_forward(softmax, usual) is usual
    assert after_forward(softmax, by_place) is by_place
    assert after_forward(lambda logits: 2 * logits, of_value)(1.0, 3.0) == (1.0, 6.0)


def test_what_a_forward_pass_does_not_keep() -> None:
    """A backward pass that takes more of it than there is."""

    def backward(dout, cache, state, memo): ...  # type: ignore[no-untyped-def]

    asked = after_forward(lambda x: (x, x), backward)

    with pytest.raises(TypeError, match="forward pass gave 2 results, and its backward pass takes 3 of them"):
        asked(1.0, 2.0)
