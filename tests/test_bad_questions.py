"""Bad input to the judge: an error that names the argument, what it is and what was expected; nothing is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import softproof
from softproof import Problem, Result
from softproof.cli import main

from .candidates import MANUAL
from .test_errors import _public, _Recorder

ROW: dict[str, Any] = {"logits": [0.0, 1.0]}
GOOD = Problem("softmax", "float32", ROW, {"dim": -1})
LOSS: dict[str, Any] = {"logits": [[0.0, 1.0]], "target": [0]}
LAYER: dict[str, Any] = {"input": [[1.0, 2.0]], "linear_weight": [[1.0, 1.0]], "target": [0]}

Call = Callable[[Any], Any]


def _judged(operation: str, inputs: dict[str, Any], options: dict[str, Any] | None = None, **more: Any) -> Call:
    return lambda f: f.judge(MANUAL, Problem(operation, "float32", inputs, options, **more))


WRONG: dict[str, tuple[Call, type[Exception], str]] = {
    "no problem": (lambda f: f.judge(MANUAL, "x"), TypeError, "problem is a str; expected a softproof.Problem"),
    "no implementation": (
        lambda f: f.judge("manual", GOOD),
        TypeError,
        "implementation is a str; expected what softproof.load gives",
    ),
    "an operation that it lacks": (
        lambda f: f.judge(f.load("manual:softmax"), Problem("entropy", "float32", {"p": [1.0]})),
        ValueError,
        "the problem is about entropy; manual:softmax has softmax",
    ),
    "a conformance test": (
        lambda f: f.conformance("manual:softmax", devices=["gpx"]),
        ValueError,
        "devices has 'gpx'; expected cpu, or one of cuda",
    ),
    "a database": (
        lambda f: f.database("ftp://x"),
        ValueError,
        "database is 'ftp://x'; expected a folder, redis://host:port/number, or github:owner/repository",
    ),
    "arithmetic": (lambda f: f.judge(MANUAL, GOOD, arithmetic="x"), ValueError, "arithmetic is 'x'; expected one of"),
    "accuracy": (lambda f: f.judge(MANUAL, GOOD, accuracy="E"), ValueError, "accuracy is 'E'; expected one of A"),
    "no baseline": (lambda f: f.judge(MANUAL, GOOD, accuracy="D"), ValueError, "baseline is None"),
    "no result": (
        lambda f: f.judge_result(GOOD, {"value": 1}),
        TypeError,
        "result is a dict; expected a softproof.Result",
    ),
    "no output": (
        lambda f: f.judge_result(GOOD, Result({"value": 3})),  # type: ignore[dict-item]  # that is the mistake
        TypeError,
        "output value is a int; expected a softproof.Output",
    ),
    "no values": (
        lambda f: f.judge_result(GOOD, Result({"value": f.Output("x", "float32")})),
        TypeError,
        "values of output value is a str; expected a NumPy array",
    ),
    "a baseline for an answer": (
        lambda f: f.judge_result(GOOD, Result(), accuracy="D"),
        ValueError,
        "accuracy D compares with a baseline",
    ),
    "no refusal": (lambda f: f.judge_refusal(GOOD, 2), TypeError, "result is a int; expected a softproof.Result"),
    "bound of nothing": (lambda f: f.bound(1), TypeError, "problem is a int; expected a softproof.Problem"),
    "truth of nothing": (lambda f: f.solve("x"), TypeError, "problem is a str; expected a softproof.Problem"),
    "bits": (lambda f: f.solve(GOOD, -1), ValueError, "bits is -1; expected a whole number of at least 53"),
    "conduct of a name": (
        lambda f: f.conduct("manual", GOOD),
        TypeError,
        "candidate is a str; expected what softproof",
    ),
    "way": (lambda f: f.conduct(MANUAL, GOOD, way="x"), ValueError, "way is 'x'; expected one of asked twice"),
    "laws of a name": (lambda f: f.laws("manual", GOOD), TypeError, "candidate is a str; expected what softproof"),
    "law": (lambda f: f.laws(MANUAL, GOOD, law="x"), ValueError, "law is 'x'; expected one of common shift"),
    "stages of a softmax": (
        lambda f: list(f.stages(MANUAL, GOOD, f.judge)),
        ValueError,
        "operation is 'softmax'; linear_cross_entropy has stages",
    ),
    "stages without a judge": (
        lambda f: list(f.stages(MANUAL, Problem("linear_cross_entropy", "float32", LAYER), 1)),
        TypeError,
        "judge is a int; expected a function from a Problem to a Verdict",
    ),
    "large problems of nothing": (
        lambda f: f.large_problems("argmax", "float32"),
        ValueError,
        "operation is 'argmax'; expected one of softmax",
    ),
    "large problems in no format": (
        lambda f: f.large_problems("softmax", "float8"),
        ValueError,
        "dtype is 'float8'; expected one of float64",
    ),
    "arithmetic of no format": (lambda f: f.any_order("float8"), ValueError, "dtype is 'float8'; expected one of"),
    "no operation to draw": (lambda f: f.problems("argmax", "float32"), ValueError, "operation is 'argmax'; expected"),
    "no layout to draw": (
        lambda f: f.problems("softmax", "float32", layouts=["x"]),
        ValueError,
        "layouts names x; expected some of contiguous",
    ),
    "no module": (lambda f: f.load("nowhere"), ValueError, "target 'nowhere': there is no module 'nowhere'"),
    "no target": (lambda f: f.load(3), TypeError, "target is a int; expected a module, a callable, or the name of one"),
    "verify what": (lambda f: f.verify("manual", without=["x"]), ValueError, "without names x; manual has"),
    "interface": (
        lambda f: f.load("manual", **vars(f.Interface(names={"x": "y"}))),
        ValueError,
        "names names x; manual has",
    ),
    "inputs": (lambda f: f.Problem("softmax", "float32", [1.0]), TypeError, "inputs is a list; expected a mapping"),
    "options": (
        lambda f: f.Problem("softmax", "float32", ROW, [1]),
        TypeError,
        "options is a list; expected a mapping",
    ),
    "a tensor that NumPy does not have": (
        lambda f: f.Problem("softmax", "float32", {"logits": torch.ones(2, dtype=torch.bfloat16)}),
        TypeError,
        "logits is a Tensor; expected numbers that NumPy holds",
    ),
    "words": (
        lambda f: f.Problem("softmax", "float32", {"logits": ["a"]}),
        TypeError,
        "logits has dtype <U1; expected integers or floating-point numbers",
    ),
    "complex numbers": (
        lambda f: f.Problem("softmax", "float32", {"logits": [1j]}),
        TypeError,
        "logits has dtype complex128; expected integers or floating-point numbers",
    ),
    "features": (
        _judged("linear", {"input": [[1.0, 2.0]], "weight": [[1.0]]}),
        ValueError,
        "input has shape (1, 2) and weight (1, 1); expected (…, D) and (C, D)",
    ),
    "bias": (
        _judged("linear", {"input": [[1.0]], "weight": [[1.0]], "bias": [1.0, 2.0]}),
        ValueError,
        "bias has shape (2,); one for each class is (1,)",
    ),
    "p and q": (
        _judged("kl_divergence", {"p": [1.0], "q": [0.5, 0.5]}, {"dim": 0}),
        ValueError,
        "q has shape (2,); p has (1,)",
    ),
    "labels of a classifier": (
        _judged("linear_cross_entropy", LAYER | {"target": [0, 0]}),
        ValueError,
        "target has shape (2,); input (1, 2) wants (1,)",
    ),
    "class weights": (
        _judged("cross_entropy", LOSS | {"weight": [1.0]}),
        ValueError,
        "weight has shape (1,); one for each class is (2,)",
    ),
    "dim": (_judged("softmax", ROW, {"dim": "x"}), TypeError, "dim is 'x'; expected an integer"),
    "a number": (_judged("entropy", {"p": 1.0}), IndexError, "dim is -1; p of shape () has dims"),
    "dim of a number": (_judged("softmax", {"logits": 1.0}, {"dim": 1}), IndexError, "dim is 1; logits of shape ()"),
    "no classes": (
        _judged("cross_entropy", {"logits": np.zeros((2, 0)), "target": [0, 0]}),
        ValueError,
        "logits of shape (2, 0) has no elements along dim 1; expected at least one",
    ),
    "several dims": (_judged("softmax", {"logits": np.zeros((2, 2))}, {"dim": (0, 1)}), TypeError, "dim is (0, 1)"),
    "a dim twice": (
        _judged("logsumexp", {"logits": np.zeros((2, 2))}, {"dim": (0, -2)}),
        ValueError,
        "dim is (0, -2); expected at least one, and each once",
    ),
    "one dim too large": (_judged("logsumexp", {"logits": [0.0]}, {"dim": (0, 1)}), IndexError, "dim is (0, 1)"),
    "keepdim": (_judged("logsumexp", {"logits": [0.0]}, {"keepdim": 1}), TypeError, "keepdim is 1; expected True"),
    "many positions without a batch": (
        _judged("linear_cross_entropy", {"input": [1.0], "linear_weight": [[[1.0]]], "target": 0}),
        ValueError,
        "input has shape (1,); expected (N, D), since linear_weight has shape (1, 1, 1)",
    ),
    "ignore_index": (_judged("cross_entropy", LOSS, {"ignore_index": 1.5}), TypeError, "ignore_index is 1.5; expected"),
    "smoothing": (
        _judged("cross_entropy", LOSS, {"label_smoothing": "x"}),
        TypeError,
        "label_smoothing is 'x'; expected a number from 0 to 1",
    ),
    "reduction": (
        _judged("cross_entropy", LOSS, {"reduction": "avg"}),
        ValueError,
        "reduction is 'avg'; expected mean, sum or none",
    ),
    "layout of what is not there": (
        _judged("softmax", ROW, layout={"weight": "strided"}),
        ValueError,
        "layout names weight; the problem has logits",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_error_names_both_sides(wrong: str) -> None:
    """Type and text."""
    call, kind, words = WRONG[wrong]

    with pytest.raises(kind, match=re.escape(words)):
        call(softproof)


def test_every_public_function_is_in_the_table() -> None:
    """With at least one wrong argument; what only holds values is not a function."""
    recorder: Any = _Recorder(softproof)
    for call, kind, _ in WRONG.values():
        with pytest.raises(kind):
            call(recorder)

    values = {"Arithmetic", "Candidate", "Conduct", "Implementation", "Output", "Report", "Result", "Row", "Verdict"}
    assert _public(softproof) - values - {"Problem"} == recorder.used - values - {"Problem"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "nowhere"], "there is no module 'nowhere'"),
        (["verify", "manual", "--dtype", "float8"], "dtype is 'float8'; expected one of"),
        (["verify", "manual", "--device", "cuda"], "the numpy adapter has cpu only"),
        (["verify", "manual", "--without", "x"], "without names x; manual has"),
        (["verify", "manual", "--json", "nowhere/report.json"], "there is no folder"),
        (["verify", "manual", "--examples", "0"], "examples is 0; expected a whole number of at least 1"),
        (["semantics", "nowhere"], "there is no module 'nowhere'"),
        (["semantics", "manual", "--write", "nowhere/semantics.md"], "there is no folder"),
        (["semantics", "manual", "--operation", "argmax"], "invalid choice: 'argmax'"),
        (["findings", "--write", "nowhere/findings.md"], "there is no folder"),
        (["findings", "--device", "nowhere"], "device is 'nowhere'; torch cannot use it"),
    ],
    ids=" ".join,
)
def test_the_command_line_exits_with_2_and_writes_nothing(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before the first question; the text names what was given and what was expected."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert not printed.out
    assert not list(tmp_path.iterdir())
