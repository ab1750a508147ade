"""Rows that are repeated, so that arrays have more elements than an index of float32, or of 32 bits, counts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import softproof
from softproof import OPERATIONS, Problem, Result, Verdict, judge_repeated, load, repeated_rows
from softproof.candidates import in_parts as repeated
from softproof.generation import many_elements
from softproof.generation.many_elements import COUNTED
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.problem.size_limits import is_beyond
from softproof.properties.in_parts import judged_in_parts
from softproof.reports.as_json import SCHEMA
from softproof.reports.required import check_required
from softproof.runs import beyond, rows
from softproof.runs.large import OnLarge
from tests.helpers.json_schema import refusals

ROWS, CLASSES = 31, 6067  # of those that are repeated
LIMIT = 1 << 24


class IndexInFloat32(torch.autograd.Function):
    """A loss whose place of the label is computed in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, t: Tensor) -> Tensor:
        """Value."""
        lse = torch.logsumexp(x, -1)
        ctx.save_for_backward(x, t, lse)
        place = torch.arange(len(x), dtype=torch.float32) * x.shape[1] + t.to(torch.float32)
        return lse - x.reshape(-1)[place.long().clamp(max=x.numel() - 1)]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        """Gradient."""
        x, t, lse = ctx.saved_tensors
        p = (x - lse[:, None]).exp()
        p[torch.arange(len(t)), t] -= 1
        return p * grads[0][:, None], None


def losses(logits: Tensor, target: Tensor) -> Tensor:
    """Of rows, wrong above 2^24 elements."""
    out: Tensor = IndexInFloat32.apply(logits, target)  # type: ignore[no-untyped-call]
    return out


def up_to(count: int, function: Any) -> Any:
    """The function, whose gradient is 0 for rows from a number on."""

    def called(logits: Tensor, *others: Any, **options: Any) -> Any:
        cut = logits * (torch.arange(len(logits)) < count)[:, None] + logits.detach() * (
            torch.arange(len(logits)) >= count
        ).view(-1, 1)
        return function(cut, *others, **options)

    return called


def wrong_for_six_rows(logits: Tensor) -> Tensor:
    """Of seven classes, which are what there is twice of in a test."""
    return torch.softmax(logits, -1) * (2 if logits.shape == (6, 7) else 1)


def loss_and_gradient(x: Array, y: Array) -> tuple[Array, Array]:
    """A mean, with its gradient beside it."""
    z = x - x.max(1, keepdims=True)
    p = np.exp(z)
    total = p.sum(1, keepdims=True)
    p /= total
    every = np.arange(len(x))
    loss = np.asarray((np.log(total[:, 0]) - z[every, y]).mean(dtype=x.dtype))
    p[every, y] -= 1
    return loss, p / x.dtype.type(len(x))


@pytest.mark.parametrize("index", COUNTED)
def test_no_index_counts_the_elements(index: str) -> None:
    """They are more than it counts, and an odd number times a power of 2, from which no power of 2 leads back."""
    own, classes, times = many_elements._SIZES[index]
    assert own * classes * times > COUNTED[index]
    assert own % 2 == classes % 2 == 1
    assert times & (times - 1) == 0
    assert COUNTED == {"float32": 2**24, "int32": 2**31}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_right_halves_agree(operation: str) -> None:
    """Each operation of both halves, in a format that has all of the numbers."""
    for dtype in FORMATS:
        problem, times = repeated_rows(operation, dtype, fixed={"reduction": "sum"} if "cross" in operation else None)
        for array in (*problem.inputs.values(), problem.grad_output):
            assert array is not None
            assert array.dtype.kind == "i" or np.array_equal(FORMATS[dtype].round(array), array)
        assert problem.inputs[next(iter(problem.inputs))].shape[0] == ROWS
        assert times * ROWS * CLASSES > COUNTED["float32"]
    for module in ("manual", "reference"):
        candidate = load(module)
        problem, _ = repeated_rows(operation, "float32", candidate.supports(operation), seed=5)
        assert judge_repeated(candidate, problem, 4).ok, module


