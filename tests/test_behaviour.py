"""Every way of asking catches its misbehaviour, and finds nothing where there is nothing."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import manual
import softproof
from softproof import CHECKS, OPERATIONS, Candidate, Problem, check_behaviour, judge_result, load, problems
from softproof.bounds.models import model
from softproof.candidates.bits import same_bits
from softproof.candidates.isolated import isolated
from softproof.candidates.threads import CALLS, PATIENCE, ROUNDS, WAIT, at_once
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.properties.behaviour import check_answers
from softproof.properties.checks import LIFETIMES
from softproof.properties.questions import question_of
from softproof.properties.repeated import in_dtype
from softproof.runs.criteria import Criteria
from softproof.runs.schedule import SHARE, Schedule
from softproof.verdicts.case import BITS

from .helpers.candidates import MANUAL, REFERENCE, three_rows
from .wrong import misbehaving as wrong
from .wrong.caught import CAUGHT
from .wrong.misbehaving import Function

ROWS = [[0.0, 1.0, 3.0], [2.0, 0.5, 0.0], [1.0, 1.5, -2.0]]
G = [[0.5, -1.0, 2.0], [1.0, 0.25, 0.0], [0.0, 3.0, 1.0]]
LAYER = {"input": ROWS, "weight": [[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]]}
NAMES = [f"{make.__name__}-{check}" for make, _, _, check, _ in CAUGHT]

# what the judge, a relation or another way may see first when verify asks
SEEN_FIRST_BY_ANOTHER = {
    wrong.wrong_the_second_time,
    wrong.cached_by_shape,
    wrong.gradient_that_gathers,
    wrong.batch_of_one_is_no_batch,
    wrong.last_row_first,
    wrong.strides_ignored,
    wrong.in_place_under_no_grad,
    wrong.scratch_of_the_largest_batch,
    wrong.gradient_that_is_stored_too,
    wrong.gradient_of_packed_memory,
    wrong.gradient_once_nobody_holds_the_value,
    wrong.logits_by_address,
    wrong.tuned_after_some_calls,
}


# kinds of question that would find something else in these functions
UNRELATED = {"jvp", "hvp", "nonfinite", "scalars", "empty_classes", "several_dims", "probabilities"}


def _unrelated(operation: str) -> list[str]:
    """Those that the operation has."""
    return sorted(UNRELATED & set(OPERATIONS[operation].kinds))


def _problem(operation: str, dtype: str = "float32") -> Problem:
    """Rows for which every way applies."""
    if operation == "linear":
        return Problem("linear", dtype, LAYER, grad_output=[[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    if operation == "cross_entropy":
        return Problem("cross_entropy", dtype, {"logits": ROWS, "target": [0, 2, 1]}, grad_output=1.0)
    return Problem(operation, dtype, {"logits": ROWS}, {"dim": -1}, G)


def _asked(make: Function, operation: str, adapter: str) -> tuple[Candidate, Problem]:
    candidate, problem = load(make(), operation=operation, adapter=adapter), _problem(operation)
    options = {name: value for name, value in problem.options.items() if name in candidate.supports(operation)}
    return candidate, Problem(operation, problem.dtype, problem.inputs, options, problem.grad_output)


@pytest.mark.parametrize(("make", "operation", "adapter", "check", "words"), CAUGHT, ids=NAMES)
def test_each_check_catches_its_fault(make: Function, operation: str, adapter: str, check: str, words: str) -> None:
    """On a small problem, asked by itself; the explanation begins with the check in words."""
    candidate, problem = _asked(make, operation, adapter)

    found = check_behaviour(candidate, problem, check=check)

    assert found.verdict.outcome == "disagrees"
    assert found.verdict.explanation.startswith(words)


def _kept_by_address() -> Function:
    """A softmax of NumPy that looks up by the address of its logits what it has computed of them."""
    known: dict[Any, Array] = {}

    def softmax(logits: Array, dim: int = -1) -> Array:
        key = logits.__array_interface__["data"][0], logits.shape, logits.strides, dim
        if key not in known:
            known[key] = np.exp(logits - logits.max(dim, keepdims=True))
        return np.asarray(known[key] / known[key].sum(dim, keepdims=True))

    return softmax


@pytest.mark.parametrize("before", range(1, 4))
def test_numbers_that_were_seen_at_an_address_hide_nothing(before: int) -> None:
    """NumPy gives small arrays the memory of others that are gone, where the right answer may be known already."""
    candidate = load(_kept_by_address(), operation="softmax", adapter="numpy")
    problem = replace(_problem("softmax"), grad_output=None)
    for _ in range(before):
        candidate.answer(problem)

    assert check_behaviour(candidate, problem, check="updated in place").verdict.outcome == "disagrees"


@pytest.mark.parametrize(("make", "operation", "adapter", "check", "words"), CAUGHT, ids=NAMES)
def test_verify_catches_it_too(make: Function, operation: str, adapter: str, check: str, words: str) -> None:
    """In the default number of examples; by this very way, unless something else sees it as well."""
    report = softproof.verify(make(), operation=operation, adapter=adapter, dtypes=["float32", "float64"], seed=1,
                              without=_unrelated(operation), shrink=False)  # fmt: skip

    failures = [row.failure for row in report.rows if row.failure is not None]
    assert failures
    assert failures[0].verdict.outcome == "disagrees"
    right = partial(softproof.judge, load(getattr(F, operation), operation=operation, adapter="torch"))
    problem = failures[0].verdict.problem
    assert problem is not None
    dim = {"dim": -1} if "dim" in OPERATIONS[operation].options else {}  # without which torch guesses, and warns
    layout = "contiguous" if "reversed" in str(problem.layout) else problem.layout  # which torch does not have
    alike = replace(problem, options={**dim, **problem.options}, layout=layout)
    assert right(alike).ok  # the problem that is shown is none of torch's
    if make not in SEEN_FIRST_BY_ANOTHER:
        assert failures[0].verdict.explanation.startswith(words[:14])
        assert f"check={check!r}" in failures[0].snippet


@pytest.mark.parametrize("make", [wrong.logsumexp_of_one_class_is_its_input, wrong.detached_view])
def test_a_view_of_the_input_is_no_answer(make: Function) -> None:
    """Right in value, and the caller's own array."""
    report = softproof.verify(
        make(), operation="logsumexp", seed=0, dtypes=["float64"], without=_unrelated("logsumexp"), shrink=False
    )

    view = load(make(), "logsumexp"), Problem("logsumexp", "float64", {"logits": [[0.5], [2.0]]}, {"dim": -1})
    assert not report.ok  # what it shares may be written to by another way first
    assert "value shares memory with the input logits" in str(check_behaviour(*view, check="overwritten answers"))


