"""The loop, end to end: right implementations pass, wrong ones do not, and the report helps."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import manual
import softproof
from manual.arrays import Array
from softproof import Problem, Verdict, load
from softproof.runs.large import OnLarge

from .helpers.candidates import MANUAL
from .wrong import broken
from .wrong.broken import BROKEN


@pytest.mark.parametrize("wrong", BROKEN, ids=lambda function: function.__name__)
def test_wrong_implementations_are_caught(wrong: Callable[..., Any]) -> None:
    """Every one, in float32 and with the default number of examples."""
    report = softproof.verify(wrong, operation=BROKEN[wrong], dtypes=["float32"], seed=1, shrink=False)

    assert not report.ok
    assert report.rows[0].verdict == "disagrees"
    with pytest.raises(AssertionError, match="DISAGREES"):
        report.check()


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (F.softmax, "softmax"),
        (F.log_softmax, "log_softmax"),
        (torch.logsumexp, "logsumexp"),
        (F.linear, "linear"),
        (F.cross_entropy, "cross_entropy"),
    ],
    ids=["softmax", "log_softmax", "logsumexp", "linear", "cross_entropy"],
)
def test_torch_functions_are_judged_by_autograd(function: Callable[..., Any], operation: str) -> None:
    """A differentiable torch callable needs no more than its name; of losses NaN in padding is a finding."""
    without = ["nonfinite"] if operation == "cross_entropy" else []
    report = softproof.verify(function, operation=operation, examples=10, seed=2, without=without)

    report.check()
    assert [(row.dtype, row.coverage.problems, row.asked.gradients) for row in report.rows] == [
        ("float64", 10, True),
        ("float32", 10, True),
    ]


def test_softmax_by_way_of_its_logarithm_is_right() -> None:
    """exp(log_softmax) is less accurate in the tail and still within the bound, which is not that of one formula."""
    softproof.verify(lambda x, dim: F.log_softmax(x, dim).exp(), operation="softmax", examples=40, seed=0).check()


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="this torch has no linear_cross_entropy")
def test_torchs_linear_cross_entropy_is_judged() -> None:
    """torch's own fused function, with its own idea of the default of ignore_index."""
    softproof.verify(F.linear_cross_entropy, operation="linear_cross_entropy", examples=10, seed=2).check()


def test_a_module_is_judged_on_all_that_it_has() -> None:
    """By module, and by its name."""
    for target in (manual, "manual"):
        report = softproof.verify(target, examples=1, seed=0, dtypes=["float64"])

        assert [row.operation for row in report.rows] == [*softproof.OPERATIONS, "linear_cross_entropy, by stages"]


def test_the_seed_repeats_the_run() -> None:
    """The same problems, so the same worst errors; another seed gives others."""
    runs = [softproof.verify(MANUAL.only("softmax"), examples=10, seed=seed).rows for seed in (5, 5, 6)]

    assert runs[0] == runs[1] != runs[2]


def test_without_a_seed_one_is_drawn_and_told() -> None:
    """Two runs differ, and each can be repeated by what its report says."""
    run = functools.partial(softproof.verify, MANUAL.only("softmax"), examples=12, dtypes=["float64"])
    first, second = run(), run()

    assert first.seed != second.seed
    assert first.rows != second.rows
    assert run(seed=json.loads(first.to_json())["seed"]).rows == first.rows


def _only_value(logits: Array, dim: int = -1) -> Array:
    return np.asarray(manual.softmax(logits, dim))


def test_a_function_without_a_backward_is_judged_on_its_value() -> None:
    """And the report says that the gradients were not asked."""
    report = softproof.verify(_only_value, operation="softmax", examples=20, seed=0)

    report.check()
    assert not report.rows[0].asked.gradients
    assert "not tested of softmax: hvp, jvp, gradients (no backward pass)" in str(report)


def softmax(logits: Array) -> Array:
    """Named after its operation, over the last axis only, with a backward pass beside it."""
    return np.asarray(manual.softmax(logits))


def softmax_backward(grad_output: Array, logits: Array) -> Array:
    """Wrong in its sign."""
    return np.asarray(-manual.softmax_backward(grad_output, logits))


def test_a_backward_beside_the_function_is_found_and_judged() -> None:
    """By name, in the same module; what the signature lacks is not asked, and the report says so."""
    report = softproof.verify(softmax, examples=20, seed=0, dtypes=["float64"])

    assert report.rows[0].asked.gradients
    assert report.rows[0].asked.unsupported == ("dim", "hvp", "jvp")
    assert "grad_logits" in str(report)
    assert "not tested of softmax: dim" in str(report)