def test_what_is_wrong_in_the_last_part() -> None:
    """It is told where; with fewer rows it agrees."""
    candidate = load(up_to(3 * ROWS, torch.softmax), "softmax", adapter="torch")
    problem, _ = repeated_rows("softmax", "float32", seed=2)
    assert judge_repeated(candidate, problem, 2).ok
    verdict = judge_repeated(candidate, problem, 4)
    assert (verdict.outcome, verdict.output) == ("disagrees", "grad_logits")
    assert f"in part 4 of 4, of {4 * ROWS * CLASSES:,} elements in all" in verdict.explanation


def test_an_index_in_float32() -> None:
    """It is seen at the size that every run has, in the value, and not below."""
    candidate = load(losses, "cross_entropy", adapter="torch", fixed={"reduction": "none"})
    problem, times = repeated_rows("cross_entropy", "float32", fixed={"reduction": "none"}, seed=1)
    assert judge_repeated(candidate, problem, times // 2, arithmetic="stored-logsumexp").ok
    verdict = judge_repeated(candidate, problem, times, arithmetic="stored-logsumexp")
    assert (verdict.outcome, verdict.output) == ("disagrees", "value")


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_a_mean(stored: str) -> None:
    """Its gradient is judged, and not its value."""
    problem, _ = repeated_rows("cross_entropy", stored, ["labels"], seed=3)
    assert not problem.options
    right = load(cross_entropy, "cross_entropy", adapter="torch")
    wrong = load(lambda x, t: cross_entropy(x, t) * (len(x) / min(len(x), 100)), "cross_entropy", adapter="torch")
    cut = load(up_to(100, cross_entropy), "cross_entropy", adapter="torch")
    model = "eager" if stored == "bfloat16" else None
    assert judge_repeated(right, problem, 8, arithmetic=model).ok
    for each, part in ((wrong, 1), (cut, 4)):
        verdict = judge_repeated(each, problem, 8, arithmetic=model)
        assert (verdict.outcome, verdict.output) == ("disagrees", "grad_logits")
        assert f"in part {part} of 8" in verdict.explanation


def test_a_gradient_beside_the_value() -> None:
    """It is that of all rows, whose mean is divided by their number."""
    how: Any = {"adapter": "numpy", "gradients": {"logits": 1}}
    problem, _ = repeated_rows("cross_entropy", "float64", ["labels"], upstream=False)
    assert problem.grad_output == 1
    assert judge_repeated(load(loss_and_gradient, "cross_entropy", **how), problem, 8).ok
    one = load(lambda x, y: (loss_and_gradient(x, y)[0], loss_and_gradient(x, y)[1] * len(x) / ROWS), "cross_entropy",
               **how)  # fmt: skip
    assert judge_repeated(one, problem, 1).ok
    assert "in part 1 of 8" in judge_repeated(one, problem, 8).explanation


def test_every_run_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the large problems; the program that it prints shows it again."""
    monkeypatch.setattr(rows, "verdicts_on_large", lambda *_: OnLarge())
    monkeypatch.setattr(rows, "EXAMPLES", 5)
    how: Any = {"operation": "cross_entropy", "fixed": {"reduction": "none"}, "ndim": [2]}
    left = ["jvp", "hvp", "probabilities", "nonfinite", "masked", "ignore_index", "invalid_labels", "all_ignored"]
    target = "tests.test_many_elements:losses"
    arguments: Any = {**how, "without": left, "dtypes": ["float32"], "seed": 1, "arithmetic": "auto", "examples": 5}
    report = softproof.verify(target, **arguments, in_process=True, diagnose=True)
    (row,) = report.rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    advice = row.failure.diagnosis.next
    assert advice.startswith("an index or an offset may be held in float32; ")
    assert advice.endswith("--without more_than_16777216_elements")
    told: dict[str, Any] = {}
    program = row.failure.snippet.replace("print(", "found = (")
    exec(program, told)
    assert str(told["found"]) == str(row.failure.verdict)

    arguments["without"] = [*left, "more_than_16777216_elements"]
    (row,) = softproof.verify(target, **arguments, in_process=True).rows
    assert row.verdict == "agrees"
    assert not [name for name in row.coverage.regions if "elements" in name]


def test_what_is_huge_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked then alone, and without it no row agrees that was to have it."""
    monkeypatch.setattr(rows, "verdicts_on_large", lambda *_: OnLarge())
    monkeypatch.setattr(rows, "EXAMPLES", 5)
    monkeypatch.setattr(many_elements, "_SIZES", {"float32": (3, 5, 2), "int32": (3, 7, 2)})
    how: Any = {
        "dtypes": ["float32"],
        "seed": 1,
        "examples": 5,
        "in_process": True,
        "operation": "softmax",
        "adapter": "numpy",
    }
    (usual,) = softproof.verify("manual.softmax:softmax", **how).rows
    assert usual.coverage.regions["more than 16,777,216 elements"]
    assert "more than 2,147,483,648 elements" not in usual.coverage.regions
    report = softproof.verify("manual.softmax:softmax", require=["huge"], **how)
    assert not refusals(json.loads(SCHEMA.read_text()), json.loads(report.to_json()))
    (row,) = report.rows
    assert row.verdict == "agrees"
    assert row.coverage.regions["more than 2,147,483,648 elements"]

    cut = load(wrong_for_six_rows, "softmax", adapter="torch", ndim=[2])
    monkeypatch.setattr(many_elements, "_SIZES", {"float32": (3, 5, 1), "int32": (3, 7, 2)})
    few: Any = {"dtypes": ["float32"], "seed": 1, "examples": 5}
    asked: list[list[str]] = [[], ["huge"]]
    found = [softproof.verify(cut, require=require, **few).rows[0] for require in asked]
    assert [row.verdict for row in found] == ["agrees", "disagrees"]
    assert found[1].failure is not None
    assert "index='int32'" in found[1].failure.source

    (row,) = softproof.verify("manual.softmax:softmax", require=["huge"], **{**how, "arithmetic": "storage"}).rows
    assert row.verdict == "agrees"
    monkeypatch.setattr(beyond, "OWN_ARRAYS", ("torch",))
    (row,) = softproof.verify("manual.softmax:softmax", require=["huge"], **how).rows
    assert row.outcome.reason.startswith(
        "required, and judged in none of its problems: huge; arrays of more than 2^31 el"
    )
    with pytest.raises(ValueError, match="require names 'huge'; expected some of value"):
        check_required(["huge"])


def test_words_for_elements() -> None:
    """They count rows times classes, and rows that are repeated."""
    three = Problem("softmax", "float32", {"logits": [[0.0] * 3] * 2}, {"dim": 1})
    assert [is_beyond("more_than_5_elements", three), is_beyond("more_than_6_elements", three)] == [True, False]
    assert is_beyond("more_than_6_elements", three, 2)
    assert is_beyond("more_than_3_rows", three, 2)
    assert not is_beyond("more_than_3_classes", three, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"operation": "softmax", "fixed": {"dim": 0}}, "dim is 0; expected -1 or 1"),
        ({"operation": "cross_entropy", "supports": ["probabilities"]}, "supports names no labels"),
        ({"operation": "cross_entropy", "supports": [], "dtype": "float16"}, "whose gradients underflow"),
        ({"operation": "softmax", "index": "int64"}, "index is 'int64'"),
    ],
)
def test_what_has_no_such_rows(arguments: dict[str, Any], words: str) -> None:
    """It is said."""
    with pytest.raises(ValueError, match=words):
        repeated_rows(**{"dtype": "float32", **arguments})


