"""A right function of a stranger agrees after one command: results by name, another order, parameters of its own."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import softproof
from softproof import Problem, judge
from softproof.candidates.guesses import size_named
from softproof.cli.commands import main

KERNELS = """
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
import numpy as np
import torch
import torch.nn.functional as F

def nll(logits, labels): return torch.logsumexp(logits, -1) - logits.gather(-1, labels[:, None])[:, 0]

def of_mapping(logits, labels):
    return {"accuracy": (logits.argmax(-1) == labels).sum() / 3, "loss": nll(logits, labels).mean(), "rows": 3}
def of_mapping_wrong(logits, labels): return {"accuracy": nll(logits, labels).mean(), "loss": nll(logits, labels).max()}

@dataclass
class Output:
    logits: torch.Tensor
    loss: torch.Tensor
    cache: object = None

def of_object(hidden, weight, labels):
    logits = F.linear(hidden, weight)
    return Output(logits, nll(logits, labels).mean())
def of_object_wrong(hidden, weight, labels):
    logits = F.linear(hidden, weight)
    return Output(logits, nll(logits * 1.01, labels).mean())

Pair = namedtuple("Pair", "scores log_probs")
def of_pair(logits, labels): return Pair(logits, -nll(logits, labels))
def of_pair_wrong(logits, labels): return Pair(logits, -2 * nll(logits, labels))

def of_own_names(logits, labels): return SimpleNamespace(first=logits.sum(), second=nll(logits, labels).mean())
def of_own_names_wrong(logits, labels): return SimpleNamespace(first=logits.sum(), second=nll(logits, labels).sum() / 2)

def softmax_loss(scores, y):
    z = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).mean(), d / max(1, len(y))
def of_gradients(scores, y):
    loss, d = softmax_loss(scores, y)
    return {"dscores": d, "loss": loss}
def of_gradients_wrong(scores, y):
    loss, d = softmax_loss(scores, y)
    return {"dscores": 2 * d, "loss": loss}

def course(W, X, y, reg):
    loss, d = softmax_loss(X @ W, y)
    return loss + reg * (W * W).sum(), X.T @ d + 2 * reg * W
def course_wrong(W, X, y, reg):
    loss, d = softmax_loss(X @ W, y)
    return loss + reg * (W * W).sum(), X.T @ d * 2 + 2 * reg * W

def heated(logits, labels, T): return nll(logits / T, labels).mean()
def heated_wrong(logits, labels, T): return nll(2 * logits / T, labels).mean()

def focal(logits, labels, alpha, gamma):
    losses = nll(logits, labels)
    return (alpha * (1 - torch.exp(-losses)) ** gamma * losses).mean()
def focal_wrong(logits, labels, alpha, gamma): return focal(logits, labels, alpha, gamma) * 1.01

def penalised(logits, labels, *, alpha):
    return (nll(logits, labels) + alpha * torch.logsumexp(logits, -1) ** 2).mean()
def penalised_wrong(logits, labels, *, alpha):
    return (nll(logits, labels) + (alpha + 0.1) * torch.logsumexp(logits, -1) ** 2).mean()
"""
ASKED = ("--dtype", "float32", "--examples", "40", "--seed", "1", "--in-process", "--no-diagnosis")
ORDERS = """
import numpy as np
import torch
import torch.nn.functional as F

def keras(target, output): return F.cross_entropy(output, target)
def keras_wrong(target, output): return F.cross_entropy(output * 1.01, target)
def unknown(gold_labels, net): return F.cross_entropy(net, gold_labels)
def unknown_wrong(gold_labels, net): return F.cross_entropy(net, gold_labels) * 1.01
def usual(a, b): return F.cross_entropy(a, b)
def usual_wrong(a, b): return F.cross_entropy(a * 2, b)
def swapped_wrong(a, b): return F.cross_entropy(b, a)
def numpy_last(y_true, y_pred):
    z = y_pred - y_pred.max(-1, keepdims=True)
    return (np.log(np.exp(z).sum(-1)) - z[np.arange(len(z)), y_true]).mean()