def _wrong_from_call(last: float, calls: list[int]) -> Function:
    """A softmax that is right for so many calls."""

    def softmax(logits: Array, dim: int = -1) -> Array:
        calls.append(1)
        return manual.softmax(logits, dim) * (1 if len(calls) < last else 2)

    return softmax


def test_problems_of_the_start_are_asked_again_at_the_end() -> None:
    """What goes wrong with the very last call of a row, and not before, is seen, and told for what it is."""
    calls: list[int] = []
    again: list[int] = []
    verify = partial(softproof.verify, operation="softmax", adapter="numpy", dtypes=["float32"], seed=3, examples=12)
    verify(_wrong_from_call(np.inf, calls)).check()
    last = len(calls)
    failure = verify(_wrong_from_call(last, again)).rows[0].failure

    assert failure is not None
    assert len(again) == last + 1  # after it a usual question: whether the answers are right for another interface
    assert failure.verdict.explanation.startswith("asked again after all other problems of the row: value")
    assert failure.verdict.explanation.endswith("builds up, which the same seed shows again")


def _wrong_after_a_longer_batch() -> Function:
    """Losses one by one, of which the last is that of an earlier batch, if that was much longer."""
    kept = np.empty(0)

    def cross_entropy(input: Array, target: Array, reduction: str = "mean") -> Array:
        nonlocal kept
        losses = np.array(manual.cross_entropy(input, target, reduction=reduction))
        if reduction == "none":
            kept, before = losses.copy(), kept
            losses[-1:] = before[len(losses) - 1] if len(before) > len(losses) + 32 else losses[-1:]
        return losses

    return cross_entropy


