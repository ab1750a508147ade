"""A failure that is a finding about torch is told by that name, with what to do next; another failure is not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import softproof
from softproof import Problem, load
from softproof.bounds.models import model
from softproof.candidates.devices import has_amx
from softproof.diagnosis.interview import Interview
from softproof.diagnosis.known import KNOWN, KnownFinding, known_finding
from softproof.reports.finding import Finding
from softproof.reports.findings import FINDINGS
from softproof.reports.row import Row
from softproof.runs import as_torch

OF_TORCH = {each.name: each for each in FINDINGS}
TORCH, NAN = KNOWN[0].target, float("nan")


def found(target: Any, problem: Problem) -> str:
    """The finding that the answer to a problem is said to be."""
    if OF_TORCH["linear-reads-beyond-its-rows"].problem == problem and not has_amx():
        pytest.skip("this CPU has no AMX")
    if target == KNOWN[1].target and not hasattr(F, "linear_cross_entropy"):
        pytest.skip("this torch has no linear_cross_entropy")
    interview = Interview(load(target, problem.operation, adapter="torch"), "cpu", model(None), "C", 12)
    witness = interview.ask(problem)
    assert witness is not None
    assert not witness.verdict.ok
    known = known_finding(interview, witness)
    return "" if known is None else known.finding


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.finding)
def test_a_finding_is_recognised_by_its_own_witness(known: KnownFinding) -> None:
    """It is one of the findings, about the same function."""
    finding: Finding = OF_TORCH[known.finding]

    assert (finding.target, finding.operation, finding.objects) == (known.target, known.operations[0], {})
    assert found(known.target, finding.problem) == known.finding


@pytest.mark.parametrize("format_", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("row", [[NAN, 0.0], [np.inf, 0.0], [np.inf, np.inf], [-np.inf, -np.inf]])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_is_recognised_whatever_the_row_is(row: list[float], reduction: str, format_: str) -> None:
    """Beside a row that counts, with positions, and with another label that is ignored."""
    logits = np.array([row, [0.0, 1.0]])
    upstream = np.ones(2 if reduction == "none" else ())
    for shape in ((2, 2), (2, 2, 1)):
        target = np.array([7, 1]).reshape((2, *shape[2:]))
        given = upstream.reshape(target.shape) if reduction == "none" else upstream
        options = {"reduction": reduction, "ignore_index": 7}
        inputs = {"logits": logits.reshape(shape), "target": target}
        assert found(TORCH, Problem("cross_entropy", format_, inputs, options, grad_output=given)) == KNOWN[0].finding


@pytest.mark.parametrize("dim", [-1, 0])
@pytest.mark.parametrize("logits", [0.0, -65504.0, 60000.0])
def test_a_sum_beyond_float16_is_told(logits: float, dim: int) -> None:
    """Of a log-softmax along its last dimension, of a logsumexp along any, and of a loss; of equal logits anywhere."""
    x = np.full(65520, logits)
    rows = np.stack([x, x], 1 if dim == 0 else 0)

    assert found("torch:logsumexp", Problem("logsumexp", "float16", {"logits": rows}, {"dim": dim})) == KNOWN[3].finding
    if dim == -1:
        of_rows = Problem("log_softmax", "float16", {"logits": rows}, {"dim": -1})
        loss = Problem("cross_entropy", "float16", {"logits": rows, "target": [3, 5]}, {"reduction": "sum"})
        assert found("torch.nn.functional:log_softmax", of_rows) == KNOWN[2].finding
        assert found(TORCH, loss) == KNOWN[2].finding


def _reads_beyond(input: Tensor, weight: Tensor) -> Tensor:
    """A product with one feature more, times 0, as tiles of AMX load it."""
    if input.is_contiguous():
        return F.linear(input, weight)
    row, column = input.stride()
    wide = input.detach().as_strided((len(input), input.shape[1] + 1), (row, column))
    return F.linear(input.contiguous(), weight) + 0 * wide[:, -1:]


@pytest.mark.parametrize("amx", [True, False])
def test_what_is_read_beyond_a_slice_is_told(amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bfloat16, where the CPU has AMX."""
    monkeypatch.setattr("softproof.diagnosis.known.has_amx", lambda: amx)
    problem = Problem("linear", "bfloat16", {"input": np.ones((3, 2)), "weight": np.ones((2, 2))}, layout="sliced")

    assert found(_reads_beyond, problem) == ("linear-reads-beyond-its-rows" if amx else "")
    assert found(_reads_beyond, replace(problem, dtype="float32")) == ""
    interview = Interview(load(_reads_beyond, "linear", adapter="torch"), "cpu", model(None), "C", 12)
    witness = interview.ask(problem)
    assert witness is not None
    assert known_finding(replace(interview, device="cuda:0"), witness) is None


