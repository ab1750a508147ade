"""`--arithmetic auto`: a right kernel agrees in one run, under the narrowest of a few models that it fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import softproof
from softproof import Problem
from softproof.bounds.models import MODELS
from softproof.cli.commands import main
from softproof.mutants.right.trial import drawn
from softproof.problem.problem import Array
from softproof.properties.questions import question_of
from softproof.reports.terminal import cells
from softproof.runs.criteria import Criteria
from softproof.runs.ladder import LADDER, STEPS, wider
from softproof.runs.schedule import Schedule
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, Verdict

LogSoftmax = Callable[[Array, int], Array]


def of_shifted(logits: Array, dim: int = -1) -> Array:
    """As any order allows it."""
    x = logits - logits.max(dim, keepdims=True, initial=-np.inf)
    return np.asarray(x - np.log(np.exp(x).sum(dim, keepdims=True)))


def of_stored(logits: Array, dim: int = -1) -> Array:
    """With the logsumexp rounded before it is subtracted."""
    most = logits.max(dim, keepdims=True, initial=-np.inf)
    return np.asarray(logits - (most + np.log(np.exp(logits - most).sum(dim, keepdims=True))))


def without_maximum(logits: Array, dim: int = -1) -> Array:
    """Right for small logits, as far as fused allows; not for large ones."""
    return np.asarray(logits - np.log(np.exp(logits).sum(dim, keepdims=True)))


def wrong_by_half(logits: Array, dim: int = -1) -> Array:
    """Under no model."""
    return np.asarray(of_stored(logits, dim) - np.asarray(0.5, logits.dtype))


def wrong_once() -> LogSoftmax:
    """Of what fused allows, but for one answer, which is not given again."""
    left = [12]

    def log_softmax(logits: Array, dim: int = -1) -> Array:
        left[0] -= 1
        return wrong_by_half(logits, dim) if left[0] == 0 else of_stored(logits, dim)

    return log_softmax


def verified(function: LogSoftmax, arithmetic: str | None = "auto", examples: int = 40, seed: int = 3) -> softproof.Row:
    """Its row in float32."""
    (row,) = softproof.verify(
        function, operation="log_softmax", adapter="numpy", dtypes=["float32"], without=["nonfinite", "empty"],
        arithmetic=arithmetic, examples=examples, seed=seed).rows  # fmt: skip
    return row


@pytest.mark.draws
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_narrowest_model_that_it_fits(number_of_the_run: int) -> None:
    """And how far the answers were outside the one before."""
    seed = number_of_the_run
    alone, stored = verified(of_stored, None, seed=seed), verified(of_stored, seed=seed)
    shifted = verified(of_shifted, seed=seed)

    assert (alone.verdict, stored.verdict, shifted.verdict) == ("disagrees", "agrees", "agrees")
    assert stored.basis.arithmetic == "stored-logsumexp"
    assert list(stored.errors.beyond) == ["any-order"]
    assert stored.errors.beyond["any-order"] > 1
    assert "agrees under stored-logsumexp (any-order: " in cells(stored)[-1]
    assert (shifted.basis.arithmetic, shifted.errors.beyond, cells(shifted)[-1]) == ("any order", {}, "agrees")


@pytest.mark.parametrize("function", [wrong_by_half, without_maximum, wrong_once()])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_wrong_stays_wrong(function: LogSoftmax) -> None:
    """Also what was wrong once alone: the answer that disagreed is judged again, and no other."""
    row = verified(function)

    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert row.failure.verdict.output


def test_its_failure_can_be_seen_again() -> None:
    """Under the model that the row had come to."""
    row = verified(wrong_by_half)

    assert row.failure is not None
    arithmetic = None if row.basis.arithmetic == "any order" else row.basis.arithmetic
    candidate = softproof.load(wrong_by_half, operation="log_softmax", adapter="numpy")
    problem = row.failure.verdict.problem
    assert problem is not None
    assert all(softproof.judge(candidate, problem, arithmetic=name).outcome == "disagrees" for name in LADDER)
    assert (f"arithmetic={arithmetic!r}" in row.failure.snippet) == (arithmetic is not None)


def test_each_allows_what_the_one_before_does() -> None:
    """In this order, and no other; eager is fused in float32."""
    in_full = ("any-order", "stored-logsumexp", "fused", "fused-flush-to-zero", "folded-logsumexp")
    assert STEPS[:5] == in_full
    assert STEPS[5:] == ("eager", "eager-cuda")
    assert LADDER[::2] == STEPS
    assert LADDER[1::2] == tuple(f"{step}-through-maximum" for step in STEPS)
    problem = softproof.Problem("log_softmax", "float32", {"logits": [-3.0, 1.0, 90.0]}, {"dim": 0}, [1.0, 2.0, 3.0])
    below = softproof.Problem(
        "softmax", "float32", {"logits": [-3.0, 1.0, 90.0]}, {"dim": 0}
    )  # of which one is subnormal
    limits = [softproof.bound(problem, softproof.MODELS[name](problem)) for name in STEPS[:3]]
    flushed = [softproof.bound(below, softproof.MODELS[name](below)) for name in STEPS[2:4]]

    for narrow, wide in (*pairwise(limits), flushed):
        assert all((narrow[name] <= wide[name]).all() for name in narrow)
        assert any((narrow[name] < wide[name]).any() for name in narrow)


HALF = ("float16", "bfloat16")


@pytest.mark.draws
@pytest.mark.parametrize("operation", softproof.OPERATIONS)
def test_eager_allows_what_fused_and_torch_on_a_cpu_do(operation: str, number_of_the_run: int) -> None:
    """Each element of each output, in half precision; more of some; and no more than fused in float32."""
    wider = 0
    for dtype in (*HALF, "float32"):
        for problem in drawn(operation, dtype, 5, f"eager {number_of_the_run}", small=False):
            fused, eager = (softproof.MODELS[name](problem) for name in ("fused", "eager"))
            narrow, wide = softproof.bound(problem, fused), softproof.bound(problem, eager)
            assert all((narrow[name] <= wide[name]).all() for name in narrow)
            wider += any((narrow[name] < wide[name]).any() for name in narrow)
            assert softproof.MODELS["torch-cpu"](problem).stored <= eager.stored
            assert (eager == fused) == (dtype == "float32")
            on_cuda = softproof.MODELS["eager-cuda"](problem)
            assert softproof.MODELS["torch-cuda"](problem).stored <= on_cuda.stored
            widest = softproof.bound(problem, on_cuda)
            assert all((wide[name] <= widest[name]).all() for name in wide)
    assert wider or operation in ("linear", "entropy", "distribution_cross_entropy", "kl_divergence")  # has terms alone


@pytest.mark.draws
@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "logsumexp", "cross_entropy"])
def test_torch_in_half_precision_is_found(operation: str, number_of_the_run: int) -> None:
    """What it gives back between operations is rounded; nothing else is let pass."""
    wanted: dict[str, Any] = {"dtypes": HALF, "examples": 45, "seed": number_of_the_run, "shrink": False}
    found = softproof.verify(f"reference:{operation}", in_process=True, arithmetic="auto", **wanted)

    assert found.ok, str(found)
    assert {row.basis.arithmetic for row in found.rows} == {"eager"}


@pytest.mark.parametrize("half_format", HALF)
def test_parts_of_a_product_in_half_precision_are_let_pass_on_cuda_alone(half_format: str) -> None:
    """65 products of 1, 64 of which are added up first: 1 + 64 (1 + u) is rounded twice."""
    u = 2.0**-11 if half_format == "float16" else 2.0**-8
    inputs = {"input": [[1.0] * 65], "weight": [[1.0] + [1.0 + 2 * u] * 64]}
    problem = softproof.Problem("linear", half_format, inputs)
    answer = softproof.Result({"value": softproof.Output(np.array([[64.0]]), half_format)})  # exact: 65 + 128u
    outcomes = {name: softproof.judge_result(problem, answer, arithmetic=name).outcome for name in LADDER}
    on_cuda = dict.fromkeys(("eager-cuda", "eager-cuda-through-maximum"), "agrees")
    assert outcomes == {**dict.fromkeys(LADDER, "disagrees"), **on_cuda}

    assert "eager-cuda" not in dict(wider("", half_format, "cpu"))
    after = [name for name, _ in wider("eager", half_format, "cuda:1")]
    assert after == ["eager-cuda", "eager-through-maximum", "eager-cuda-through-maximum"]
    assert "eager-cuda" not in dict(wider("", "float32", "cuda"))


@pytest.mark.parametrize("half_format", HALF)
def test_what_is_wrong_in_half_precision_stays_wrong(half_format: str) -> None:
    """A sum without its last class, which rounding cannot make."""

    def softmax(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
        e = torch.exp(logits - logits.amax(dim, keepdim=True))
        return e / (e.sum(dim, keepdim=True) - 0.1 * e.narrow(dim, e.shape[dim] - 1, 1))

    wanted: dict[str, Any] = {"arithmetic": "auto", "examples": 30, "seed": 1, "without": ["scalars", "empty_classes"]}
    (row,) = softproof.verify(softmax, operation="softmax", dtypes=[half_format], **wanted).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert row.failure.verdict.output


def test_a_baseline_needs_a_name() -> None:
    """Class D compares errors under one model."""
    with pytest.raises(ValueError, match="arithmetic is 'auto' and accuracy is 'D'; class D needs the name of a model"):
        softproof.verify(of_shifted, operation="log_softmax", arithmetic="auto", accuracy="D", baseline=of_stored)


KERNEL = """
import numpy as np
def log_softmax(logits, dim=-1):
    most = logits.max(dim, keepdims=True, initial=-np.inf)
    return logits - (most + np.log(np.exp(logits - most).sum(dim, keepdims=True)))