def test_each_kind_of_problem_is_asked_again_at_the_end() -> None:
    """Of each size that with each reduction, so that a short batch comes after a long one."""
    without = ["labels of another type"]  # which asks longer batches than the problem has
    candidate = load(_wrong_after_a_longer_batch(), operation="cross_entropy", adapter="numpy", without=without)
    schedule = Schedule(candidate, Criteria("cpu", model(None), "", "C", None, 1.0), frozenset({"reduction"}))
    rng = np.random.default_rng(0)

    def asked(rows: int, reduction: str) -> Problem:
        inputs = {"logits": rng.normal(size=(rows, 2)), "target": rng.integers(0, 2, rows)}
        return Problem("cross_entropy", "float64", inputs, {"reduction": reduction})

    for rows, reduction in ((4, "mean"), (4, "none"), (40, "none")):
        assert schedule.verdict(asked(rows, reduction)).ok

    found = schedule.at_the_end()
    assert found is not None
    assert found.explanation.startswith("asked again after all other problems of the row: value[3]")


def _labels_kept_by_address() -> Callable[..., torch.Tensor]:
    """Losses by the labels that stood where these stand, for batches that have no option alone."""
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def cross_entropy(
        input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, reduction: str = "mean"
    ) -> torch.Tensor:
        if weight is None and input.ndim == 2:
            target = kept.setdefault(target.data_ptr(), (target, target.clone()))[1]
        return F.cross_entropy(input, target, weight, reduction=reduction)

    return cross_entropy


def test_a_call_as_it_is_made_most_is_asked_everything() -> None:
    """Once with each reduction, so that state of such calls alone is seen; no other call is."""
    inputs = {"logits": np.array([[0.0, 2.0], [1.0, 0.0]]), "target": np.array([0, 1])}
    usual = Problem("cross_entropy", "float32", inputs, {"reduction": "mean"}, 1.0)
    criteria = Criteria("cpu", model(None), "", "C", None, 1.0)
    candidate = load(_labels_kept_by_address(), operation="cross_entropy", adapter="torch")
    weighted = replace(usual, inputs={**usual.inputs, "weight": np.array([1.0, 2.0])})
    schedule = Schedule(candidate, criteria, candidate.supports("cross_entropy"))

    assert schedule.verdict(weighted).ok
    assert sum(schedule.counts.values()) < 8
    found = schedule.verdict(usual)
    assert found.explanation.startswith("after its arrays were updated in place: ")

    right = load(F.cross_entropy, operation="cross_entropy", adapter="torch")
    schedule = Schedule(right, criteria, right.supports("cross_entropy"))
    assert schedule.verdict(usual).ok
    checks = {name for kind, name in schedule.counts if kind == "check" and schedule.counts[kind, name]}
    assert checks == {name for name, check in CHECKS.items() if check.applies(question_of(right, usual, "cpu"))}
    assert len(checks) > 15
    assert schedule.verdict(replace(usual, options={})).ok
    assert max(schedule.counts.values()) <= 2