@pytest.mark.parametrize("operation", ["softmax_entropy", "softmax_kl_divergence"])
def test_a_sum_beyond_float16_is_told_of_two_softmaxes(operation: str) -> None:
    """And of one: what is made of a log-softmax fails as that does."""
    names = ("logits",) if operation == "softmax_entropy" else ("p_logits", "q_logits")
    problem = Problem(operation, "float16", {name: np.zeros(65520) for name in names}, {"dim": -1})

    assert found(f"reference:{operation}", problem) == KNOWN[2].finding


def test_a_sum_beyond_float16_is_told_of_a_linear_layer() -> None:
    """It has a bias then, which sets most classes far below the others."""
    inputs: dict[str, Any] = {"input": [[0.0]], "linear_weight": np.zeros((65520, 1)), "target": [0]}

    assert found(KNOWN[1].target, Problem("linear_cross_entropy", "float16", inputs)) == KNOWN[2].finding


def without_many_classes(logits: Tensor, dim: int = -1) -> Tensor:
    """No number of 16 bits counts that many classes."""
    return torch.log_softmax(logits.float(), dim).to(logits.dtype) - (np.inf if logits.shape[dim] > 65519 else 0.0)


def test_another_overflow_is_not_told_as_the_finding() -> None:
    """It is still there where the sum is small."""
    assert (
        found(without_many_classes, Problem("log_softmax", "float16", {"logits": np.zeros(65520)}, {"dim": -1})) == ""
    )