def test_nothing_is_promised_of_the_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong in a part is found all the same; and no row has been judged so where nothing is promised."""
    problem = Problem("logsumexp", "bfloat16", {"logits": np.zeros((2, 600))}, {}, np.ones(2))
    right = load(
        lambda x: torch.logsumexp(x, -1), "logsumexp", adapter="torch", ndim=[2], without=["nonfinite", "empty"]
    )
    assert judge_repeated(right, problem, 4, arithmetic="storage").outcome == "no guarantee"
    cut = load(up_to(2, torch.softmax), "softmax", adapter="torch")
    few = Problem("softmax", "float64", {"logits": np.eye(2, 3)}, {"dim": -1}, np.eye(2, 3))

    def judge(_problem: Problem, result: Result) -> Verdict:
        wrong = not result.outputs["grad_logits"].values.any()
        return Verdict("disagrees" if wrong else "no guarantee", 2.0 * wrong, explanation="0")

    assert judged_in_parts(cut, few, 1, "cpu", judge).outcome == "no guarantee"
    assert not repeated._kept
    assert judged_in_parts(cut, few, 4, "cpu", judge).explanation == "0; in part 2 of 4, of 24 elements in all"

    def once(outcome: str, then: str) -> str:
        """The outcome where the first judgement is one, and that of the other parts another."""
        told = iter((outcome, then))
        return judged_in_parts(cut, few, 4, "cpu", lambda *_: Verdict(next(told), explanation="0")).outcome

    assert once("agrees", "no guarantee") == once("no guarantee", "agrees") == "no guarantee"
    assert once("agrees", "undecided") == once("no guarantee", "undecided") == "undecided"
    assert once("undecided", "agrees") == "undecided"

    def in_the_second(logits: Tensor, dim: int) -> Tensor:
        return torch.softmax(logits, dim) * (1 + (torch.arange(len(logits)) // 2 == 1)[:, None])

    told = iter(("agrees", "no guarantee", "agrees"))
    second = load(in_the_second, "softmax", adapter="torch")
    assert judged_in_parts(second, few, 4, "cpu", lambda *_: Verdict(next(told))).outcome == "no guarantee"
    assert not list(told)
    judged_in_parts(cut, few, 4, "cpu", judge)
    assert repeated._kept
    cut.answer(few)
    assert not repeated._kept  # nobody asks for the rest

    monkeypatch.setattr(rows, "verdicts_on_large", lambda *_: OnLarge())
    monkeypatch.setattr(rows, "EXAMPLES", 5)
    monkeypatch.setattr(many_elements, "_SIZES", {"float32": (3, 601, 2), "int32": (3, 601, 2)})
    how: Any = {"dtypes": ["bfloat16"], "seed": 1, "examples": 5, "arithmetic": "storage", "require": ["huge"]}
    (row,) = softproof.verify(right, **how).rows
    assert row.verdict == "cannot ask"
    assert not [name for name in row.coverage.regions if "elements" in name]


def test_rows_that_cannot_be_repeated() -> None:
    """Another number of times, rows along another axis, or sizes and masks of one question."""
    candidate, problem = load("manual"), repeated_rows("softmax", "float32")[0]
    with pytest.raises(ValueError, match="times is 3; expected a power of 2"):
        judge_repeated(candidate, problem, 3)
    with pytest.raises(ValueError, match=r"shape \(2,\); expected rows"):
        judge_repeated(candidate, Problem("softmax", "float32", {"logits": [0.0, 1.0]}, {"dim": 0}), 2)
    sized = load(
        lambda logits, dim, n: torch.softmax(logits, dim) * (n > 0), "softmax", adapter="torch", extra={"n": "@rows"}
    )
    with pytest.raises(ValueError, match="takes sizes or masks of its rows"):
        judge_repeated(sized, problem, 2)
    with pytest.raises(ValueError, match=r"shape \(0, 3\); expected rows"):
        judge_repeated(candidate, Problem("softmax", "float32", {"logits": np.ones((0, 3))}, {"dim": 1}), 2)
    with pytest.raises(ValueError, match="problem has dim 0; expected rows along the first axis"):
        judge_repeated(candidate, Problem("softmax", "float32", {"logits": np.ones((2, 3))}, {"dim": 0}), 2)
    asked: Any = {"logits": np.ones((2, 3)), "target": [0, 1]}
    weighted = Problem("cross_entropy", "float32", {**asked, "weight": np.ones(3)}, grad_output=1.0)
    with pytest.raises(ValueError, match="problem has a mean, and weights"):
        judge_repeated(candidate, weighted, 2)
    for dtype, upstream in (("float16", 1.0), ("bfloat16", 2.0**126)):
        with pytest.raises(ValueError, match=f"problem has a mean in {dtype}, whose gradients"):
            judge_repeated(load("reference"), Problem("cross_entropy", dtype, asked, grad_output=upstream), 16)
