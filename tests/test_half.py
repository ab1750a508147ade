"""A function of torch that agrees in float64 and float32 is asked in bfloat16, too, if its user names no format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from softproof.cli.batch import LEAVING_IT_OUT
from softproof.cli.commands import main
from softproof.cli.plan import NO_FLOAT16, NO_HALF

FUNCTIONS = """
import os
import numpy as np
import torch

def right(logits): return torch.logsumexp(logits, -1)
def summed_in_half(logits):
    e = torch.exp(logits - logits.amax(-1, keepdim=True))
    total = torch.zeros_like(e[..., 0])
    for x in e.unbind(-1): total = total + x  # stagnates where 1 is less than a rounding of it
    return total.log() + logits.amax(-1)
def right_but_for_no_number(logits):
    return torch.where(logits.isfinite().any(-1), right(logits), 0)
def unsupported(logits):
    if logits.dtype == torch.bfloat16: raise TypeError("no kernel for bfloat16")
    return right(logits)
def in_float32(logits): return right(logits.float() if logits.dtype != torch.float64 else logits)
def aborts(logits):
    if logits.dtype == torch.bfloat16: os.abort()
    return right(logits)
class NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return right(x)
    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        if x.dtype == torch.bfloat16: raise RuntimeError("not implemented for BFloat16")
        return upstream[..., None] * torch.softmax(x, -1)
def no_backward(logits): return NoBackward.apply(logits)
def only_half(logits):
    if logits.dtype.itemsize > 2: raise TypeError("half precision alone")
    return right(logits)
def wrong(logits): return 1.001 * right(logits)
def of_numpy(logits):
    x = np.asarray(logits)
    largest = x.max(-1, keepdims=True)
    return np.log(np.exp(x - largest).sum(-1)) + largest[..., 0]
"""
USUAL = ["float64", "float32"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the functions in it."""
    monkeypatch.chdir(tmp_path)
    Path("half.py").write_text(FUNCTIONS)
    return tmp_path


def judged(name: str, *more: str, target: tuple[str, ...] = ()) -> tuple[int, list[tuple[str, str]]]:
    """The status, and the format and the verdict of each row."""
    how = ("--operation", "logsumexp", "--without", "nonfinite,masked,empty_classes,scalars,jvp,hvp")
    given = target or (f"half.py:{name}", *how)
    status = main(
        ["verify", *given, *more, "--examples", "30", "--seed", "1", "--no-diagnosis", "--json", "report.json"]
    )
    rows = json.loads(Path("report.json").read_text())["rows"]
    return status, [(each["dtype"], each["verdict"]) for each in rows]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "status", "in_half"), [("right", 0, "agrees"), ("summed_in_half", 1, "disagrees")])
def test_it_is_asked(name: str, status: int, in_half: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is wrong there alone is rejected."""
    assert judged(name) == (status, [*((each, "agrees") for each in USUAL), ("bfloat16", in_half)])
    told = capsys.readouterr().out
    assert NO_FLOAT16 in told
    assert (f"NOTE: {LEAVING_IT_OUT}" in told) == (status == 1)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["unsupported", "of_numpy", "in_float32", "no_backward", "aborts"])
def test_who_does_not_answer_is_not_asked(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """That is told, and counts against nobody."""
    assert judged(name) == (0, [(each, "agrees") for each in USUAL])
    told = capsys.readouterr().out
    assert NO_HALF in told
    assert ("NOT TESTED: logsumexp bfloat16: cannot ask: " in told) == (name == "in_float32")
    assert ("NOT TESTED: bfloat16: " in told) == (name in ("unsupported", "no_backward", "aborts"))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "in_half"), [("right_but_for_no_number", "agrees"), ("summed_in_half", "disagrees"), ("wrong", "")]
)
def test_what_agrees_without_what_failed_is_asked_that(
    name: str, in_half: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a name leaves that out, which is not asked in half precision either."""
    how = ("--operation", "logsumexp", "--without", "empty_classes,scalars,jvp,hvp")
    status = main(["verify", f"half.py:{name}", *how, "--examples", "30", "--seed", "1", "--json", "report.json"])
    rows = json.loads(Path("report.json").read_text())["rows"]

    assert status == 1
    assert [each["verdict"] for each in rows] == ["disagrees", "disagrees", *[in_half] * bool(in_half)]
    told = capsys.readouterr().out
    for row in rows[2:]:
        assert "nonfinite" in row["not_tested"]
        assert "not tested of logsumexp in bfloat16: " in told
        assert "NOTE: in bfloat16 it was asked without what failed: --without 'empty_classes," in told


@pytest.mark.usefixtures("folder")
def test_what_disagrees_anyway_is_not_asked() -> None:
    """Its user has enough to do."""
    status, rows = judged("wrong")
    assert (status, [dtype for dtype, _ in rows]) == (1, USUAL)


@pytest.mark.usefixtures("folder")
def test_a_model_that_is_named_is_for_the_usual_formats() -> None:
    """Which need another one in half precision."""
    assert judged("right", "--arithmetic", "any-order") == (0, [(each, "agrees") for each in USUAL])


@pytest.mark.usefixtures("folder")
def test_no_format_is_asked_twice() -> None:
    """Of a function of half precision alone."""
    assert judged("only_half") == (0, [("float16", "agrees"), ("bfloat16", "agrees")])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("of", "asked"), [("x.float()", ["float32", "bfloat16"]), ("x", [*USUAL, "bfloat16"])])
def test_what_was_found_out_has_the_format(of: str, asked: list[str]) -> None:
    """As the command that says the same, and as the record of the target; where that is the default, neither has."""
    name = f"found_{len(asked)}"
    Path(f"{name}.py").write_text(f"import torch\ndef lse(x): return torch.logsumexp({of}, -1)\n")
    status, rows = judged("", target=(f"{name}.py:lse",))
    found = json.loads(Path("report.json").read_text())
    assert (status, [dtype for dtype, _ in rows]) == (0, asked)
    told = " --dtype float32 --dtype bfloat16" if len(asked) == 2 else ""
    assert found["found_out"][0].partition(" --dtype")[1:] == tuple(told.partition(" --dtype")[1:])
    assert set(found["targets"][0]["options"]["dtypes"]) == set(asked)


@pytest.mark.usefixtures("folder")
def test_a_target_that_cannot_be_opened_again_keeps_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """And is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("softproof.cli.batch.in_format", lambda *_: 1 // 0)
        assert judged("right") == (0, [(each, "agrees") for each in USUAL])
    assert "NOT TESTED: bfloat16: ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_who_was_not_asked_in_half_precision_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever else was."""
    target = ("half.py:right", "half.py:wrong", "--operation", "logsumexp", "--without", "jvp,hvp")
    _, rows = judged("", target=target)
    assert [dtype for dtype, _ in rows] == [*USUAL, "bfloat16", *USUAL]
    assert NO_HALF in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_format_that_is_named_is_the_only_one() -> None:
    """On the command line, or in a table, which asks the usual two."""
    assert judged("right", "--dtype", "float32") == (0, [("float32", "agrees")])
    Path("pyproject.toml").write_text(
        '[[tool.softproof.targets]]\ntarget = "half:right"\noperation = "logsumexp"\nwithout = ["jvp", "hvp"]\n'
    )
    status, rows = judged("right", target=("--config", "pyproject.toml"))
    assert (status, [dtype for dtype, _ in rows]) == (0, USUAL)