"""
OPTIONS = ("--dtype", "float32", "--without", "nonfinite,empty", "--examples", "30", "--seed", "0", "--in-process")


def test_the_command_line_finds_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run for a right kernel; and `--named-model`, for CI, does not."""
    (tmp_path / "kernel_that_stores.py").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    target = "kernel_that_stores:log_softmax"

    assert main(["verify", target, *OPTIONS]) == 0
    assert "agrees under stored-logsumexp (any-order: " in capsys.readouterr().out
    assert main(["verify", target, *OPTIONS, "--arithmetic", "any-order"]) == 1
    for named in ([], ["--arithmetic", "auto"]):
        with pytest.raises(SystemExit, match="2"):
            main(["verify", target, *OPTIONS, *named, "--named-model"])
        assert f"--named-model: {target} has no model of arithmetic" in capsys.readouterr().err
    assert main(["verify", target, *OPTIONS, "--arithmetic", "fused", "--named-model"]) == 0


def test_a_kernel_that_flushes_is_found(number_of_the_run: int) -> None:
    """What Triton's exponential does on a GPU: subnormal results are 0; ten times as much is not let pass."""

    def below(least: float) -> Any:
        def softmax(input: Any, dim: int) -> Any:
            p = torch.softmax(input, dim)
            return torch.where(p.abs() < least, torch.zeros_like(p), p)

        return softmax

    tiny = 2.0**-126
    wanted: dict[str, Any] = {"operation": "softmax", "adapter": "torch", "arithmetic": "auto", "dtypes": ["float32"],
                              "seed": number_of_the_run, "shrink": False}  # fmt: skip
    found = [softproof.verify(below(least), **wanted).rows[0] for least in (tiny, 64 * tiny)]
    assert [row.verdict for row in found] == ["agrees", "disagrees"]
    assert found[0].basis.arithmetic == "fused-flush-to-zero"


