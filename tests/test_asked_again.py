"""A right kernel with an interface of its own has a verdict after one command, and a wrong one stays wrong."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from softproof.cli.asked_again import asked_again
from softproof.cli.commands import main
from softproof.cli.options import given_interface, target_name, words_of
from softproof.cli.verify_command import COMMAND
from softproof.reports.required import CANNOT_ASK
from softproof.reports.row import CANNOT_LOAD, Row

KERNELS = '''
import numpy as np

def token_loss(scores, labels, ignore_idx=-100):
    """Right, with names of its own: rows alone, and no reduction."""
    x = scores - scores.max(-1, keepdims=True)
    safe = np.where(labels == ignore_idx, 0, labels)
    if not ((0 <= safe) & (safe < scores.shape[1])).all():
        raise IndexError("a label is out of range")
    loss = np.log(np.exp(x).sum(-1)) - x[np.arange(len(x)), safe]
    return np.where(labels == ignore_idx, np.zeros_like(loss), loss)

def softmax(scores):
    """Wrong: twice as much; it takes matrices alone."""
    n, _ = scores.shape
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return 2 * e / e.sum(-1, keepdims=True)
'''
ASSERTS = '''
import torch

lost = []

def nll(scores, labels):
    """Right for matrices; as on CUDA, an index out of range is an error of the device, and of all calls after it."""
    if lost or scores.ndim > 2 or ((labels < 0) | (labels >= scores.shape[-1])).any():
        lost.append(labels)
        raise RuntimeError("CUDA error: device-side assert triggered")
    return torch.logsumexp(scores, -1) - torch.gather(scores, -1, labels.unsqueeze(-1)).squeeze(-1)
'''
BACKWARD = '''
import torch
import torch.nn.functional as F

class Own(torch.autograd.Function):
    """Its forward pass takes all that torch takes, its backward pass labels of rows alone."""

    @staticmethod
    def forward(ctx, logits, labels, reduction):
        ctx.save_for_backward(logits, labels)
        ctx.reduction = reduction
        return F.cross_entropy(logits, labels, reduction=reduction)

    @staticmethod
    def backward(ctx, grad):
        logits, labels = ctx.saved_tensors
        kept = (labels != -100).float()
        slope = torch.softmax(logits, 1) - F.one_hot(labels.clamp_min(0), logits.shape[1])
        slope = torch.where(kept[:, None] > 0, slope * SCALE, 0.0)
        slope = slope / kept.sum() if ctx.reduction == "mean" else slope
        return (slope * grad if grad.ndim == 0 else slope * grad[:, None]), None, None

def loss(logits, labels, reduction="mean"):
    return Own.apply(logits, labels, reduction)
'''
ASKED = ["--dtype", "float32", "--examples", "20", "--seed", "3", "--without", "nonfinite,empty"]


def verified(*arguments: str, dtype: str = "float32") -> tuple[int, dict[str, Any]]:
    """The exit status and the report of a command."""
    status = main(["verify", *arguments, "--dtype", dtype, *ASKED[2:], "--json", "report.json"])
    return status, json.loads(Path("report.json").read_text())


@pytest.fixture(autouse=True)
def _kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_kernels.py").write_text(KERNELS)


def test_one_command_is_enough(capfd: pytest.CaptureFixture[str]) -> None:
    """It is told what was found out; the command that says so asks the same without finding it out."""
    status, report = verified("own_kernels.py:token_loss")

    (row,), (said,) = report["rows"], report["found_out"]
    assert (status, row["verdict"]) == (0, "agrees"), row
    for option in ("--operation cross_entropy", "--name ignore_index=ignore_idx", "--fixed reduction=none", "--ndim 2",
                   "--without nonfinite,empty,probabilities"):  # fmt: skip
        assert option in said
    assert report["targets"][0]["options"]["fixed"] == ["reduction='none'"]
    out, err = capfd.readouterr()
    assert f"it is asked again, as what it takes: {said}" in err
    assert said in out

    _, _, target, *options = said.split()
    again = main(["verify", target, *options, *ASKED[:-2], "--as-it-is", "--json", "again.json"])
    repeated = json.loads(Path("again.json").read_text())
    assert (again, repeated["found_out"]) == (0, [])
    assert repeated["rows"][0]["problems_sha256"] == row["problems_sha256"]


def test_an_error_that_ends_a_device_is_outlived() -> None:
    """What comes after it is asked in a new process: of one that is lost, nobody knows what else it refuses."""
    Path("own_kernels.py").write_text(ASSERTS)
    status, report = verified("own_kernels.py:nll", "--operation", "cross_entropy", "--without", "invalid_labels")

    (row,), (said,) = report["rows"], report["found_out"]
    assert (status, row["verdict"]) == (0, "agrees"), row
    assert said.endswith(",probabilities")


@pytest.mark.parametrize(
    ("backward", "verdict"),
    [
        (BACKWARD.replace("SCALE", "1"), "agrees"),
        (BACKWARD.replace("SCALE", "2"), "disagrees"),
        # raises an error for more classes; for its own reduction
        (BACKWARD.replace("SCALE", "(1 if logits.shape[1] < 5 else 1 / 0)"), "disagrees"),
        (BACKWARD.replace("SCALE", "1").replace("grad[:, None]", "grad[None, 1 / 0]"), "disagrees"),
    ],
)
def test_a_backward_pass_that_takes_less(backward: str, verdict: str) -> None:
    """Is an interface of its own, as a forward pass that does, if it is a kind of question that may be left out."""
    Path("own_kernels.py").write_text(backward)
    status, report = verified("own_kernels.py:loss", "--operation", "cross_entropy", "--without", "all_ignored,hvp")

    (row,) = report["rows"]
    assert (status, row["verdict"]) == (verdict != "agrees", verdict), row
    if verdict == "agrees":
        (said,) = report["found_out"]
        assert "--ndim 2" in said
        assert "probabilities" in said


def test_a_process_that_ends_is_no_convention() -> None:
    """It gave no answer that somebody might mean."""
    ends = KERNELS.replace(
        "    loss =", "    if labels.size and (labels == ignore_idx).all(): __import__('os')._exit(3)\n    loss ="
    )
    Path("own_kernels.py").write_text(ends)
    status, report = verified("own_kernels.py:token_loss")

    (row,) = report["rows"]
    assert (status, row["verdict"]) == (3, "disagrees")
    assert [note for note in report["notes"] if "all ignored" in note] == []


HALF = """
import torch