def test_a_lock_is_enough_for_two_threads() -> None:
    """Whoever keeps something beside a function, and lets one thread in at a time, is right; and nobody waits long."""
    lock, inner = threading.Lock(), wrong.one_workspace_for_all_threads()

    def softmax(logits: Array, dim: int = -1) -> Array:
        with lock:
            found = inner(logits, dim)
        return np.asarray(found)

    started = time.perf_counter()
    found = check_behaviour(load(softmax, "softmax", "numpy"), _problem("softmax"), check="two threads")

    assert str(found) == "agrees: two threads: with the same bits"
    assert time.perf_counter() - started < 2 * PATIENCE * WAIT + 5


def test_what_two_threads_mix_up_shows_where_their_questions_are_far_apart() -> None:
    """A largest logit that is kept beside the function cancels, unless that of another question is far from it."""
    kept: dict[str, Array] = {}

    def logsumexp(logits: Array, dim: int = -1) -> Array:
        kept["most"] = logits.max(dim, keepdims=True)
        shape = logits.max(dim).shape  # while the other thread goes on
        most = kept["most"]
        with np.errstate(all="ignore"):
            return np.asarray(np.log(np.exp(logits - most).sum(dim)) + most.reshape(shape))

    problem = Problem("logsumexp", "float64", {"logits": np.arange(6.0).reshape(2, 3)}, {"dim": -1})
    found = check_behaviour(load(logsumexp, "logsumexp", "numpy"), problem, check="two threads")
    assert str(found).startswith("disagrees: while another thread asks something else: value")


def test_an_error_in_a_thread_is_that_of_the_candidate() -> None:
    """With its words."""

    def softmax(logits: Array, dim: int = -1) -> Array:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("not in this thread")
        return manual.softmax(logits, dim)

    found = check_behaviour(load(softmax, "softmax", "numpy"), _problem("softmax"), check="two threads")
    assert str(found).startswith("disagrees: while another thread asks something else: raised RuntimeError at")


KEEPS_ITS_VALUE = """
import numpy as np
last = {}

def softmax(logits, dim=-1):
    e = np.exp(logits - logits.max(dim, keepdims=True))
    last["p"] = e / e.sum(dim, keepdims=True)
    return last["p"]

def softmax_backward(g, logits, dim=-1):
    p = last["p"]
    return p * (g - (g * p).sum(dim, keepdims=True))
"""