def numpy_last_wrong(y_true, y_pred): return numpy_last(y_true, y_pred) + 1e-3
def layer(labels, h, weight): return F.cross_entropy(h @ weight.mT, labels)
def layer_wrong(labels, h, weight): return F.cross_entropy(h @ weight.mT, labels) / 2

def kl_divergence(q, p): return torch.where(p > 0, p * (p.log() - q.log()), p).sum(-1)
def of_q_from_p(q, p):
    if not q.numel():
        raise ValueError("no rows")
    return torch.where(q > 0, q * (q.log() - p.log()), q).sum(-1)
def kl_divergence_wrong(q, p): return torch.where(p > 0, p * (p.log() - q.log()), p).sum(-1) * 1.01
"""
IN_ORDER = ("keras", "unknown", "usual", "numpy_last", "layer", "kl_divergence")
ORDERED = {  # what is found out; nothing of functions whose names say nothing
    "keras": "--name logits=output --name target=target",
    "unknown": "--name logits=net --name target=gold_labels",
    "numpy_last": "--name logits=y_pred --name target=y_true",
    "layer": "--name input=h --name linear_weight=weight --name target=labels",
    "kl_divergence": "--name p=p --name q=q",
}
OPERATIONS = {"of_object": "linear_cross_entropy", "course": "linear_cross_entropy"}
SAID = {  # of a right function: what is found out
    "of_mapping": ["--output loss"],
    "of_object": ["--output loss"],
    "of_pair": ["--output log_probs", "--negative"],
    "of_own_names": ["--output second"],
    "of_gradients": ["--output loss", "--gradient logits=dscores"],
    "course": ["--extra reg=0.0", "--transposed linear_weight", "--gradient linear_weight=1", "--name input=X"],
    "heated": ["--extra T=1.0"],
    "focal": ["--extra alpha=1.0", "--extra gamma=0.0"],
    "penalised": ["--extra alpha=0.0"],
}


def verified(name: str, kernels: str, *more: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of one command, in the working directory."""
    file = Path(f"kernels_of_strangers_{zlib.crc32(kernels.encode())}.py")  # a module is imported once
    file.write_text(kernels)
    status = main(["verify", f"{file}:{name}", *ASKED, *more, "--json", "report.json"])
    return status, json.loads(Path("report.json").read_text())


