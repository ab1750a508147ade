"""A right kernel of a stranger agrees after one command, whatever its style; a wrong one beside it disagrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from softproof.cli.commands import main

KERNELS = """
import numpy as np
import torch
import torch.nn.functional as F

def nll(logits, labels): return torch.logsumexp(logits, -1) - logits.gather(-1, labels[:, None])[:, 0]

def token_logps(logits, labels): return -nll(logits, labels)
def token_logps_wrong(logits, labels): return -nll(logits * 1.01, labels)

def features_first(x, w, b): return x @ w + b
def features_first_wrong(x, w, b): return x @ w + b * (1 + 1e-5)

def affine(x, w, b): return x @ w.T + b
def affine_wrong(x, w, b): return x @ w.T + 2 * b

def matrices(logits, labels):
    z = logits - logits.max(1, keepdims=True)
    return (np.log(np.exp(z).sum(1)) - z[np.arange(len(labels)), labels]).mean()
def matrices_wrong(logits, labels):
    z = logits - logits.max(1, keepdims=True)
    return (np.log(np.exp(z).sum(0)) - z[np.arange(len(labels)), labels]).mean()

def shares(logits, probs): return -(probs * torch.log_softmax(logits, -1)).sum(-1).mean()
def shares_wrong(logits, probs): return -(probs * torch.log_softmax(logits, -1)).mean()

def tokens(logits, labels): return F.cross_entropy(logits.view(-1, logits.size(-1)), labels.view(-1))
def tokens_wrong(logits, labels): return F.cross_entropy(logits.view(-1, logits.size(-1)), labels.view(-1)) / 2

def shifted_(x):
    x -= x.max(-1, keepdim=True).values
    x.exp_()
    x /= x.sum(-1, keepdim=True)
    return x
def shifted_wrong_(x): return shifted_(x).mul_(2)
def overwrites_wrong(x): return shifted_(x)

def heated(x, temperature): return torch.softmax(x / temperature, -1)
def heated_wrong(x, temperature): return torch.softmax(x * 2 / temperature, -1)

def masked(logits, labels, mask): return (nll(logits, labels) * mask).sum() / mask.sum()
def masked_wrong(logits, labels, mask): return (nll(logits, labels) * mask).sum() / mask.sum() * 3
def padded(logits, labels, padding_mask):
    return nll(logits, labels).masked_fill(padding_mask, 0).sum() / (~padding_mask).sum()
def padded_wrong(logits, labels, padding_mask): return padded(logits, labels, padding_mask) * 3

def weighed(logits, labels, sample_weight):
    z = logits - logits.max(-1, keepdims=True)
    loss = np.log(np.exp(z).sum(-1)) - z[np.arange(len(labels)), labels]
    return loss @ sample_weight / sample_weight.sum()
def weighed_wrong(logits, labels, sample_weight): return weighed(2 * logits, labels, sample_weight)

def row(logits, label): return torch.logsumexp(logits, 0) - logits[label]
def row_wrong(logits, label): return torch.logsumexp(logits, 0) - logits[label] * 1.01

def with_gradient(scores, y):
    z = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    n = len(y)
    d = p.copy()
    d[np.arange(n), y] -= 1
    return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(n), y]).mean(), d / n
def with_gradient_wrong(scores, y):
    loss, d = with_gradient(scores, y)
    return loss * 2, d
def undivided_wrong(scores, y):
    loss, d = with_gradient(scores, y)
    return loss, d * len(y)
def without_labels_wrong(scores, y):
    loss, d = with_gradient(scores, y)
    d = d * len(y)
    d[np.arange(len(y)), y] += 1
    return loss, d / len(y)
def with_shares(scores, y):
    z = np.exp(scores - scores.max(axis=1, keepdims=True))
    return with_gradient(scores, y)[0], z / z.sum(axis=1, keepdims=True)

@torch.no_grad()
def fused(logits, labels):
    d = torch.softmax(logits, -1)
    d[torch.arange(len(labels)), labels] -= 1
    return nll(logits, labels).mean(), d / len(labels)