entropy = functools.partial(manual.entropy)  # which has no name of its own


def entropy_backward(grad_output: Array, p: Array) -> Array:
    """Right."""
    return np.asarray(manual.entropy_backward(grad_output, p))


def test_a_backward_is_found_by_the_name_that_the_function_was_found_by() -> None:
    """A module's own, which a function that is wrapped may not know; and the operation with it."""
    this = sys.modules[__name__]
    for found in (load(this, "entropy"), load(f"{__name__}:entropy")):
        assert found.operations == ("entropy",)
        assert found.backwards == {"entropy": entropy_backward}
    with pytest.raises(ValueError, match="cannot infer the operation of "):
        load(entropy)


def _half_a_gradient(g: Array, p: Array, q: Array, dim: int) -> Array:
    return np.asarray(manual.distribution_cross_entropy_backward(g, p, q, dim)[0])


def test_a_gradient_too_few_is_told_with_the_inputs_that_have_one() -> None:
    """In place of a complaint about this package's own loops."""
    name = "distribution_cross_entropy"
    candidate = replace(load(manual, name, adapter="numpy"), backwards={name: _half_a_gradient})
    problem = Problem(name, "float64", {"p": [1.0], "q": [1.0]}, {"dim": -1}, grad_output=1.0)

    assert "gradients from the backward pass: 1; inputs that have a gradient: p, q" in str(
        softproof.judge(candidate, problem)
    )


def test_the_counterexample_is_small() -> None:
    """The smallest witness of a missing shift is one logit, or a row of a few."""
    report = softproof.verify(broken.softmax_without_shift, operation="softmax", dtypes=["float32"], seed=3)

    failure = report.rows[0].failure
    assert failure is not None
    assert failure.verdict.problem is not None
    assert failure.verdict.problem.inputs["logits"].size <= 4


@pytest.mark.parametrize("wrong", [broken.softmax_without_shift, broken.cross_entropy_over_all_rows])
def test_the_snippet_shows_the_failure_again(wrong: Callable[..., Any]) -> None:
    """Pasted as it is, it prints the same verdict."""
    report = softproof.verify(wrong, operation=BROKEN[wrong], dtypes=["float32"], seed=4)
    failure = report.rows[0].failure
    assert failure is not None

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(failure.snippet, {})  # the snippet is what is under test

    assert printed.getvalue().strip() == str(failure.verdict)


def test_the_snippet_has_the_baseline() -> None:
    """And what its error is multiplied by."""
    asked: Any = {"operation": "softmax", "accuracy": "D", "baseline": "manual:softmax", "factor": 2.0, "seed": 0}
    failure = softproof.verify(broken.softmax_without_shift, dtypes=["float32"], **asked).rows[0].failure
    assert failure is not None

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(failure.snippet, {})  # the snippet is what is under test

    assert "baseline=load('manual:softmax', operation='softmax'), factor=2.0" in failure.snippet
    assert printed.getvalue().strip() == str(failure.verdict)


def test_a_nondeterministic_candidate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails only sometimes is told, as that or by a check that asks twice, whichever of its calls is the first."""
    reports = []
    for first in range(3):  # of its calls, of which each third is wrong
        monkeypatch.setattr(broken, "_calls", iter(range(first, 10**9)))
        reports.append(softproof.verify(broken.softmax_now_and_then, operation="softmax", dtypes=["float64"], seed=0))

    assert not any(report.ok for report in reports)
    assert any("not deterministic: " in str(report) for report in reports)
    always = softproof.verify(broken.softmax_in_half, operation="softmax", dtypes=["float64"], seed=0)
    assert not always.ok
    assert "not deterministic" not in str(always)


def test_a_failure_that_never_comes_again_is_told() -> None:
    """With what was wrong the one time."""
    calls: list[int] = []

    def once(logits: Array, dim: int = -1) -> Array:
        calls.append(1)
        return manual.softmax(logits, dim) * (2 if len(calls) == 5 else 1)

    candidate = softproof.load(once, operation="softmax", adapter="numpy", tried=False)
    failure = softproof.verify(candidate, dtypes=["float64"], seed=0).rows[0].failure

    assert failure is not None
    assert failure.verdict.outcome == "disagrees"
    assert "not deterministic: the same problem agreed when asked again" in str(failure)


ASKED = Problem("softmax", "float32", {"logits": [0.0]}, {"dim": -1})
AGREEING = Verdict("agrees", 0.5, problem=ASKED)
SILENT = Verdict("no guarantee", explanation="nothing is promised", problem=ASKED)


@pytest.mark.parametrize(
    ("drawn", "large", "expected"),
    [
        ([AGREEING, SILENT, AGREEING], {}, ("agrees", 2, 1, 0.5)),
        ([SILENT, SILENT], {0: AGREEING}, ("agrees", 1, 2, 0.5)),
        ([SILENT, AGREEING], {0: SILENT}, ("agrees", 1, 2, 0.5)),
        ([SILENT, SILENT], {0: SILENT}, ("no guarantee", 2, 0, 0.0)),
        ([SILENT, Verdict("disagrees", 2.0, problem=ASKED)], {}, ("disagrees", 1, 1, 2.0)),
    ],
    ids=["some", "all but a large one", "the last", "all", "what disagrees"],
)
def test_what_nothing_is_promised_of_does_not_count(
    drawn: list[Verdict], large: dict[int, Verdict], expected: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is drawn first or last; where nothing counts, that is the verdict, and its reason is told."""
    module = importlib.import_module("softproof.runs.rows")
    monkeypatch.setattr(module, "verdicts", lambda *_: drawn)
    monkeypatch.setattr(module, "verdicts_on_large", lambda *_: OnLarge(large))
    monkeypatch.setattr(module, "verdicts_beyond", lambda *_: OnLarge())
    report = softproof.verify(MANUAL.only("softmax"), dtypes=["float32"], seed=0)
    (row,) = report.rows

    assert (row.verdict, row.coverage.problems, row.coverage.uncounted, row.errors.ratio) == expected
    assert ("nothing is promised" in str(report)) == (row.verdict == "no guarantee")


