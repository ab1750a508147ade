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
from softproof.cli.commands import main
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL
from .helpers.recorder import PublicRecorder, public

ROW: dict[str, Any] = {"logits": [0.0, 1.0]}
GOOD_BARE = Problem("softmax", "float32", ROW)
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
        "values is a str; expected a NumPy array",
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
    "behaviour of a name": (
        lambda f: f.check_behaviour("manual", GOOD),
        TypeError,
        "candidate is a str; expected what softproof",
    ),
    "check": (
        lambda f: f.check_behaviour(MANUAL, GOOD, check="x"),
        ValueError,
        "check is 'x'; expected one of asked twice",
    ),
    "relations of a name": (
        lambda f: f.check_relations("manual", GOOD),
        TypeError,
        "candidate is a str; expected what softproof",
    ),
    "relation": (
        lambda f: f.check_relations(MANUAL, GOOD, relation="x"),
        ValueError,
        "relation is 'x'; expected one of common shift",
    ),
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
    "verify what": (
        lambda f: f.verify("manual", without=["x"]),
        ValueError,
        "without names x; expected some of all_ignored, bias, dim",
    ),
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
    "a mask": (
        lambda f: f.Problem("softmax", "float32", {"logits": np.ma.masked_equal([0.0, 1.0], 1.0)}),
        TypeError,
        "logits is masked; expected numbers without a mask",
    ),
    "behaviour of an operation that it lacks": (
        lambda f: f.check_behaviour(f.load("manual:softmax"), Problem("log_softmax", "float32", ROW)),
        ValueError,
        "the problem is about log_softmax; manual:softmax has softmax",
    ),
    "relations of an operation that it lacks": (
        lambda f: f.check_relations(f.load("manual:softmax"), Problem("log_softmax", "float32", ROW)),
        ValueError,
        "the problem is about log_softmax; manual:softmax has softmax",
    ),
    "stages of what has none": (
        lambda f: list(f.stages(f.load("manual:softmax"), Problem("linear_cross_entropy", "float32", LAYER), f.judge)),
        ValueError,
        "the problem is about linear; manual:softmax has softmax",
    ),
    "a dtype that it lacks": (
        lambda f: f.judge(MANUAL, Problem("softmax", "bfloat16", ROW)),
        ValueError,
        "the problem is in dtype bfloat16; manual has float64, float32, float16",
    ),
    "a device that it lacks": (
        lambda f: f.judge(MANUAL, GOOD, device="cuda"),
        ValueError,
        "device is 'cuda'; the numpy adapter has cpu only",
    ),
    "ten to the ninth dimensions": (
        lambda f: f.load("manual:softmax", ndim=[10**9]),
        ValueError,
        "ndim is 1000000000; expected a whole number from 0 to 5",
    ),
    "ten to the thirtieth bits": (
        lambda f: f.judge(MANUAL, GOOD, bits=[10**30]),
        ValueError,
        "bits is 1000000000000000000000000000000; expected a whole number of at least 53, and at most 65536",
    ),
    "a layout that is no name": (
        lambda f: f.Problem("softmax", "float32", ROW, layout=3),
        TypeError,
        "layout is a int; expected a mapping from names",
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
    recorder: Any = PublicRecorder(softproof)
    for call, kind, _ in WRONG.values():
        with pytest.raises(kind):
            call(recorder)

    asked = {"bank", "grade", "Measured"}  # in test_bank.py, test_grading.py and test_measured.py
    values = {"Arithmetic", "Bank", "Candidate", "Behaviour", "Grade", "Implementation", "Output", "Report", "Result",
              "Row", "Verdict", *asked}  # fmt: skip
    assert public(softproof) - values - {"Problem"} == recorder.used - values - {"Problem"}


NO_ANSWERS: dict[str, Any] = {
    "a mask": np.ma.masked_array([0.25, 0.75], [False, True]),
    "complex numbers": np.array([0.25 + 1j, 0.75]),
    "words": np.array(["0.25", "0.75"]),
    "objects": np.array([0.25, 0.75], object),
    "bools": np.array([True, False]),
    "integers": np.array([1, 0]),
    "a subclass": np.array([0.25, 0.75]).view(np.recarray),
    "a list": [0.25, 0.75],
}


@pytest.mark.parametrize("wrong", NO_ANSWERS)
def test_an_answer_that_is_no_array_of_numbers(wrong: str) -> None:
    """One's own is refused; a candidate's disagrees."""
    values = NO_ANSWERS[wrong]
    with pytest.raises(TypeError, match=r"values (is a|has dtype)"):
        softproof.Output(values, "float32")
    verdict = softproof.judge(softproof.load(lambda _logits: values, operation="softmax", adapter="numpy"), GOOD_BARE)

    assert verdict.outcome == "disagrees"


def test_an_output_that_another_process_made_up() -> None:
    """It has not been looked at when it was made."""
    forged = object.__new__(softproof.Output)
    for name, value in (("values", NO_ANSWERS["a mask"]), ("dtype", "float32"), ("device", "cpu")):
        object.__setattr__(forged, name, value)
    result = Result({"value": forged})

    assert str(softproof.judge_result(GOOD_BARE, result)) == (
        "disagrees: value: values is a MaskedArray; expected a NumPy array"
    )


@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16"])
def test_an_answer_that_the_format_does_not_hold(stored: str) -> None:
    """The verdict shows the number and the format, however near the number is."""
    problem = Problem("softmax", stored, {"logits": [0.0, 0.75]})
    near = np.array([1 / 3, 2 / 3])
    held = FORMATS[stored].round(near)

    verdict = softproof.judge_result(problem, Result({"value": softproof.Output(near, stored)}))
    assert str(verdict) == f"disagrees: value holds {1 / 3!r}, which is not a {stored} number"
    assert "which is not a" not in str(
        softproof.judge_result(problem, Result({"value": softproof.Output(held, stored)}))
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result({}), "disagrees: gave nothing; expected an error"),
        (Result(lost="it ended"), "disagrees: it ended; expected an error"),
        (Result(raised="IndexError", changed=("numpy.exp",)), "disagrees: the call changed numpy.exp; expected an err"),
    ],
)
def test_what_is_no_refusal(result: Result, words: str) -> None:
    """Only an error is, and nothing besides."""
    assert str(softproof.judge_refusal(GOOD, result)).startswith(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "manual", "--dtype", "float8"], "dtype is 'float8'; expected one of"),
        (["verify", "manual", "--without", "x"], "without names x; expected some of all_ignored, bias, dim"),
        (["verify", "..nowhere"], "names no module"),
        (["semantics", ":softmax"], "it names no module"),
        (["verify", "manual", "--json", "nowhere/report.json"], "there is no folder"),
        (["verify", "manual", "--examples", "0"], "examples is 0; expected a whole number of at least 1"),
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