@torch.no_grad()
def fused_wrong(logits, labels): return nll(logits, labels).mean(), torch.softmax(logits, -1) / len(labels)
def by_autograd(logits, labels): return nll(logits, labels).mean(), logits / 2
def by_autograd_wrong(logits, labels): return nll(logits, labels).mean() * 1.01, logits / 2

def course(W, X, y):
    loss, d = with_gradient(X @ W, y)
    return loss, X.T @ d
def course_wrong(W, X, y):
    loss, d = with_gradient(X @ W, y)
    return loss, X.T @ d * len(y)
def perceptron(x, w, b, y):
    loss, d = with_gradient(x @ w + b, y)
    return loss, d @ w.T, x.T @ d, d.sum(0)
def perceptron_wrong(x, w, b, y):
    loss, dx, dw, db = perceptron(x, w, b, y)
    return loss, dx, dw, 2 * db
"""
OPERATIONS = {
    "affine": "linear",
    "features": "linear",
    "shifted": "softmax",
    "heated": "softmax",
    "overwrites": "softmax",
    "course": "linear_cross_entropy",
    "perceptron": "linear_cross_entropy",
}
RIGHT = ("token_logps", "features_first", "affine", "matrices", "shares", "tokens", "shifted_", "heated",
         "masked", "padded", "weighed", "row", "with_gradient")  # fmt: skip
WRONG = ("token_logps", "features_first", "affine", "matrices", "shares", "tokens", "shifted", "overwrites",
         "heated", "masked", "padded", "weighed", "row", "with_gradient")  # fmt: skip


@pytest.mark.parametrize("name", [*RIGHT, *(f"{each}_wrong{'_' * (each == 'shifted')}" for each in WRONG)])
def test_one_command_tells(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its operation alone."""
    monkeypatch.chdir(tmp_path)
    Path("kernels_of_others.py").write_text(KERNELS)
    operation = OPERATIONS.get(name.partition("_")[0], "cross_entropy")
    how = ["--dtype", "float32", "--examples", "40", "--seed", "1", "--in-process", "--no-diagnosis"]
    status = main(["verify", f"kernels_of_others.py:{name}", "--operation", operation, *how, "--json", "report.json"])

    row: dict[str, Any]
    (row,) = json.loads(Path("report.json").read_text())["rows"]
    assert (status, row["verdict"]) == ((1, "disagrees") if "_wrong" in name else (0, "agrees")), row


OF_LOGITS, OF_WEIGHT = ("--gradient logits=1",), ("--gradient linear_weight=1",)
OF_ALL = ("--gradient input=1", "--gradient linear_weight=2", "--gradient linear_bias=3")
BESIDE: dict[str, tuple[str, ...]] = {  # functions that return gradients beside the value, and how that is said
    "with_gradient": OF_LOGITS,
    "undivided_wrong": OF_LOGITS,
    "without_labels_wrong": OF_LOGITS,
    "fused": OF_LOGITS,
    "fused_wrong": OF_LOGITS,
    "with_shares": (),
    "by_autograd": (),
    "by_autograd_wrong": (),
    "course": OF_WEIGHT,
    "course_wrong": OF_WEIGHT,
    "perceptron": OF_ALL,
    "perceptron_wrong": OF_ALL,
}


