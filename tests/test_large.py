"""Large problems are asked in every run, and huge ones where somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from softproof import OPERATIONS, Output, Problem, Result, judge, judge_result, large_problems, load, verify
from softproof.problem.checks import check
from softproof.runs import search
from softproof.runs.search import EXAMPLES

pytestmark = [pytest.mark.drawn(3)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_large_problems_ask_something(operation: str, dtype: str) -> None:
    """Of more classes, or of more rows, than 16 bits count."""
    many_classes, *many_rows = large_problems(operation, dtype)

    assert max(max(array.shape) for array in many_classes.inputs.values()) > 2**16
    for problem in (many_classes, *many_rows):
        check(problem)
    for problem in many_rows:
        assert len(next(iter(problem.inputs.values()))) > 2**16
    reductions = [problem.options.get("reduction") for problem in many_rows]
    assert reductions == (["sum", "none"] if "cross_entropy" in operation and "target" in problem.inputs else [None])


def _softmax_of_short_rows(input: torch.Tensor, dim: int) -> torch.Tensor:
    """Leaves out what is beyond 2^16 classes."""
    return (
        F.softmax(input.narrow(dim, 0, min(input.shape[dim], 2**16)), dim)
        if input.ndim and input.shape[dim] > 2**16
        else (F.softmax(input, dim))
    )


def _cross_entropy_of_short_batches(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Counts rows in 16 bits."""
    if not target.ndim:
        return F.cross_entropy(input, target)
    return F.cross_entropy(input[: 2**16], target[: 2**16])


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    ("function", "operation", "number", "stored"),
    [
        (_softmax_of_short_rows, "softmax", 0, "float32"),
        (_cross_entropy_of_short_batches, "cross_entropy", 1, "bfloat16"),
        pytest.param(_softmax_of_short_rows, "softmax", 0, "bfloat16", marks=pytest.mark.thorough),
        pytest.param(_cross_entropy_of_short_batches, "cross_entropy", 1, "float32", marks=pytest.mark.thorough),
    ],
)
def test_a_counter_of_16_bits_is_caught(
    function: Callable[..., torch.Tensor], operation: str, number: int, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the large problem, which the report names instead of printing it."""
    monkeypatch.setattr(search, "MORE", 0)  # problems in regions that a hundred have missed
    report = verify(function, operation=operation, adapter="torch", dtypes=[stored], seed=0, arithmetic="torch-cpu",
                    without=["nonfinite", "jvp", "hvp"])  # fmt: skip

    row = report.rows[0]
    assert row.failure is not None
    assert row.problems > EXAMPLES
    assert f")[{number}]" in row.failure.snippet
    assert "from softproof import judge, large_problems, load" in row.failure.snippet
    assert len(str(report)) < 4000


def test_what_the_arithmetic_promises_nothing_of_is_left_out() -> None:
    """The sum of 131072 exponentials may keep no digit of float16; 65537 short rows keep theirs."""
    report = verify("manual:log_softmax", dtypes=["float16"], arithmetic="storage", seed=0, in_process=True)
    long, short = large_problems("log_softmax", "float16")
    candidate = load("manual:log_softmax")

    assert judge(candidate, long, arithmetic="storage").outcome == "no guarantee"
    assert judge(candidate, short, arithmetic="storage").ok
    row = report.rows[0]
    assert (row.verdict, row.uncounted >= 1) == ("agrees", True)
    assert row.problems + row.uncounted >= EXAMPLES + 2  # both large ones, and what the search for regions adds
    assert f"no guarantee by the arithmetic, nor counted: log_softmax in {row.uncounted} problems" in str(report)


def _rows_again_from_the_first(input: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Gives row 2^16 the loss of the first, which no mean shows."""
    rows = F.cross_entropy(input, target, reduction="none")
    rows = rows.reshape(-1)[torch.arange(rows.numel()) % 2**16].reshape(rows.shape)
    return rows if reduction == "none" else rows.sum() if reduction == "sum" else rows.mean()


def test_one_row_among_many_is_caught() -> None:
    """By the losses one by one."""
    *_, one_by_one = large_problems("cross_entropy", "float32")
    candidate = load(_rows_again_from_the_first, operation="cross_entropy", adapter="torch")

    assert not judge(candidate, replace(one_by_one, grad_output=None)).ok


def _softmax_shifted_by_the_first_block(input: torch.Tensor, dim: int) -> torch.Tensor:
    """Looks for the largest logit among the first 1024."""
    e = (input - input.narrow(dim, 0, min(input.shape[dim], 1024)).amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def test_a_row_that_is_masked_up_to_its_middle_is_among_the_large() -> None:
    """Its last logit stands far above the others, and its label is not masked."""
    many_classes, *_ = large_problems("softmax", "float32")
    candidate = load(_softmax_shifted_by_the_first_block, operation="softmax", adapter="torch")
    first_rows = replace(many_classes, inputs={"logits": many_classes.inputs["logits"][:-1]}, grad_output=None)
    of_losses, *_ = large_problems("cross_entropy", "float32")

    assert judge(candidate, first_rows).ok
    assert not judge(candidate, replace(many_classes, grad_output=None)).ok
    assert np.isfinite(of_losses.inputs["logits"][-1, of_losses.inputs["target"][-1]])


@pytest.mark.huge
@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "cross_entropy"])
def test_rows_beyond_2_to_the_31_elements(operation: str, device: str) -> None:
    """65537 rows of 32768 classes in bfloat16: first, last and other rows are those of a problem of their own."""
    rows, classes = 65537, 32768
    generator = torch.Generator(device).manual_seed(0)
    logits = torch.randn(rows, classes, dtype=torch.bfloat16, device=device, generator=generator)
    target = torch.arange(rows, device=device) % classes
    if operation == "cross_entropy":
        found = F.cross_entropy(logits, target, reduction="none")
    else:
        found = getattr(F, operation)(logits, -1)

    arithmetic = "torch-cpu" if device == "cpu" else "torch-cuda"
    for row in (0, 1, 2**15, 2**16 - 1, 2**16):
        values = found[row : row + 1].float().cpu().numpy()
        inputs = {"logits": logits[row : row + 1].float().cpu().numpy()}
        options = {"dim": -1} if operation != "cross_entropy" else {"reduction": "none"}
        inputs |= {} if operation != "cross_entropy" else {"target": target[row : row + 1].cpu().numpy()}
        problem = Problem(operation, "bfloat16", inputs, options)
        verdict = judge_result(
            problem, Result({"value": Output(np.asarray(values), "bfloat16")}), arithmetic=arithmetic
        )
        assert verdict.ok, (row, verdict)