def test_a_class_that_is_none_is_an_error_before_anybody_is_asked() -> None:
    """And so is a factor that allows nothing, or everything."""
    asked = []

    def same(logits: Array, dim: int) -> Array:
        asked.append(dim)
        return logits

    candidate = softproof.load(same, operation="softmax", adapter="numpy")
    problem = softproof.Problem("softmax", "float32", {"logits": [0.0]}, {"dim": 0})

    with pytest.raises(ValueError, match="accuracy is 'E'; expected one of A"):
        softproof.judge(candidate, problem, accuracy="E")
    for factor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="factor is "):
            softproof.judge(candidate, problem, accuracy="D", baseline=candidate, factor=factor)
    assert asked == []


@pytest.mark.parametrize(
    ("problem", "kind", "words"),
    [
        (softproof.Problem("argmax", "float32", {}), ValueError, "operation is 'argmax'; expected one of softmax"),
        (softproof.Problem("softmax", "int8", {}), ValueError, "dtype is 'int8'; expected one of float64"),
        (softproof.Problem("softmax", "float32", {}), TypeError, "softmax needs logits; missing logits"),
        (
            softproof.Problem("softmax", "float32", {"logits": [0.1]}),
            ValueError,
            "logits holds 0.1, which is not a float32 number",
        ),
        (
            softproof.Problem("softmax", "float32", {"logits": [1.0]}, {"axis": 0}),
            TypeError,
            "softmax has no axis; it has logits, dim",
        ),
        (
            softproof.Problem("softmax", "float32", {"logits": [1.0]}, layout="upside down"),
            ValueError,
            "layout of logits is 'upside down'; expected one of contiguous",
        ),
        (
            softproof.Problem("softmax", "float32", {"logits": [1.0]}, grad_output=[1.0, 2.0]),
            ValueError,
            "grad_output has shape (2,); the value of softmax has (1,)",
        ),
        (
            softproof.Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [-1]}),
            IndexError,
            "target holds -1; expected labels from 0 to 1, or -100",
        ),
        (
            softproof.Problem(
                "cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [0]}, {"label_smoothing": 1.5}
            ),
            ValueError,
            "label_smoothing is 1.5; expected a number from 0 to 1",
        ),
        (
            softproof.Problem("cross_entropy", "float32", {"logits": [[0.0]], "target": [0], "weight": [np.inf]}),
            ValueError,
            "weight holds inf; expected finite numbers",
        ),
        (
            softproof.Problem("linear", "float32", {"input": [1.0], "weight": [[1.0]]}, tangent=[1.0]),
            TypeError,
            "linear takes no tangent; softmax, log_softmax, logsumexp, cross_entropy do",
        ),
        (
            softproof.Problem("softmax", "float32", {"logits": [1.0]}, tangent=[[1.0]]),
            ValueError,
            "tangent has shape (1, 1); the logits have (1,)",
        ),
        (
            softproof.Problem("softmax", "float32", {"logits": [1.0]}, tangent=[np.inf]),
            ValueError,
            "tangent holds inf; expected finite numbers",
        ),
        (
            softproof.Problem("softmax", "float32", {"logits": [1.0]}, tangent=[0.1]),
            ValueError,
            "tangent holds 0.1, which is not a float32 number",
        ),
    ],
    ids=[
        "operation",
        "dtype",
        "missing input",
        "not representable",
        "option",
        "layout",
        "upstream",
        "label",
        "smoothing",
        "weight",
        "no tangent",
        "tangent shape",
        "tangent not finite",
        "tangent not representable",
    ],
)
def test_the_judge_refuses_a_question_without_sense(
    problem: softproof.Problem, kind: type[Exception], words: str
) -> None:
    """Before anybody is asked."""
    with pytest.raises(kind, match=re.escape(words)):
        softproof.judge(softproof.load("manual"), problem)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"operation": "argmax"}, ValueError, "operation is 'argmax'; expected one of softmax"),
        ({"adapter": "mlx"}, ValueError, "adapter is 'mlx'; expected one of numpy, torch"),
        ({"device": "cuda"}, ValueError, "device is 'cuda'; the numpy adapter has cpu only"),
        ({"dtypes": "float32"}, TypeError, "dtypes is 'float32'; expected a list of names such as ['float32']"),
        ({"dtypes": ["float8"]}, ValueError, "dtype is 'float8'; expected one of float64"),
        ({"dtypes": []}, ValueError, "dtypes is []; expected at least one name"),
        ({"examples": 0}, ValueError, "examples is 0; expected a whole number of at least 1"),
        ({"examples": 2.5}, ValueError, "examples is 2.5; expected a whole number of at least 1"),
        ({"seed": "x"}, TypeError, "seed is 'x'; expected a whole number or None"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_verify_refuses_wrong_arguments(arguments: dict[str, Any], kind: type[Exception], words: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(kind, match=re.escape(words)):
        softproof.verify("manual", **arguments)


def test_strategies_refuse_wrong_arguments() -> None:
    """An unknown name would draw nothing, and a test of nothing passes."""
    with pytest.raises(ValueError, match="operation is 'argmax'"):
        softproof.problems("argmax", "float32")
    with pytest.raises(ValueError, match="dtype is 'float8'"):
        softproof.problems("softmax", "float8")
    with pytest.raises(ValueError, match="supports names axis; softmax has dim"):
        softproof.problems("softmax", "float32", supports=frozenset({"axis"}))