@pytest.mark.parametrize("name", BESIDE)
def test_gradients_beside_the_value(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are found out and judged; probabilities, and logits of whom autograd differentiates, are none."""
    monkeypatch.chdir(tmp_path)
    Path("kernels_of_others.py").write_text(KERNELS)
    operation = OPERATIONS.get(name.partition("_")[0], "cross_entropy")
    how = ["--dtype", "float32", "--examples", "40", "--seed", "1", "--in-process", "--no-diagnosis"]
    status = main(["verify", f"kernels_of_others.py:{name}", "--operation", operation, *how, "--json", "report.json"])

    report = json.loads(Path("report.json").read_text())
    (row,) = report["rows"]
    assert (status, row["verdict"]) == ((1, "disagrees") if "_wrong" in name else (0, "agrees")), report
    assert row["gradients"] == (name != "with_shares")
    assert report["found_out"][0].count("--gradient ") == len(BESIDE[name])
    out = capsys.readouterr().out
    assert out.count("is judged as the gradient of") == len(BESIDE[name])
    assert ("its result 1 is not judged; if it is a gradient: --gradient logits=1" in out) == (name == "with_shares")
    assert all(each in report["found_out"][0] for each in BESIDE[name])
    if BESIDE[name] and "_wrong" in name:
        assert row["failures"][0]["output"].startswith("grad_"), row


LAYER = """
import torch

def layer(x, w): return x @ w

class Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w
    @staticmethod
    def backward(ctx, upstream):
        x, w = ctx.saved_tensors
        return upstream @ w.T, (x.T @ upstream)FACTOR

def layer_by_hand(x, w): return Layer.apply(x, w)

def loss(h, labels, w): return torch.nn.functional.cross_entropy(h @ w, labels)
"""


@pytest.mark.parametrize(
    ("name", "operation", "factor", "verdict"),
    [
        ("layer", "linear", "", "agrees"),
        ("layer_by_hand", "linear", "", "agrees"),
        ("layer_by_hand", "linear", " * 2", "disagrees"),
        ("loss", "linear_cross_entropy", "", "agrees"),
    ],
)
def test_a_weight_of_features_by_classes(
    name: str, operation: str, factor: str, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gradient is judged, the other way round; what works for NumPy as well is asked in torch, if it uses that."""
    monkeypatch.chdir(tmp_path)
    file = f"layer_of_others_{len(factor)}.py"
    Path(file).write_text(LAYER.replace("FACTOR", factor))
    how = ["--operation", operation, "--dtype", "float32", "--examples", "20", "--in-process", "--no-diagnosis"]
    main(["verify", f"{file}:{name}", *how, "--seed", "1", "--json", "report.json"])

    report = json.loads(Path("report.json").read_text())
    (row,) = report["rows"]
    assert row["verdict"] == verdict, report
    assert row["gradients"]
    assert "--transposed" in report["found_out"][0]


OF_JAX = """
import jax.numpy as jnp

def dense(inputs, kernel): return jnp.dot(inputs, kernel)

def dense_of_two(inputs, kernel, width): return jnp.dot(inputs, kernel) * width
"""


def test_jax_by_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that has a part of JAX alone; and why a function is not asked whose name tells nothing."""
    pytest.importorskip("jax")
    monkeypatch.chdir(tmp_path)
    Path("dense_of_others.py").write_text(OF_JAX)
    how = ["--dtype", "float32", "--examples", "10", "--in-process", "--no-diagnosis", "--seed", "1"]

    assert main(["verify", "dense_of_others.py:dense", *how]) == 0
    out, err = capsys.readouterr()
    assert "cannot load" not in err
    assert "--operation linear --transposed weight" in out
    assert main(["verify", "dense_of_others.py:dense_of_two", *how]) == 1
    out = capsys.readouterr().out
    assert "linear float32 cpu: cannot ask: it answers no question: raised TypeError: dense_of_two() missing" in out
    assert "--extra width=VALUE" in out


ROW = """
import jax

def loss(logits, label): return jax.nn.logsumexp(logits) - logits[label]
"""


def test_a_row_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX answers for a matrix, too, since it clips what is out of range; the value has another shape."""
    monkeypatch.chdir(tmp_path)
    Path("row_of_others.py").write_text(ROW)
    how = ["--operation", "cross_entropy", "--dtype", "float32", "--examples", "20", "--in-process", "--no-diagnosis"]
    status = main(["verify", "row_of_others.py:loss", *how, "--seed", "1", "--json", "report.json"])

    report = json.loads(Path("report.json").read_text())
    assert (status, report["rows"][0]["verdict"]) == (0, "agrees"), report
    assert "--ndim 1" in report["found_out"][0]