def with_another_fault(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
    """The gradient of an ignored row is NaN, and the loss is off by a little besides."""
    return torch.nn.functional.cross_entropy(logits, target, **options) * 1.01


def nan_everywhere(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
    """No gradient is a number."""
    return torch.nn.functional.cross_entropy(logits * torch.where(logits == 3, NAN, 1.0).detach(), target, **options)


def test_another_fault_is_not_told_as_the_finding() -> None:
    """One beside it, one that looks like it where there is no such row, and a row that is not ignored."""
    witness = OF_TORCH[KNOWN[0].finding].problem
    counts = {"logits": [[NAN, 0.0], [0.0, 1.0]], "target": [-100, 1]}
    right = {"logits": [[3.0, 0.0], [0.0, 1.0]], "target": [-100, 1]}

    assert found(with_another_fault, replace_inputs(witness, counts)) == ""
    assert found(nan_everywhere, replace_inputs(witness, right)) == ""


def replace_inputs(problem: Problem, inputs: dict[str, Any]) -> Problem:
    """The same question about other inputs."""
    return replace(problem, inputs=inputs)


ARGUMENTS: dict[str, Any] = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"],
                             "seed": 538737614, "examples": 30}  # fmt: skip


def test_a_stranger_who_verifies_torch_is_told() -> None:
    """It agrees but for the finding: in the table, below it, in JSON; no bound and no verdict of its own is another."""
    report, name = softproof.verify(TORCH, diagnose=True, **ARGUMENTS), KNOWN[0].finding
    (row,), text = report.rows, str(report)

    assert (report.status, row.verdict, row.outcome.findings, row.failures) == (0, "agrees", (name,), ())
    assert f"agrees, but for finding {name}" in text
    assert f"as torch's own function does in finding {name} (softproof findings), and right in all else" in text
    assert json.loads(report.to_json())["rows"][0]["findings"] == [name]
    assert softproof.verify(TORCH, **ARGUMENTS).rows[0].verdict == "disagrees"
    assert softproof.verify(TORCH, without=["nonfinite"], **ARGUMENTS).ok


@pytest.mark.parametrize("target", ["torch", "doubled"])
def test_a_finding_need_not_be_looked_for(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question shows it; the row is that of who looks for it until it shows, and so is one that disagrees."""
    function = TORCH if target == "torch" else doubled
    rows: list[Row] = []
    looked: list[Row] = []

    def with_failure(rest: Row, row: Row) -> Row:
        looked.append(row)
        return as_torch.with_failure(rest, row)

    monkeypatch.setattr("softproof.runs.rows.with_failure", with_failure)
    rows += softproof.verify(function, diagnose=True, **ARGUMENTS).rows
    assert not looked
    monkeypatch.setattr("softproof.runs.rows.shows_at_once", lambda *_: "")
    rows += softproof.verify(function, diagnose=True, **ARGUMENTS).rows
    assert len(looked) == (target == "torch")  # the other fails by its numbers first
    one, two = (replace(row, outcome=replace(row.outcome, seconds=0.0)) for row in rows)

    assert one == two
    assert [each.verdict.explanation for each in one.failures] == [each.verdict.explanation for each in two.failures]
    assert one.verdict == ("agrees" if target == "torch" else "disagrees")


def doubled(logits: Tensor, target: Tensor) -> Tensor:
    """Wrong besides."""
    loss = F.cross_entropy(logits, target)
    return 2 * loss - loss.detach()


class Poisoned(torch.autograd.Function):
    """NaN where torch has it, and wherever else `spread` has it."""

    spread = staticmethod(lambda wrong: wrong)

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        ctx.save_for_backward(logits, target)
        return F.cross_entropy(logits, target, reduction="none")

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        """p - y of the rows that count."""
        logits, target = ctx.saved_tensors
        kept = (target != -100)[:, None]
        y = F.one_hot(target.clamp(min=0), logits.shape[1])
        wrong = Poisoned.spread(~kept & ~logits.max(1, keepdim=True).values.isfinite())
        gradient = torch.where(kept, logits.softmax(1) - y, 0) * upstream[:, None]
        return torch.where(wrong, NAN, gradient), None


def poisoned(logits: Tensor, target: Tensor) -> Tensor:
    """A loss with such a gradient."""
    loss: Tensor = Poisoned.apply(logits, target)  # type: ignore[no-untyped-call]
    return loss


def nan_for_nothing(logits: Tensor, target: Tensor) -> Tensor:
    """The value of an ignored row of NaN is NaN as well."""
    return poisoned(logits, target) + 0 * logits.sum(1) * (target == -100)


@pytest.mark.parametrize(
    ("target", "spread", "verdict"),
    [
        (poisoned, lambda wrong: wrong, "agrees"),
        (poisoned, lambda wrong: wrong.any(), "disagrees"),  # of one row to all
        (poisoned, lambda wrong: wrong.roll(1, 0), "disagrees"),  # of another row
        (nan_for_nothing, lambda wrong: wrong, "disagrees"),
    ],
)
def test_nothing_hides_behind_a_finding(
    target: Any, spread: Any, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN is excused where torch has it, and nowhere else."""
    monkeypatch.setattr(Poisoned, "spread", staticmethod(spread))
    how = ARGUMENTS | {
        "fixed": {"reduction": "none", "ignore_index": -100},
        "supports": [],
        "ndim": [2],
        "examples": 60,
    }
    left = ["probabilities", "invalid_labels", "masked", "empty", "jvp", "hvp"]
    (row,) = softproof.verify(target, diagnose=True, max_failures=3, without=left, **how).rows

    assert row.verdict == verdict, row
    assert (KNOWN[0].finding in row.outcome.findings) == (verdict == "agrees")


def by_one_hot(logits: Tensor, target: Tensor) -> Tensor:
    """Right but for masks, of which 0 times -inf is NaN, and for a mean over nothing, which is 0."""
    counts = target != -100
    hot = F.one_hot(target.clamp(min=0), logits.shape[1]) * counts[:, None]
    return -(hot * logits.log_softmax(1)).sum() / counts.sum().clamp(min=1)


def test_the_rest_is_told() -> None:
    """One command after one that disagrees: what was left out on the way, and the number of problems that agree."""
    how = ARGUMENTS | {"fixed": {"ignore_index": -100}, "supports": [], "ndim": [2], "examples": 60}
    left = ["probabilities", "invalid_labels", "empty", "nonfinite", "jvp", "hvp", "reduction"]
    report = softproof.verify(by_one_hot, diagnose=True, max_failures=2, without=left, **how)
    (row,) = report.rows

    assert row.verdict == "disagrees"
    without = {failure.diagnosis.without for failure in row.failures}
    assert without == {"masked", "all_ignored"}
    assert row.outcome.rest > 30
    assert f"agrees in {row.outcome.rest} problems; that alone is judged with --without " in str(report)
    assert softproof.verify(by_one_hot, without=[*left, *without], **how).ok