@pytest.mark.parametrize(("outcome", "model"), [(NO_GUARANTEE, "any-order"), (AGREES, "any-order-through-maximum")])
def test_a_model_that_promises_nothing_is_not_taken(outcome: str, model: str) -> None:
    """The problem does not count, and others are judged as before."""
    criteria = Criteria("cpu", MODELS["any-order"], "any-order", "C", None, 1.0, auto=True)
    schedule = Schedule(softproof.load("manual:softmax"), criteria, frozenset())

    def judge(under: Criteria, _candidate: object) -> Verdict:
        return Verdict(DISAGREES, 2.0, 2.0, "value") if under.name == "any-order" else Verdict(outcome)

    assert schedule.climbing(judge, Problem("softmax", "float32", {"logits": [0.0]}, {"dim": 0})).outcome == outcome
    assert schedule.criteria.name == model


def of_small_logits(logits: Tensor, dim: int = -1) -> Tensor:
    """Wrong from logits of 2^26 on, where a stored logsumexp would promise nothing in float32."""
    p = torch.softmax(logits, dim)
    top = torch.where(logits.detach().isfinite(), logits.detach(), 0.0).abs().amax(dim, keepdim=True)
    return torch.where((top > 2.0**26) & logits.isfinite().all(dim, keepdim=True), p / 4, p)


def from_a_logsumexp(logits: Tensor, dim: int = -1) -> Tensor:
    """Right, with a stored logsumexp."""
    return (logits - torch.logsumexp(logits, dim, keepdim=True)).exp()