def softmax(x, dim=-1):
    if x.dtype == torch.bfloat16:
        x.shape[0]
        return torch.softmax(x.float(), dim).bfloat16()
    return torch.softmax(x, dim)
"""


def test_what_one_format_refuses_is_found_out() -> None:
    """In the format that is asked: its path may take less than others."""
    Path("own_kernels.py").write_text(HALF)
    status, report = verified("own_kernels.py:softmax", "--without", "jvp,hvp", dtype="bfloat16")

    (row,), (said,) = report["rows"], report["found_out"]
    assert (status, row["verdict"]) == (0, "agrees"), row
    assert "--ndim 1 --ndim 2 --ndim 3 --ndim 4 --ndim 5" in said


def test_labels_that_are_not_checked_are_told_and_left_out() -> None:
    """It is no number that is wrong; what else may be a convention is told, and asked all the same."""
    unchecked = KERNELS.replace("if not ((0 <= safe) & (safe < scores.shape[1])).all():", "if safe.ndim != 1:")
    Path("own_kernels.py").write_text(
        unchecked.replace("x[np.arange(len(x)), safe]", "x[np.arange(len(x)), safe % x.shape[1]]")
    )
    status, report = verified("own_kernels:token_loss", "--operation", "cross_entropy", "--name", "logits=scores",
                              "--name", "target=labels", "--fixed", "reduction=none", "--ndim", "2")  # fmt: skip

    assert (
        "NOT TESTED: invalid_labels: for a label of no class it gives numbers, where torch raises an error"
        in (report["notes"])
    )
    assert not [each for each in report["notes"] if each.startswith("NOTE: for a label of no class")]
    assert "--without nonfinite,empty,probabilities,invalid_labels" in report["found_out"][0]
    assert (status, report["rows"][0]["verdict"]) == (0, "agrees")


FORWARD = """
import torch

def softmax(x):
    return torch.softmax(x.detach() if CUT else x, -1)

def entropy_of(logits):
    logp = logits.log_softmax(-1)
    return -(logp.exp() * logp.masked_fill(logp.isneginf(), 0)).sum(-1)