@pytest.mark.parametrize("in_process", [True, False])
def test_a_pair_that_reads_the_memory_of_its_value_is_caught(
    in_process: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand, in this process and in one of its own: the caller's array is the caller's."""
    (tmp_path / f"keeps{in_process}.py").write_text(KEEPS_ITS_VALUE)
    monkeypatch.syspath_prepend(tmp_path)
    target = f"keeps{in_process}:softmax"
    candidate = load(target) if in_process else isolated(target, folders=[str(tmp_path)])
    answered = softproof.judge(candidate, _problem("softmax", "float64"))
    found = check_behaviour(candidate, _problem("softmax", "float64"), check="value dropped")
    candidate.close()

    assert answered.ok
    assert str(found).startswith("disagrees: value dropped: grad_logits")


def test_each_problem_is_asked_for_gradients_without_its_value() -> None:
    """In one way or the other, and large problems in both."""
    candidate = load(F.log_softmax, adapter="torch")
    schedule = Schedule(candidate, Criteria("cpu", model(None), "", "C", None, 1.0), candidate.supports("log_softmax"))
    for _ in range(10):
        assert schedule.verdict(_problem("log_softmax")).ok
    dropped, detached = (schedule.counts["check", name] for name in LIFETIMES)

    assert dropped >= 5
    assert detached >= 5
    assert schedule.of_large(_problem("log_softmax")) is None
    assert schedule.counts["check", LIFETIMES[0]] == dropped + 1
    assert schedule.counts["check", LIFETIMES[1]] == detached + 1
    late = load(wrong.gradient_once_nobody_holds_the_value(), "log_softmax", "torch")
    found = replace(schedule, candidate=late).of_large(_problem("log_softmax"))
    assert found is not None
    assert found.explanation.startswith("value dropped: grad_logits")


def test_a_backward_pass_that_writes_is_caught() -> None:
    """The logits are the caller's."""
    report = softproof.verify(
        wrong.backward_that_writes(), operation="log_softmax", adapter="torch", seed=0, shrink=False
    )

    assert "the call changed its input logits" in str(report)


def _of_arrays(grad_output: Array, logits: Array, target: Array, **options: Any) -> Any:
    assert isinstance(grad_output, np.ndarray), type(grad_output)
    return manual.cross_entropy_backward(grad_output, logits, target, **options)


def test_another_upstream_gradient_is_an_array_too() -> None:
    """Also where it has no axes: what NumPy makes of its negative is a number."""
    candidate = load(manual, "cross_entropy", adapter="numpy")
    problem = Problem("cross_entropy", "float32", {"logits": ROWS, "target": [0, 1, 2]}, {}, grad_output=1.0)

    found = check_behaviour(
        replace(candidate, backwards={"cross_entropy": _of_arrays}), problem, check="after another backward"
    )
    assert found.ok, str(found)


def in_float32(logits: torch.Tensor, dim: int) -> torch.Tensor:
    """Softmax as many kernels compute it, whatever the dtype."""
    return torch.softmax(logits.float(), dim).to(logits.dtype)


@pytest.mark.draws
def test_a_row_is_judged_in_its_own_dtype(number_of_the_run: int) -> None:
    """What computes in float32 inside is right in float32, and not in float64."""
    seed = number_of_the_run
    report = softproof.verify(in_float32, operation="softmax", adapter="torch", examples=50, seed=seed)

    assert [row.verdict for row in report.rows] == ["disagrees", "agrees"]
    assert "after another dtype" in report.rows[1].asked.checks


def test_an_answer_in_another_dtype_is_no_error_of_this_one() -> None:
    """Its float64 numbers are those of float32, whenever they are asked."""
    problem = Problem("softmax", "float32", {"logits": ROWS}, {"dim": -1}, G)
    found = check_behaviour(load(in_float32, "softmax", "torch"), problem, check="after another dtype")

    assert found.ok, str(found)
    assert found.checks == ("after another dtype",)


def test_nor_is_it_where_another_output_is_the_worst() -> None:
    """Of the same numbers in a shape that was never asked, as a row judges them."""
    rng = np.random.default_rng(0)
    x, g = 8.0 * np.rint(4 * rng.normal(size=(200, 2))), FORMATS["float32"].round(rng.normal(size=(200, 2)))
    problem = Problem("softmax", "float32", {"logits": x}, {"dim": 0}, g)
    question = question_of(load(in_float32, "softmax", "torch"), problem, "cpu")

    assert check_answers(question, "after another dtype", partial(judge_result, bits=BITS[1:]))[0].ok


def test_what_disagrees_is_not_told_to_be_within_its_bound() -> None:
    """The line about other bits is about what agrees."""
    found = softproof.verify(wrong.gradient_of_the_first_pass(), operation="log_softmax", adapter="torch", seed=0,
                             dtypes=["float64"], without=_unrelated("log_softmax"), shrink=False).rows[0]  # fmt: skip

    assert (found.verdict, found.asked.differ) == ("disagrees", ())
    problem = Problem("log_softmax", "float64", {"logits": ROWS}, grad_output=G)
    again = check_behaviour(
        load(wrong.gradient_of_the_first_pass(), "log_softmax", "torch"), problem, check="after another backward"
    )
    assert (again.ok, again.differ) == (False, ())


def test_the_snippet_asks_in_the_same_way() -> None:
    """Pasted as it is, it prints the same verdict."""
    report = softproof.verify(not_for_inference, operation="softmax", adapter="torch", dtypes=["float32"], seed=1)
    failure = report.rows[0].failure
    assert failure is not None

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(failure.snippet, {})  # the snippet is what is under test

    assert (
        "check_behaviour(candidate, problem, check='inference_mode', dtypes=('float32',), device='cpu')"
        in failure.snippet
    )
    assert printed.getvalue().strip() == str(failure.verdict)


def not_for_inference(input: torch.Tensor, dim: int) -> torch.Tensor:
    """Looks at the version of its result."""
    found = F.softmax(input, dim)
    assert found._version >= 0
    return found


def test_other_bits_are_told_and_no_failure() -> None:
    """A sum in an order that changes is within the bound, and not reproducible."""
    without = ["scalars", "empty_classes"]  # which have no last axis, and no largest number
    report = softproof.verify(
        wrong.in_any_order(), operation="softmax", dtypes=["float32"], seed=0, examples=40, without=without
    )

    report.check()
    assert "asked again: within bounds: softmax (" in report.in_full()
    assert report.rows[0].asked.differ
    assert json.loads(report.to_json())["rows"][0]["other_bits"] == list(report.rows[0].asked.differ)


def test_the_same_bits_are_told() -> None:
    """One line for asking again, and one for the independence of rows."""
    report = softproof.verify("manual:log_softmax", dtypes=["float32"], seed=0, examples=30)

    assert "asked again: bitwise" in report.in_full()
    assert "batch invariance: " in report.in_full()
    assert {"asked twice", "rows alone"} <= set(report.rows[0].asked.checks)


def test_every_check_that_applies_is_asked_in_turn() -> None:
    """Within forty problems."""
    row = softproof.verify(F.cross_entropy, dtypes=["float32"], seed=0, examples=40, without=["nonfinite"]).rows[0]

    assert set(row.asked.checks) == set(CHECKS) - {"after another dtype"}


def test_a_hundred_problems_ask_each_question_ten_times() -> None:
    """Each that applies."""
    candidate = load(F.log_softmax, adapter="torch")
    schedule = Schedule(candidate, Criteria("cpu", model(None), "", "C", None, 1.0), candidate.supports("log_softmax"))

    for _ in range(100):
        assert schedule.verdict(_problem("log_softmax")).ok

    asked = [count for count in schedule.counts.values() if count]
    assert min(asked) >= 10
    assert {("check", "rows alone"), ("relation", "common shift")} <= {
        each for each, count in schedule.counts.items() if count
    }


def test_checks_and_relations_start_from_one_answer() -> None:
    """It is asked once for both: after the judge's own, it, two for the way, and the other side of the relation."""
    calls = []

    def softmax(logits: Array, dim: int = -1) -> Array:
        calls.append(1)
        return manual.softmax(logits, dim)

    candidate = load(softmax, adapter="numpy")
    schedule = Schedule(candidate, Criteria("cpu", model(None), "", "C", None, 1.0), candidate.supports("softmax"))
    schedule.counts = {("check", "asked twice"): 0, ("relation", "permuted classes"): 0}
    schedule.problems = 2 * SHARE
    calls.clear()

    assert schedule.verdict(Problem("softmax", "float64", {"logits": ROWS}, {"dim": -1})).ok
    assert set(schedule.counts.values()) == {1}
    assert len(calls) == 1 + 1 + 2 + 1


def test_without_leaves_invalid_labels_out() -> None:
    """For a kernel that documents another behaviour."""
    report = softproof.verify(wrong.labels_modulo_classes(), operation="cross_entropy", adapter="torch", seed=1,
                              dtypes=["float32"], examples=40, without=["invalid_labels", "nonfinite"])  # fmt: skip

    report.check()
    assert "invalid_labels" in str(report)


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_nothing_is_found_where_nothing_is_wrong(
    half: Candidate, operation: str, dtype: str, device: str, data: st.DataObject
) -> None:
    """Every way, on problems of every operation; those that apply to anything are always asked."""
    problem = data.draw(problems(operation, dtype))

    found = check_behaviour(half, problem, device=device)

    assert found.ok, found
    assert {"asked twice", "overwritten answers"} <= set(found.checks)
    if "target" not in problem.inputs:
        assert ("rows alone" in found.checks) == any(_sizes_of_rows(problem)[:1]), found.checks


def _sizes_of_rows(problem: Problem) -> list[int]:
    """The sizes of the axes that are none of the classes, of which there may be several, or none."""
    shape, dim = next(iter(problem.inputs.values())).shape, problem.options.get("dim", -1)
    dims = set(dim) if isinstance(dim, tuple) else {dim}
    return [size for axis, size in enumerate(shape) if dims.isdisjoint({axis, axis - len(shape)})]


OF_ALL = (
    "asked twice",
    "asked many times",
    "two threads",
    "overwritten answers",
    "after other values",
    "after another dtype",
    "after another shape",
    "updated in place",
)
OF_MEMORY = ("value dropped", "another call in between")
OF_ROWS = ("rows alone", "rows permuted", "padding rows", "another layout")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_checks_that_apply_are_named(half: Candidate, operation: str, dtype: str, device: str) -> None:
    """On three rows of three classes: no more and no fewer."""
    found = check_behaviour(half, three_rows(operation, dtype), device=device)

    loss = operation in ("cross_entropy", "linear_cross_entropy")
    by_torch = ("no_grad", "inference_mode") if half is REFERENCE else ()
    labels = (*["invalid labels"] * (device == "cpu"), "labels of another type") if loss else ()
    expected = (*OF_ALL, "after another backward", *by_torch, *OF_MEMORY, *labels, *(() if loss else OF_ROWS))
    assert found.verdict.outcome == "agrees"
    assert found.checks == expected
    assert found.verdict.explanation.startswith(f"{len(expected)} checks, ")


@pytest.mark.parametrize(
    "check", [check for check in CHECKS if check not in (*OF_ALL, *OF_ROWS, *OF_MEMORY, "after another backward")]
)
def test_a_check_that_does_not_apply_does_not_agree(check: str) -> None:
    """By hand no way that is about autograd does, nor one that is about labels: an outcome of its own, not ok."""
    found = check_behaviour(MANUAL, three_rows("softmax"), check=check)

    assert str(found) == f"not applicable: {check}: does not apply"
    assert (found.ok, found.checks) == (False, ())


@pytest.mark.parametrize(("ignored", "types"), [(-100, ["uint8", "int16", "int32"]), (300, ["int16", "int32"]),
                                                (-(2**32), [])])  # fmt: skip
def test_labels_have_the_types_that_hold_them(ignored: int, types: list[str]) -> None:
    """And the label that is ignored; there are more elements than such a type counts."""
    seen: dict[str, int] = {}

    def cross_entropy(logits: Array, target: Array, ignore_index: int = -100) -> Array:
        if target.dtype != np.int64:
            seen[target.dtype.name] = logits.size
        return np.asarray(manual.cross_entropy(logits, target.astype(np.int64), ignore_index=ignore_index))

    options = {} if ignored == -100 else {"ignore_index": ignored}
    problem = Problem("cross_entropy", "float32", {"logits": [[0.0, 2.0, 1.0]] * 5, "target": [0, 1, 2, 1, 0]}, options)

    found = check_behaviour(load(cross_entropy, adapter="numpy"), problem, check="labels of another type")

    assert found.ok
    assert list(seen) == types
    assert all(size > np.iinfo(name).max for name, size in seen.items() if name != "int32")


def test_labels_of_a_refused_type_are_no_wrong_answer() -> None:
    """torch's own loss takes int64."""
    seen: list[torch.dtype] = []

    def cross_entropy(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append(target.dtype)
        return F.cross_entropy(input, target)

    problem = three_rows("cross_entropy")
    found = check_behaviour(load(cross_entropy, adapter="torch"), problem, check="labels of another type")

    assert str(found) == "agrees: labels of another type: with the same bits"
    assert torch.int32 in seen


def test_labels_of_another_type_are_no_more_than_are_taken() -> None:
    """A function of few rows is asked as many as it is said to take."""
    rows: list[int] = []

    def cross_entropy(logits: Array, target: Array) -> Array:
        rows.append(len(target))
        return np.asarray(manual.cross_entropy(logits, target.astype(np.int64)))

    without = ["more_than_100_rows"]
    candidate = load(cross_entropy, adapter="numpy", without=without)

    assert check_behaviour(candidate, three_rows("cross_entropy"), check="labels of another type").ok
    assert max(rows) <= 100


def test_where_no_check_applies() -> None:
    """All are left out by name."""
    softmax = load("manual:softmax", without=list(CHECKS))

    assert str(check_behaviour(softmax, three_rows("softmax"))) == "not applicable: no check applies"


def test_what_cannot_be_asked_is_not_counted() -> None:
    """1e300 is no float32, and has no double in float64 next to the largest number."""
    candidate = load(F.softmax, adapter="torch")
    large = Problem("softmax", "float64", {"logits": [[1e300, 0.0]]}, {"dim": -1}, [[1.5e308, 0.0]])

    checks = check_behaviour(candidate, large).checks

    assert {"after another dtype", "two losses", "scaled loss"}.isdisjoint(checks)
    assert {"asked twice", "summed loss"} <= set(checks)


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "linear", "cross_entropy"])
@given(data=st.data())
def test_torch_by_autograd_behaves(operation: str, dtype: str, data: st.DataObject) -> None:
    """The checks that are about autograd, on torch itself."""
    candidate = load(getattr(F, operation), operation=operation, adapter="torch")
    supports = candidate.supports(operation) - {"nonfinite"}  # NaN in padding is a finding
    problem = data.draw(problems(operation, dtype, supports=supports))

    assert str(check_behaviour(candidate, problem)).startswith("agrees")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ([1.0, np.nan], [1.0, -np.nan], True),
        ([0.0], [-0.0], False),
        ([1.0], [1.0 + 2.0**-52], False),
        ([np.inf], [-np.inf], False),
        ([1.0], [[1.0]], False),
        ([np.nan], [1.0], False),
    ],
)
def test_bits(one: list[float], two: list[float], same: bool) -> None:
    """NaN is NaN, and everything else is itself."""
    assert same_bits(np.array(one), np.array(two)) is same


