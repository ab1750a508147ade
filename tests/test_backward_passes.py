"""A gradient is judged wherever it is: beside what the forward pass keeps, in a layer's attributes, in a function."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from softproof import Problem, judge, load
from softproof.candidates.backward_passes import readings
from softproof.candidates.frameworks import arrays_of
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
def ce_backward(p, labels): return _of_loss(p, labels) * FACTOR

# a gradient among the results, and a backward pass, which is what is called
def own_loss(x, y): return _loss(x, y), _of_loss(_softmax(x), y)
def own_loss_backward(dout, cache): return FACTOR * dout * cache

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
class SidewaysLinear(LinearOfSizes):
    def backward(self, dvalues):
        dx = LinearOfSizes.backward(self, dvalues)
        self.dbiases = self.dbiases.T
        return dx
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
class AliasedLinear:
    def __init__(self, n_in, n_out):
        self.vW, self.W, self.b = np.zeros((n_in, n_out)), np.zeros((n_in, n_out)), np.zeros(n_out)
        self.params, self.dW = {"W": self.W, "b": self.b}, np.zeros((n_in, n_out))
    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]
    def backward(self, dout):
        self.dW, self.db = FACTOR * self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T
class SlottedLinear:
    __slots__ = ("W", "b", "x", "dW", "db")
    def __init__(self, n_in, n_out): self.W, self.b = np.zeros((n_in, n_out)), np.zeros(n_out)
    forward, backward = Affine.forward, Affine.backward
class TwiceLinear(Affine):
    def backward(self, dout):
        dx = Affine.backward(self, dout)
        self.grads = {"W": self.dW / 2}
        return dx
class UprightLinear(Affine):
    def backward(self, dout):
        dx = Affine.backward(self, dout)
        self.db = self.db[:, None]
        return dx
class OneHot:
    def forward(self, x, t):
        self.t = np.eye(x.shape[1], dtype=x.dtype)[t] if t.ndim == 1 else t
        self.x = x
        z = x - x.max(1, keepdims=True)
        return (np.log(np.exp(z).sum(1)) - np.where(self.t, z, 0).sum(1)).mean()
    def backward(self, dout=1): return FACTOR * dout * (_softmax(self.x) - self.t) / len(self.x)
class ForgetfulLinear(Affine):
    def backward(self, dout): return dout @ self.W.T
class CopiedLinear(Affine):
    def __init__(self, W, b): self.W, self.b = W.copy(), b.copy()
class FrozenLinear(Affine):
    def __init__(self, W, b):
        self.W, self.b = W.copy(), np.broadcast_to(b, b.shape)
        self.W.flags.writeable = False
class TurnedLinear(Affine):
    def __init__(self, W, b): self.W, self.b = np.ascontiguousarray(W.T), b
    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b
    def backward(self, dout):
        self.dW, self.db = FACTOR * self.x.T @ dout, dout.sum(0)
        return dout @ self.W
class DoubledLinear(Affine):
    def __init__(self, W, b): self.W, self.b = 2 * W, b
    def forward(self, x):
        self.x = x
        return x @ (self.W / 2) + self.b
    def backward(self, dout):
        self.dW, self.db = FACTOR * self.x.T @ dout, dout.sum(0)
        return dout @ (self.W / 2).T
class GatheringLinear(Affine):
    def __init__(self, W, b): self.W, self.b, self.dW, self.db = W, b, np.zeros_like(W), np.zeros_like(b)
    def backward(self, dout):
        self.dW += FACTOR * self.x.T @ dout
        self.db += dout.sum(0)
        return dout @ self.W.T
class PackedLinear(Affine):
    packed = None
    def forward(self, x):
        if self.packed is None or self.packed.shape != self.W.shape:
            self.packed = self.W.copy()
        self.x = x
        return x @ self.packed + self.b
class PackedLinearOfSizes(LinearOfSizes):
    old = None
    def forward(self, inputs):
        self.old = self.weights.copy() if self.old is None else self.old
        self.inputs = inputs
        return inputs @ self.old + self.biases
"""
NAMES = ("affine_forward", "ce_forward", "own_loss", "softmax", "cross_entropy", "linear",
         "Affine", "AffineOfLists", "LinearOfSizes", "DenseOfNames", "AliasedLinear", "SlottedLinear",
         "OneHot", "CopiedLinear", "GatheringLinear", "TurnedLinear", "DoubledLinear", "FrozenLinear")  # fmt: skip


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