"""


@pytest.mark.parametrize(
    ("cut", "more", "verdict", "found_out"),
    [
        ("True", [], "agrees", 1),
        ("True", ["--require", "gradient"], "disagrees", 0),
        ("x.numel() > 9", [], "disagrees", 0),
    ],
)
def test_who_has_no_backward_pass_is_judged_on_its_value(
    cut: str, more: list[str], verdict: str, found_out: int
) -> None:
    """A graph that is cut for some inputs alone is a bug; who says that there is a gradient is asked for it."""
    Path("own_kernels.py").write_text(FORWARD.replace("CUT", cut))
    status, report = verified("own_kernels:softmax", *more)

    (row,) = report["rows"]
    assert (row["verdict"], len(report["found_out"])) == (verdict, found_out)
    assert (status, row["gradients"]) == (verdict != "agrees", not found_out)
    if found_out:
        words = "raised RuntimeError: the result does not depend on logits as far as autograd can tell"
        assert f"NOT TESTED: gradient: {words}" in report["notes"]


def test_logits_are_no_probabilities(capfd: pytest.CaptureFixture[str]) -> None:
    """Who takes them is judged on them, and not told that its number is wrong; as it is, it is told what they are."""
    Path("own_kernels.py").write_text(FORWARD.replace("CUT", "False"))
    asked = ["verify", "own_kernels:entropy_of", "--operation", "entropy", *ASKED[:-2]]
    status = main(asked)
    out = capfd.readouterr().out
    assert (status, "asked as what it was found to take: softproof verify own_kernels:entropy_of" in out) == (0, True)
    assert "--operation softmax_entropy" in out

    status, out = main([*asked, "--as-it-is"]), capfd.readouterr().out
    assert (status, "log p: it takes logits" in out, "--operation softmax_entropy" in out) == (1, True, True)


def test_what_is_wrong_stays_wrong() -> None:
    """No option excuses a wrong number."""
    status, report = verified("own_kernels:softmax", "--adapter", "numpy")

    assert "--ndim 2" in report["found_out"][0]
    assert (status, report["rows"][0]["verdict"]) == (1, "disagrees")


@pytest.mark.parametrize("more", [["--as-it-is"], []])
def test_who_says_so_is_asked_as_it_is(more: list[str]) -> None:
    """And a table in pyproject.toml says what is asked."""
    target = ["own_kernels:token_loss", "--operation", "cross_entropy"]
    if not more:
        words = 'target = "own_kernels:token_loss"\noperation = "cross_entropy"\nwithout = ["empty", "nonfinite"]'
        Path("pyproject.toml").write_text(f"[tool.softproof]\n[[tool.softproof.targets]]\n{words}\n")
    asked = [*target, *ASKED] if more else ASKED[:-2]
    status = main(["verify", *asked, *more, "--json", "report.json"])
    report = json.loads(Path("report.json").read_text())

    assert (status, report["found_out"], report["rows"][0]["verdict"]) == (1, [], CANNOT_ASK)


@pytest.mark.parametrize(
    ("target", "row"),
    [
        ("own:f", Row.unjudged("own:f", "cpu", CANNOT_LOAD, "target 'own:f': there is no module 'own'")),
        ("own:f", Row.unjudged("own:f", "cpu", CANNOT_ASK, "required, and judged in none of its problems: gradient")),
        ("own", Row.unjudged("own", "cpu", CANNOT_ASK, f"{CANNOT_ASK}: it answers no question")),
        ("own.onnx", Row.unjudged("own.onnx", "cpu", CANNOT_ASK, f"{CANNOT_ASK}: it answers no question")),
    ],
)
def test_who_is_not_asked_again(target: str, row: Row) -> None:
    """A module, a model, what cannot be loaded, and what is merely missing."""

    def opener(_more: Any) -> Any:
        pytest.fail("it is opened")

    assert asked_again({"target": target, "device": "cpu"}, [row], opener) is None


@pytest.mark.parametrize(
    "words",
    [
        "--operation linear --adapter numpy --name bias=b --name input=x --output 1",
        "--supports weight,reduction --fixed reduction=none --extra 'mode=a b' --ndim 2 --ndim 3",
        "--writes logits --without empty,nonfinite",
    ],
)
def test_the_words_say_what_was_given(words: str) -> None:
    """There and back again."""
    parser = argparse.ArgumentParser()
    COMMAND.add_options(parser)

    assert words_of(given_interface(parser.parse_args(shlex.split(words)))) == words


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("kernels.py:f", "kernels:f"),
        ("./a/b/kernels.py:loss", "a.b.kernels:loss"),
        ("../kernels.py:f", "../kernels.py:f"),
        ("/a/kernels.py:f", "/a/kernels.py:f"),
        ("kernels.py", "kernels.py"),
        ("my-kernels/01.py:f", "my-kernels.01:f"),
        ("my kernels.py:f", "my kernels.py:f"),
        ("python kernels.py", "python kernels.py"),
        (":f", ":f"),
        ("", ""),
    ],
)
def test_a_function_in_a_file_is_one_of_a_module(text: str, name: str) -> None:
    """Where its file is below the working directory, and a module can have its name."""
    assert target_name(text) == name


@pytest.mark.parametrize("file", ["01-softmax.py", "./my-kernels/x.py", "{here}/1.py"])
def test_a_file_has_the_name_that_it_has(file: str, tmp_path: Path) -> None:
    """It need not be one that Python's `import` could spell, and its path may be absolute."""
    path = Path(file.format(here=tmp_path))
    path.parent.mkdir(exist_ok=True)
    path.write_text(KERNELS)
    status, report = verified(f"{path}:softmax")
    assert (status, report["rows"][0]["verdict"]) == (1, "disagrees")