@pytest.mark.parametrize("name", [*SAID, *(f"{each}_wrong" for each in SAID)])
def test_one_command_tells(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its operation alone, with a result, and numbers for what is no option, that are told."""
    monkeypatch.chdir(tmp_path)
    right = name.removesuffix("_wrong")
    status, report = verified(name, KERNELS, "--operation", OPERATIONS.get(right, "cross_entropy"))

    (row,) = report["rows"]
    assert (status, row["verdict"]) == ((0, "agrees") if name == right else (1, "disagrees")), report
    if name == right:
        assert [each for each in SAID[name] if each not in report["found_out"][0]] == [], report["found_out"]
    out = capsys.readouterr().out
    assert ("is judged as the value" in out) == ("of_" in name)
    assert ("it has no default, and the operation has no such option" in out) == ("of_" not in name)


@pytest.mark.parametrize("name", [*IN_ORDER, "of_q_from_p", "swapped_wrong", *(f"{each}_wrong" for each in IN_ORDER)])
def test_inputs_in_the_order_that_their_names_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or in torch's, where names say nothing, or that alone is right."""
    monkeypatch.chdir(tmp_path)
    right = name.removesuffix("_wrong")
    known = {"layer": "linear_cross_entropy", "kl_divergence": "kl_divergence", "of_q_from_p": "kl_divergence"}
    status, report = verified(name, ORDERS, "--operation", known.get(right, "cross_entropy"))

    assert (status, report["rows"][0]["verdict"]) == ((0, "agrees") if name == right else (1, "disagrees")), report
    found_out = " ".join(report["found_out"])
    assert ORDERED.get(right, "") in found_out
    assert ("--name" in found_out) == (right in ORDERED)


OWN = """
import numpy as np
import torch
import torch.nn.functional as F

class SmoothedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores, y, smoothing=0.0, chunk=64, *, only_here=None):
        ctx.save_for_backward(scores, y)
        ctx.smoothing = smoothing
        return F.cross_entropy(scores, y, label_smoothing=smoothing)
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        scores, y = ctx.saved_tensors
        with torch.enable_grad():
            x = scores.detach().requires_grad_()
            loss = F.cross_entropy(x, y, label_smoothing=ctx.smoothing)
        return torch.autograd.grad(loss, x, upstream)[0], None, None, None
class SmoothedCrossEntropyWrong(SmoothedCrossEntropy):
    @staticmethod
    def forward(ctx, scores, y, smoothing=0.0):
        ctx.save_for_backward(scores, y)
        ctx.smoothing = smoothing
        return F.cross_entropy(scores, y, label_smoothing=smoothing / 2)

class WithoutContext(torch.autograd.Function):
    @staticmethod
    def forward(scores): return torch.log_softmax(scores, -1)
    @staticmethod
    def setup_context(ctx, inputs, output): ctx.save_for_backward(output)
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream): return upstream - ctx.saved_tensors[0].exp() * upstream.sum(-1, keepdim=True)
log_softmax = WithoutContext.apply

def sized_loss(logits, labels, vocab_size, n_rows):
    return F.cross_entropy(logits.view(-1, vocab_size), labels.view(-1), reduction="sum") / n_rows
def sized_loss_wrong(logits, labels, vocab_size, n_rows):
    return F.cross_entropy(logits.view(-1, vocab_size), labels.view(-1), reduction="sum") / (n_rows + 1e-3)
def in_batches_loss(logits, labels, batch_size):
    assert len(logits) == batch_size
    return F.cross_entropy(logits, labels)

def keras_loss(target, output, from_logits=False):
    if from_logits:
        return F.cross_entropy(output, target, reduction="none")
    return -torch.log(torch.gather(output / output.sum(-1, keepdim=True), -1, target.unsqueeze(-1)).squeeze(-1))
def own_default_loss_wrong(logits, labels, normalized=True):
    return F.cross_entropy(logits, labels) * (1.01 if normalized else 1)

class StarArguments(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *arguments):
        (x,) = arguments
        ctx.save_for_backward(torch.log_softmax(x, -1))
        return torch.log_softmax(x, -1)
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream): return upstream - ctx.saved_tensors[0].exp() * upstream.sum(-1, keepdim=True)
def keras_loss_wrong(target, output, from_logits=False):
    return keras_loss(target, output, from_logits) * 1.01
"""
TOLD = {
    "SmoothedCrossEntropy.apply": "--name label_smoothing=smoothing",
    "log_softmax": "",
    "sized_loss": "--extra vocab_size=@classes --extra n_rows=@rows",
    "in_batches_loss": "--extra batch_size=@batch",
    "keras_loss": "--extra from_logits=True",
}


@pytest.mark.parametrize(
    "name",
    [
        *TOLD,
        "SmoothedCrossEntropyWrong.apply",
        "sized_loss_wrong",
        "keras_loss_wrong",
        "own_default_loss_wrong",
        "WithoutContext.apply",
        "StarArguments.apply",
    ],
)
def test_autograd_functions_sizes_and_switches(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`apply` is called as `forward` is, by the names of its parameters; a size is that of each question."""
    monkeypatch.chdir(tmp_path)
    more = ("--operation", "log_softmax") if name in ("WithoutContext.apply", "StarArguments.apply") else ()
    status, report = verified(name, OWN, *more)

    (row,) = report["rows"]
    assert (status, row["verdict"]) == ((1, "disagrees") if "rong" in name else (0, "agrees")), report
    assert TOLD.get(name, "") in " ".join(report["found_out"])
    if "Smoothed" in name:
        assert "label_smoothing" not in str(row["not_tested"])


MASKED = """
import torch
import torch.nn.functional as F

def nll(logits, labels): return torch.logsumexp(logits, -1) - logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
def masked_loss(logits, labels, loss_mask):
    return (nll(logits, labels) * loss_mask).sum() / loss_mask.sum()
def masked_loss_wrong(logits, labels, loss_mask):
    return (nll(logits, labels) * loss_mask).mean()
def padded_loss(logits, labels, sample_weight=None):
    losses = nll(logits, labels)
    return losses.mean() if sample_weight is None else (losses * sample_weight).sum() / sample_weight.sum()
def padded_loss_wrong(logits, labels, sample_weight=None):
    losses = nll(logits, labels)
    return losses.mean() if sample_weight is None else (losses * sample_weight).sum() / sample_weight.sum().clamp(max=2)
def fused_loss(logits, labels, padding_idx=0):
    return F.cross_entropy(logits, labels, ignore_index=padding_idx, reduction="none")
def fused_loss_wrong(logits, labels, padding_idx=0):
    losses = F.cross_entropy(logits, labels, ignore_index=padding_idx if padding_idx < 1 else -100, reduction="none")
    return losses
def wrong_default_loss(logits, labels, mask=None):
    losses = nll(logits, labels)
    return losses.mean() * 1.01 if mask is None else (losses * mask).sum() / mask.sum()
def unlike_loss(logits, labels, row_weights=None):
    losses = nll(logits, labels)
    return losses.mean() if row_weights is None else (losses * row_weights).mean()

class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, labels, mask):
        ctx.save_for_backward(torch.log_softmax(logits, -1), labels, mask)
        return nll(logits, labels) * mask
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        log_p, labels, mask = ctx.saved_tensors
        upstream = upstream.mul_(mask)
        d = log_p.exp().scatter_add_(-1, labels.unsqueeze(-1), -torch.ones_like(log_p[..., :1]))
        return d * upstream.unsqueeze(-1), None, None
def scaled_loss_wrong(logits, labels, mask): return Scaled.apply(logits, labels, mask.to(logits.dtype))
"""
BY_MASK = {
    "masked_loss": "--name counted=loss_mask",
    "padded_loss": "--name row_weights=sample_weight",
    "fused_loss": "--name ignore_index=padding_idx --fixed reduction=none",
    "fused_loss_wrong": "--name ignore_index=padding_idx --fixed reduction=none",
    "wrong_default_loss": "",
    "unlike_loss": "",
    "masked_loss_wrong": "--name counted=loss_mask",
    "padded_loss_wrong": "--name row_weights=sample_weight",
    "scaled_loss_wrong": "--name counted=mask",
}


@pytest.mark.parametrize("name", BY_MASK)
def test_a_mask_or_a_label_says_which_rows_count(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that do not count are asked about, and have a label that can be looked up; one that may be given is, if that
    is right, and no other is taken for a mask. A label that is ignored by default is an option all the same.
    """
    monkeypatch.chdir(tmp_path)
    status, report = verified(name, MASKED, "--without", "empty,ignored_nonfinite" if "fused" in name else "empty")

    (row,) = report["rows"]
    assert (status, row["verdict"]) == ((1, "disagrees") if "wrong" in name else (0, "agrees")), report
    assert BY_MASK[name] in " ".join(report["found_out"])
    assert ("ignore_index" in str(row["not_tested"])) == (name == "unlike_loss")
    masked = name != "unlike_loss" and "fused" not in name
    assert ("is given as a mask of the rows" in capsys.readouterr().out) == masked
    if name == "scaled_loss_wrong":
        assert "the call changed its input grad_output" in str(row)


def top_k_softmax(logits: Any, k: int) -> Any:
    """Of the k largest alone, which is no softmax but for k = C."""
    values, places = torch.topk(logits, k, -1)
    return torch.zeros_like(logits).scatter(-1, places, values.softmax(-1))


def test_a_size_is_one_of_the_question() -> None:
    """A text that is none is an error, and so is a size that an operation does not have; a k is no size."""
    assert size_named("k") == ""
    with pytest.raises(
        ValueError, match="extra k is @class; expected one of @rows, @batch, @positions, @classes, @fea"
    ):
        softproof.load(top_k_softmax, "softmax", "torch", extra={"k": "@class"})
    rows = Problem("softmax", "float32", {"logits": [[0.5, 1.0, 2.0]]})
    verdict = judge(softproof.load(top_k_softmax, "softmax", "torch", extra={"k": "@features"}), rows)
    assert "extra k is @features; softmax has rows, of a batch, positions, classes" in verdict.explanation
    assert judge(softproof.load(top_k_softmax, "softmax", "torch", extra={"k": "@classes"}), rows).ok
    assert not judge(softproof.load(top_k_softmax, "softmax", "torch", extra={"k": "@rows"}), rows).ok


def test_an_input_without_a_gradient_is_named() -> None:
    """One that autograd has none of, beside others."""
    detached = softproof.load(
        lambda p_logits, q_logits: (
            torch.softmax(p := p_logits.detach(), -1) * (p.log_softmax(-1) - q_logits.log_softmax(-1))
        ).sum(-1),
        "softmax_kl_divergence",
        "torch",
    )
    inputs = {"p_logits": [0.0, 1.0], "q_logits": [1.0, 0.0]}
    verdict = judge(detached, Problem("softmax_kl_divergence", "float32", inputs, grad_output=1.0))
    assert "autograd has no gradient of p_logits, and has one of q_logits" in verdict.explanation


def test_a_module_of_autograd_functions() -> None:
    """Its functions are called by the names of `forward`, too."""
    module = ModuleType("of_torch")
    exec(OWN, vars(module))
    candidate = softproof.load(module, "log_softmax")
    assert candidate.capabilities.parameters("log_softmax") == ("scores",)


def test_the_course_without_an_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parameters tell it."""
    monkeypatch.chdir(tmp_path)
    status, report = verified("softmax_loss_vectorized", KERNELS.replace("course(", "softmax_loss_vectorized("))

    assert (status, report["rows"][0]["operation"]) == (0, "linear_cross_entropy"), report


def no_value(logits: Any, _target: Any) -> dict[str, Any]:
    """Of other names than are asked."""
    return {"loss": logits.sum(), "extra": None}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("los", "gave a dict, with results by name: {}; expected the value as result 'los'; did you mean 'loss'?"),
        (1, "gave a dict, with results by name: {}; expected the value as result 1, counted from 0"),
        ("extra", "result extra is None; expected the value"),
        (None, "the answer is a dict, with results by name: {}; expected one array"),
    ],
)
def test_no_such_name(output: str | int | None, words: str) -> None:
    """The error lists the names that there are."""
    problem = Problem("cross_entropy", "float32", {"logits": [[0.5, 1.0]], "target": [1]})
    candidate = softproof.load(no_value, operation="cross_entropy", adapter="numpy", output=output)

    assert words.format("loss, extra") in judge(candidate, problem).explanation


UNKNOWN = """
def loss(logits, labels, shards): return logits.sum()
def results(scores, labels): return {"first": None, "second": "1"}
def broken(scores, labels): return labels[99]
def anything(a, b): return a
"""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loss", "raised TypeError: loss() missing 1 required positional argument: 'shards'. … --extra shards=VALUE"),
        ("results", "raised TypeError: the answer is a dict, with results by name: first, second. … --output NAME"),
        ("broken", "raised IndexError at kernels_of_strangers"),
        ("anything", ""),
    ],
)
def test_the_true_reason_is_said_first(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do; that an operation cannot be inferred is one where nothing tells it."""
    monkeypatch.chdir(tmp_path)
    status, report = verified(name, UNKNOWN)

    (row,) = report["rows"]
    begin, _, end = reason.partition(" … ")
    out, err = capsys.readouterr()
    assert (status, row["verdict"]) == ((1, "cannot ask") if reason else (3, "cannot load"))
    assert row["reason"].startswith(
        f"cannot ask: it answers no question: {begin}" if reason else "target: cannot infer"
    )
    assert end in row["reason"]
    assert ("cannot infer" in out + err) == (not reason)


MORE = """
import torch, torch.nn.functional as F

def smoothed(logits, labels, smoothing=0.0, reduce=True):
    1 / (logits.shape[min(1, logits.ndim - 1)] - 1)
    return F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum" if reduce else "none")
def smoothed_wrong(logits, labels, smoothing=0.0, reduce=True): return smoothed(logits, labels, smoothing) * 1.01

def kd_loss(logits_student, logits_teacher, temperature):
    s, t = (each.log_softmax(1) for each in (logits_student / temperature, logits_teacher / temperature))
    return F.kl_div(s, t, reduction="none", log_target=True).sum(1)
def kd_loss_wrong(logits_student, logits_teacher, temperature):
    return kd_loss(logits_student, logits_teacher, temperature) * 1.01

def kl(input, target): return F.kl_div(input, target, reduction="batchmean")
def kl_sum(input, target): return F.kl_div(input, target, reduction="sum")
def kl_mean(input, target): return F.kl_div(input, target)
def kl_wrong(input, target): return kl(input, target) * 1.001

def of_conventions(logits, target, ignore_index=-100):
    loss = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="sum")
    loss = loss / (target != ignore_index).sum().clamp(min=1)
    return loss * 1.01 if len(logits) > 2 else loss
"""
ASKED_FOR = {
    "smoothed": ["--fixed reduction=sum", "--name label_smoothing=smoothing", "fewer_than_2_classes"],
    "kd_loss": ["--name p_logits=logits_teacher --name q_logits=logits_student", "--extra temperature=1.0"],
}


@pytest.mark.parametrize("name", [*ASKED_FOR, *(f"{each}_wrong" for each in ASKED_FOR)])
def test_more_that_one_command_tells(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch is no reduction, one class need not be taken, and the teacher comes first."""
    monkeypatch.chdir(tmp_path)
    status, report = verified(name, MORE)

    (row,) = report["rows"]
    assert (status, row["verdict"]) == ((1, "disagrees") if "wrong" in name else (0, "agrees")), report
    assert [each for each in ASKED_FOR.get(name, ()) if each not in report["found_out"][0]] == []


@pytest.mark.parametrize("name", ["kl", "kl_sum", "kl_mean", "kl_wrong"])
def test_the_divergence_of_torch_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes log-probabilities, and the other distribution first; one that is 0.1 % off is wrong, and no such one."""
    monkeypatch.chdir(tmp_path)
    status, report = verified(name, MORE, "--operation", "kl_divergence")

    (row,) = report["rows"]
    assert (status, row["verdict"]) == (1, "disagrees" if name == "kl_wrong" else "cannot ask")
    assert ("as torch's kl_div does" in row["reason"]) == (name != "kl_wrong")


def test_conventions_do_not_hide_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the failures that are looked for, none is counted for the mean of nothing."""
    monkeypatch.chdir(tmp_path)
    Path("kernels_of_conventions.py").write_text(MORE)
    how = ["--operation", "cross_entropy", "--dtype", "float32", "--examples", "30", "--seed", "1", "--in-process"]
    main(["verify", "kernels_of_conventions.py:of_conventions", *how, "--max-failures", "2", "--json", "report.json"])

    (row,) = json.loads(Path("report.json").read_text())["rows"]
    told = [each["diagnosis"]["next"].rpartition("--without ")[2] for each in row["failures"]]
    assert len(told) > len({"empty", "all_ignored"} & {*told}) == 2, told