@pytest.mark.parametrize("seed", [1, 3])
def test_what_is_wrong_where_a_wider_model_promises_nothing(seed: int) -> None:
    """It disagrees, unless other answers need that model."""
    how: Any = {"dtypes": ["float32"], "seed": seed, "examples": 60, "arithmetic": "auto", "operation": "softmax"}
    left = ["nonfinite", "masked", "empty", "empty_classes", "scalars", "hvp", "jvp"]
    (row,) = softproof.verify(of_small_logits, **how, without=left).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert "promises nothing there, and no other answer needs it" in row.failure.verdict.explanation
    (row,) = softproof.verify(from_a_logsumexp, **how, without=left).rows
    assert (row.verdict, row.basis.arithmetic) == ("agrees", "stored-logsumexp")


def test_a_model_is_needed_where_smaller_logits_need_it() -> None:
    """One question of logits so large that the model promises nothing is enough to find that out."""
    criteria = Criteria("cpu", MODELS["any-order"], "any-order", "C", None, 1.0, auto=True)
    asked = Problem("softmax", "float32", {"logits": [[3e9, 3e9], [1.0, 0.5]]}, {"dim": -1})
    for function, model in ((from_a_logsumexp, "stored-logsumexp"), (of_small_logits, "any-order")):
        schedule = Schedule(softproof.load(function, "softmax", adapter="torch"), criteria, frozenset())
        outcome = schedule.climbing(lambda under, each: under.judge(each, asked), asked).outcome
        assert (outcome, schedule.criteria.name) == (NO_GUARANTEE, model)
        last = schedule.without_a_model()
        assert (last is None) == (model != "any-order")


def test_what_was_not_counted_is_judged_under_the_model_of_the_row() -> None:
    """Whichever that is in the end: it is right under it, promises nothing, or is wrong."""
    asked = Problem("softmax", "float16", {"logits": [[1.0, 0.5]]}, {"dim": -1})
    outcomes = {"any-order": DISAGREES, "stored-logsumexp": NO_GUARANTEE, "fused": DISAGREES, "eager": AGREES}

    def judge(under: Criteria, _candidate: object) -> Verdict:
        outcome = outcomes.get(under.name, DISAGREES)
        return Verdict(outcome, 2.0 * (outcome == DISAGREES), 2.0, "value", explanation="wrong")

    criteria = Criteria("cpu", MODELS["any-order"], "any-order", "C", None, 1.0, auto=True)
    schedule = Schedule(softproof.load("manual:softmax"), criteria, frozenset())
    assert schedule.climbing(judge, asked, ("check", "asked twice")).outcome == NO_GUARANTEE
    for name, wrong in (("any-order", True), ("stored-logsumexp", False), ("fused", True), ("eager", False)):
        schedule.criteria = replace(criteria, name=name, model=MODELS[name])
        found = schedule.without_a_model()
        assert (found is not None) == wrong, name
        assert found is None or (found[0].problem, schedule.failed) == (asked, ("check", "asked twice"))


@pytest.mark.parametrize("stored", ["float32", "float64"])
def test_what_a_check_leaves_uncounted_is_told(stored: str) -> None:
    """A second answer that is wrong, where the first is right; not of another dtype, which has a row of its own."""
    asked = Problem("softmax", stored, {"logits": [[3e9, 3e9], [1.0, 0.5]]}, {"dim": -1})
    calls: list[int] = []

    def at_first(logits: Tensor, dim: int) -> Tensor:
        calls.append(len(calls))
        wrong = logits.dtype == torch.float32 and len(calls) > 1
        return of_small_logits(logits, dim) if wrong else torch.softmax(logits, dim)

    criteria = Criteria("cpu", MODELS["any-order"], "any-order", "C", None, 1.0, auto=True)
    candidate = softproof.load(at_first, "softmax", adapter="torch", tried=False)
    schedule = Schedule(candidate, criteria, frozenset())
    question = question_of(candidate, asked, "cpu", ("float32", "float64"))
    verdict = schedule._check("asked twice" if stored == "float32" else "after another dtype", question)
    assert verdict is not None
    assert verdict.outcome == AGREES
    found = schedule.without_a_model()
    if stored == "float64":
        assert found is None
    else:
        assert found is not None
        assert found[0].problem == question.problem
        assert schedule.failed == ("check", "asked twice")