@pytest.mark.parametrize("name", ["PackedLinear", "PackedLinearOfSizes"])
def test_what_a_layer_keeps_of_a_weight(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is wrong once the weight has been changed in place, as an optimiser does."""
    monkeypatch.chdir(tmp_path)
    status, rows = asked(name, "1", tmp_path)

    assert (status, [each["verdict"] for each in rows]) == (1, ["disagrees"])
    assert "updated in place" in str(rows[0]["failures"])


NO_USE = [("TwiceLinear", "two gradients"), ("UprightLinear", "has shape"), ("SidewaysLinear", "has shape")]


@pytest.mark.parametrize(("name", "why"), NO_USE)
def test_a_gradient_that_nobody_can_use(name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that differ, and one of another shape than the bias."""
    monkeypatch.chdir(tmp_path)
    status, rows = asked(name, "1", tmp_path)

    assert (status, [each["verdict"] for each in rows]) == (1, ["disagrees"])
    assert why in str(rows[0]["failures"])


@pytest.mark.parametrize(
    ("name", "why"), [("ForgetfulLinear", "keeps no gradient of W"), ("log_softmax", "no backward pass")]
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
    """The upstream gradient, and then the inputs by any names, or with options; what may be both is read both ways."""

    def softmax(logits: Any, dim: int = -1) -> Any: ...
    def usual(grad_output: Any, logits: Any, dim: int = -1) -> Any: ...
    def by_place(g: Any, x: Any) -> Any: ...
    def loss(logits: Any, target: Any) -> Any: ...
    def of_labels(g: Any, x: Any, y: Any) -> Any: ...
    def of_value(g: Any, y: Any) -> Any:
        return g, y

    assert readings(softmax, usual) == [usual]
    assert readings(softmax, by_place) == [by_place]
    assert readings(loss, of_labels) == [of_labels]
    first, second = readings(lambda logits: 2 * logits, of_value)
    assert (first, second(1.0, 3.0)) == (of_value, (1.0, 6.0))


def test_what_a_forward_pass_does_not_keep() -> None:
    """A backward pass that takes more of it than there is."""

    def backward(dout: Any, cache: Any, state: Any, memo: Any) -> Any: ...

    (asked,) = readings(lambda x: (x, x), backward)
    with pytest.raises(TypeError, match="forward pass gave 2 results, and its backward pass takes 3 of them"):
        asked(1.0, 2.0)


def test_what_a_forward_pass_keeps_is_given_by_name_or_together() -> None:
    """Several things in order, or as one; options by keyword, and the upstream gradient last with a default."""

    def forward(x: Any, dim: int = -1) -> Any:
        return x, 2 * x, dim

    def in_order_of(dout: Any, out: Any, cache: Any, more: Any, *, dim: int) -> Any:
        return dout, out, cache, more, dim

    def together(dout: Any, cache: Any) -> Any:
        return dout, cache

    def last(cache: Any, dout: float = 1.0) -> Any:
        return cache, dout

    assert readings(forward, in_order_of)[-1](0.5, 3.0, dim=7) == (0.5, 3.0, 6.0, 7, 7)
    assert readings(forward, together)[-1](0.5, 3.0) == (0.5, (6.0, -1))
    assert readings(forward, last)[-1](0.5, 3.0) == ((6.0, -1), 0.5)


ORDINARY = """
import numpy as np
def _p(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
def softmax(logits, dim=-1): return _p(logits)
def softmax_backward(g, a, dim=-1):  # of the input, or of the value
    p = {of}
    return p * (g - (g * p).sum(-1, keepdims=True))
def linear(x, w, bias=None): return x @ w.T + (0 if bias is None else bias)
def linear_backward(g, a, weight, bias):
    return g @ weight, g.T @ a, g.sum(0)
def log_softmax(x): return np.log(_p(x)), lambda: 3
"""


@pytest.mark.parametrize("of", ["_p(a)", "a"])
def test_differences_tell_what_a_doubtful_name_is(of: str) -> None:
    """The input, or the value; and a function among the results is a gradient only if it gives one."""
    space: dict[str, Any] = {"__name__": "ordinary"}
    exec(ORDINARY.format(of=of), space)
    asked = ModuleType("ordinary")
    vars(asked).update(space)
    candidate = load(asked, adapter="numpy")
    logits: Any = [[0.5, -1.0, 2.0], [0.0, 1.0, 0.25]]
    upstream = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, 3.0]])

    assert judge(candidate, Problem("softmax", "float64", {"logits": logits}, {"dim": -1}, grad_output=upstream)).ok
    layer: Any = {"input": logits, "weight": [[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]], "bias": [1.0, -1.0]}
    assert judge(candidate, Problem("linear", "float64", layer, grad_output=upstream[:, :2])).ok
    assert "log_softmax" not in candidate.backwards


TENSORS = """
import torch
def softmax_forward(x): return x.softmax(-1)
def softmax_backward(ctx, g): return g
"""


def test_a_helper_of_torch_is_no_backward_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Autograd differentiates a function of tensors, whatever is beside it but ``<name>_backward``."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "course_of_tensors.py").write_text(TENSORS)

    candidate = load("course_of_tensors:softmax_forward", operation="softmax")
    assert (candidate.adapter, candidate.backwards) == ("torch", {})


@pytest.mark.parametrize(
    ("code", "adapter"),
    [
        ("import numpy as np\ndef softmax(x): raise ValueError(np.pi)", "numpy"),
        ("import numpy as np\ndef softmax(x): return x.softmax(-1)", "torch"),
        ("def softmax(x): raise_it()", "numpy"),
    ],
)
def test_numpy_alone_is_tried_without_torch(code: str, adapter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it asks an array for what tensors have; its import takes longer than all else."""
    asked, tried = ModuleType("alone"), list[str]()
    exec(code, vars(asked))

    def noted(name: str) -> Any:
        tried.append(name)
        return arrays_of(name)

    monkeypatch.setattr("softproof.candidates.loading.arrays_of", noted)

    assert load(asked).adapter == adapter
    assert ("torch" in tried) == ("ValueError" not in code)