def test_a_problem_that_another_dtype_does_not_hold_is_not_asked() -> None:
    """1e300 is no float32, and 1e-300 none that is not 0."""
    for number in (1e300, 1e-300):
        assert in_dtype(Problem("softmax", "float64", {"logits": [number]}, {"dim": 0}), "float32") is None
    assert in_dtype(Problem("softmax", "float64", {"logits": [0.1]}, {"dim": 0}), "float32") is not None


def test_arguments_that_do_not_fit_are_errors() -> None:
    """Naming both sides."""
    problem = _problem("softmax")
    with pytest.raises(ValueError, match="check is 'sideways'; expected one of asked twice"):
        check_behaviour(REFERENCE, problem, check="sideways")
    with pytest.raises(ValueError, match="accuracy D"):
        check_behaviour(REFERENCE, problem, accuracy="D")


def test_each_thread_begins_once_and_then_asks() -> None:
    """What a device sets up for a thread is there before the candidate is called."""
    seen: list[tuple[int, str]] = []

    def note(what: str) -> None:
        seen.append((threading.get_ident(), what))

    at_once(lambda: note("ask"), lambda: note("other"), lambda: note("begin"))
    threads = {number for number, _ in seen}
    assert len(threads) == 2
    for thread in threads:
        told = [what for number, what in seen if number == thread]
        assert told[0] == "begin"
        assert told[1:] in (["ask"] * (2 + ROUNDS), ["other"] * (CALLS + ROUNDS))