def test_json_holds_rows_versions_and_failures() -> None:
    """And is valid JSON even where an error is infinite."""
    report = softproof.verify(broken.softmax_without_shift, operation="softmax", dtypes=["float32"], seed=3)

    record = json.loads(report.to_json())

    assert record["ok"] is False
    assert record["seed"] == 3
    assert record["versions"]["numpy"] == np.__version__
    assert record["rows"][0]["operation"] == "softmax"
    assert "Problem(" in record["rows"][0]["failures"][0]["snippet"]


def test_progress_is_told_row_by_row() -> None:
    """With its number and the number of rows."""
    seen: list[tuple[str, int, int]] = []

    softproof.verify(
        "manual",
        operation="softmax",
        examples=1,
        progress=lambda row, number, total: seen.append((row.dtype, number, total)),
    )

    assert seen == [("float64", 1, 2), ("float32", 2, 2)]


@pytest.mark.parametrize(
    ("function", "adapter"),
    [
        (F.softmax, "torch"),
        (manual.softmax, "numpy"),
        (lambda x, dim: x.softmax(dim), "torch"),
        (lambda x, dim: x * dim, "numpy"),
        (broken.softmax_that_raises, "numpy"),
    ],
    ids=["F.softmax", "manual.softmax", "tensor method", "arithmetic", "numpy"],
)
def test_the_adapter_is_tried_out(function: Callable[..., Any], adapter: str) -> None:
    """A function is given the arrays that it answers in kind."""
    assert softproof.load(function, operation="softmax").adapter == adapter


def test_an_empty_report_is_not_ok() -> None:
    """Nothing asked is nothing proven."""
    assert not softproof.Report((), 0).ok


def logsumexp(logits: Array) -> Array:
    """Right, with a backward pass beside it that is right too, and overwrites the upstream gradient."""
    return np.asarray(manual.logsumexp(logits))


def logsumexp_backward(grad_output: Array, logits: Array) -> Array:
    """Works in the caller's array."""
    gradient = np.asarray(manual.logsumexp_backward(grad_output.copy(), logits))
    grad_output *= 2
    return gradient


def test_the_upstream_gradient_is_an_input_too() -> None:
    """A backward pass that writes to it is reported."""
    report = softproof.verify(logsumexp, examples=20, seed=0, dtypes=["float64"])

    assert "the call changed its input grad_output" in str(report)


def test_an_error_is_placed_in_the_code_of_the_candidate() -> None:
    """The last line outside of softproof, and none where there is none."""

    def wrong(logits: Array, dim: int) -> Array:
        raise KeyError(logits.ndim + dim)

    def pair(logits: Array, dim: int) -> tuple[Array, int]:
        return logits, dim

    problem = softproof.Problem("softmax", "float32", {"logits": [0.0]}, {"dim": 0})
    asked = [softproof.load(each, operation="softmax", adapter="numpy") for each in (wrong, pair)]
    raised = [candidate.answer(problem).raised for candidate in asked]

    assert re.fullmatch(r"KeyError at test_verify\.py:\d+: 1", raised[0] or "")
    assert raised[1] == "TypeError: the answer is a tuple; expected a NumPy array"
