"""An interface that differs is no wrong number: what a kernel refuses *cannot be asked*, and the options say how to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

import softproof
from softproof.candidates.lookalikes import lookalikes
from softproof.problem.operations import OPERATIONS
from softproof.problem.problem import Array
from softproof.runs.harmless import kinds, plain
from softproof.runs.probing import cannot_ask, refusals

QUICK: dict[str, Any] = {"adapter": "numpy", "dtypes": ["float32"], "seed": 0, "arithmetic": "auto"}


def of_matrices(logits: Array) -> Array:
    """Right for matrices with rows and classes, along axis 1."""
    e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def of_matrices_backward(grad_output: Array, logits: Array) -> Array:
    """Of the same."""
    p = of_matrices(logits)
    return np.asarray(p * (grad_output - (p * grad_output).sum(axis=1, keepdims=True)))


def never(logits: Array) -> Array:
    """Answers nothing."""
    raise ValueError(f"no kernel for {logits.shape}")


def only_sometimes(logits: Array, dim: int = -1) -> Array:
    """Takes everything, and fails where the largest logit is negative."""
    if logits.size and logits.max() < 0:
        raise ValueError("no maximum")
    most = logits.max(dim, keepdims=True, initial=-np.inf)
    return np.asarray(np.exp(logits - most) / np.exp(logits - most).sum(dim, keepdims=True))


def row_of(function: Any, examples: int = 40, **interface: Any) -> softproof.Row:
    """Its only row."""
    (row,) = softproof.verify(function, operation="softmax", examples=examples, **QUICK, **interface).rows
    return row


def test_one_that_takes_single_numbers_alone_is_asked_what_a_number_is() -> None:
    """And the judge does not fail over what a number cannot be, such as without rows."""

    def softmax(logits: Array) -> Array:
        if logits.ndim:
            raise ValueError("one number, please")
        return np.ones_like(logits)

    row = row_of(softmax)
    assert (row.verdict, row.status) == ("cannot ask", 1)
    assert "--ndim 0" in row.outcome.reason


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_refused_cannot_be_asked_and_the_options_say_how() -> None:
    """With these options, as they are told, the same kernel agrees."""
    row = row_of(of_matrices)

    assert (row.verdict, row.status) == ("cannot ask", 1)
    assert "raised AxisError at test_cannot_ask.py:" in row.outcome.reason
    assert "--ndim 2 --without empty_classes" in row.outcome.reason
    assert "in Python: ndim=[2], without=['empty_classes']" in row.outcome.reason
    again = row_of(of_matrices, ndim=[2], without=["empty_classes"])
    assert again.verdict == "agrees", again.failure


def test_one_dimension_too_many_is_no_interface() -> None:
    """A single number is the same with it and without: what is right for that alone is wrong."""

    def logsumexp(logits: Array) -> Array:
        most = logits.max(-1, keepdims=True, initial=-np.inf) if logits.ndim else logits
        return np.asarray(most + np.log(np.exp(logits - most).sum(-1, keepdims=True)) if logits.ndim else logits)

    (row,) = softproof.verify(logsumexp, operation="logsumexp", examples=5, without=["nonfinite"], **QUICK).rows
    assert (row.verdict, "value has shape" in str(row.failure)) == ("disagrees", True)


def test_labels_of_another_dtype_are_converted_by_whoever_wants_them() -> None:
    """There is no option for that."""

    def loss(logits: Array, target: Array) -> Array:
        if target.dtype != np.int32:
            raise TypeError("labels must be int32")
        return np.zeros((), logits.dtype)

    (row,) = softproof.verify(loss, operation="cross_entropy", examples=5, **QUICK).rows
    assert (row.verdict, row.outcome.reason.rpartition(". ")[2]) == (
        "cannot ask", "Labels are given as int64: judge a function that converts them, and calls it"
    )  # fmt: skip


def test_who_answers_nothing() -> None:
    """Has no options that would help, and is told what it raised."""
    row = row_of(never)

    assert row.verdict == "cannot ask"
    assert "it answers no question: raised ValueError at test_cannot_ask.py:" in row.outcome.reason


def test_an_error_for_what_is_taken_disagrees() -> None:
    """As ever: a crash on some numbers is no difference of an interface."""
    row = row_of(only_sometimes)

    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert "raised ValueError at test_cannot_ask.py:" in row.failure.verdict.explanation


def with_a_broken_backward(logits: Array) -> Array:
    """Right for matrices, and its gradient raises an error."""
    return of_matrices(logits)


def with_a_broken_backward_backward(_grad_output: Array, _logits: Array) -> Array:
    """Not there yet."""
    raise NotImplementedError("to do")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_that_raises_disagrees() -> None:
    """It is no kind of question that is refused, but the gradient."""
    row = row_of(with_a_broken_backward, ndim=[2], without=["empty_classes"])

    assert row.verdict == "disagrees"


def test_the_axis_of_who_has_none() -> None:
    """Numbers along another axis than the last are another interface, if those of a matrix are right."""
    found = refusals(softproof.load(of_matrices, operation="softmax", adapter="numpy"), "softmax", "float32")

    assert found.ndim == (2,)
    assert set(found.dimensions) == {0, 1, 3, 4, 5}
    assert "another axis" in found.dimensions[3]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("ndim", range(5))
def test_every_number_of_dimensions_has_its_questions(operation: str, ndim: int) -> None:
    """Also where it is the only one that a function takes."""
    supports = frozenset(OPERATIONS[operation].extras)
    usual = plain(operation, "float32", supports, ndim)
    asked = [] if usual is None else list(kinds(operation, "float32", supports, usual))

    assert len(asked) >= (usual is not None)
    assert all(each.option in supports | {"layouts", "fewer_than_2_classes"} for each in asked)


def test_who_takes_single_samples_alone() -> None:
    """A loss of logits (C,) is told so, and agrees then."""

    def loss(logits: Array, target: Array) -> Array:
        if logits.ndim != 1:
            raise ValueError("one sample, please")
        x = logits - logits.max()
        return np.asarray(np.log(np.exp(x).sum()) - x[target], logits.dtype)

    without = ["nonfinite", "invalid_labels", "probabilities"]
    (row,) = softproof.verify(loss, operation="cross_entropy", without=without, examples=10, **QUICK).rows
    assert row.verdict == "cannot ask"
    assert "--ndim 1" in row.outcome.reason


def test_who_takes_no_probabilities_is_not_told_that_they_sum_to_1() -> None:
    """The one option says all."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        return -logits.log_softmax(1).gather(1, target[:, None]).mean()

    refused = refusals(softproof.load(loss, operation="cross_entropy"), "cross_entropy", "float32").without
    assert "probabilities" in refused
    assert "unnormalised" not in refused


@pytest.mark.parametrize("operation", OPERATIONS)
def test_manual_refuses_nothing(operation: str) -> None:
    """So that every harmless question is one that can be answered; and each kind has one."""
    candidate = softproof.load("manual", operation=operation)
    supports = candidate.supports(operation)
    usual = plain(operation, "float32", supports)
    assert usual is not None
    asked = list(kinds(operation, "float32", supports, usual))

    found = refusals(candidate, operation, "float32")
    assert (found.dimensions, found.without, found.error) == ({}, {}, "")
    left = set(supports) - {each.option for each in asked} - {"jvp", "hvp", "invalid_labels"}
    assert left <= {
        "unbatched",
        "reduction",
        "labels",
    }  # asked by dimensions, values, the usual question
    assert all(softproof.judge(candidate, each.problem).ok for each in asked if each.option != "nonfinite")


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        (["scores", "labels", "ignore_idx", "chunk"], {"ignore_index": "ignore_idx"}),
        (["x", "t", "smoothing", "reduce"], {"label_smoothing": "smoothing", "reduction": "reduce"}),
        (["logits", "target", "weight", "ignore_index"], {}),
        (["ignore_idx", "smoothing"], {}),
        (["x", "t", "labelsmoothing"], {"label_smoothing": "labelsmoothing"}),
    ],
)
def test_what_looks_like_an_option(parameters: list[str], found: dict[str, str]) -> None:
    """By a name in use, or by how it is written; not the inputs, which may be called anything."""
    assert lookalikes("cross_entropy", parameters, {}) == found


def test_the_report_warns_of_what_was_not_tested() -> None:
    """With the option to use."""

    def smoothed(logits: Array, target: Array, smooth: float = 0.0) -> Array:
        raise ValueError(f"{logits} {target} {smooth}")

    report = softproof.verify(smoothed, operation="cross_entropy", examples=3, **QUICK)
    assert "warning: 'smooth' looks like label_smoothing, which was not tested: --name label_smoothing=smooth" in str(
        report
    )


def right_for_numbers_alone(logits: Array) -> Array:
    """A softmax of a single number; of all else it is merely wrong."""
    return np.ones_like(logits)


def test_a_wrong_number_is_no_other_axis() -> None:
    """Only what is right along another axis is another interface."""
    found = refusals(softproof.load(right_for_numbers_alone, "softmax", "numpy"), "softmax", "float32")

    assert found.dimensions == {}
    assert found.ndim == (0, 1, 2, 3, 4, 5)


def losses(logits: Array, target: Array) -> Array:
    """Of each row, as `reduction="none"` has them, and in float32 in every format."""
    x = logits.astype(np.float32)
    x = x - x.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(x).sum(-1)) - np.take_along_axis(x, target[:, None], -1)[:, 0])


def total(logits: Array, target: Array) -> Array:
    """As `reduction="sum"` has it."""
    return np.asarray(losses(logits, target).sum(dtype=logits.dtype))


def smoothed(logits: Array, target: Array, eps: float = 0.1) -> Array:
    """The mean, with a smoothing that is fixed."""
    x = logits - logits.max(-1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(-1, keepdims=True))
    own = np.take_along_axis(log_p, target[:, None], -1)[:, 0]
    return np.asarray(-((1 - eps) * own + eps * log_p.mean(-1)).mean(dtype=logits.dtype))


LOSS: dict[str, Any] = {"operation": "cross_entropy", "ndim": [2], "examples": 10, **QUICK,
                        "without": ["empty", "nonfinite", "invalid_labels", "probabilities"]}  # fmt: skip


@pytest.mark.parametrize(
    ("function", "form", "options", "more"),
    [
        (losses, "float32", "--fixed reduction=none", {"fixed": {"reduction": "none"}}),
        (total, "float32", "--fixed reduction=sum", {"fixed": {"reduction": "sum"}}),
        (smoothed, "float32", "--fixed label_smoothing=0.1", {"fixed": {"label_smoothing": 0.1}}),
        (losses, "float16", "--fixed reduction=none --without half_value", {"fixed": {"reduction": "none"}}),
    ],
)
def test_what_is_right_for_another_interface_is_no_disagreement(
    function: Any, form: str, options: str, more: dict[str, Any]
) -> None:
    """The options are named, and with them the same kernel agrees."""
    arguments = {**LOSS, "dtypes": [form]}
    (row,) = softproof.verify(function, **arguments).rows
    assert (row.verdict, row.status) == ("cannot ask", 1)
    assert f"Say so: {options} (in Python: " in row.outcome.reason

    left = [*LOSS["without"], *(["half_value"] if "half_value" in options else [])]
    (again,) = softproof.verify(function, **{**arguments, "without": left}, **more).rows
    assert again.verdict == "agrees", again.failure
    assert ("half_value" in again.asked.unsupported) == ("half_value" in left)


def test_what_is_right_for_nothing_disagrees() -> None:
    """A wrong number stays one, whatever options there are."""
    (row,) = softproof.verify(lambda logits, target: 2 * losses(logits, target), **LOSS).rows

    assert row.verdict == "disagrees"


def test_a_half_value_is_rounded_once() -> None:
    """What is judged is the nearest number of the format, and only of a value in float32."""
    how: dict[str, Any] = {"operation": "cross_entropy", "adapter": "numpy", "fixed": {"reduction": "none"}}
    problem = softproof.Problem("cross_entropy", "float16", {"logits": [[0.5, 2.0]], "target": [0]},
                                {"reduction": "none"})  # fmt: skip
    given = losses(problem.inputs["logits"], problem.inputs["target"])

    found = softproof.load(losses, without=["half_value"], **how).answer(problem).outputs["value"]
    assert found.dtype == "float16"
    assert found.values.tolist() == given.astype(np.float16).astype(float).tolist()
    assert softproof.load(losses, **how).answer(problem).outputs["value"].dtype == "float32"


def keyword_only(logits: Array, *, d: int) -> Array:
    """Needs its axis by name."""
    return logits + d


def two_results(logits: Array) -> tuple[Array, Array]:
    """With what it is made of."""
    return logits, logits


def by_name_alone(*, scores: Array) -> Array:
    """Its input by name."""
    return scores


def with_a_size(logits: Array, block: int) -> Array:
    """Has a number of its own."""
    return logits[:block]


@pytest.mark.parametrize(
    ("function", "option"),
    [
        (keyword_only, "--name dim=d"),
        (two_results, "--output 0"),
        (by_name_alone, "--name logits=scores"),
        (with_a_size, "--extra block=VALUE"),
    ],
)
def test_who_is_called_otherwise_is_told_how(function: Any, option: str) -> None:
    """By the error, and by its parameters."""
    row = row_of(function)

    assert row.verdict == "cannot ask"
    assert f": {option}; or let `softproof init` find out" in row.outcome.reason


def without_masks(logits: Array, dim: int = -1) -> Array:
    """A softmax whose answer is NaN beside a class that is masked."""
    found = np.exp(logits - logits.max(dim, keepdims=True, initial=-np.inf))
    found = found / found.sum(dim, keepdims=True)
    masked = np.isneginf(logits) & np.isfinite(logits).any(dim, keepdims=True)
    return np.asarray(np.where(masked.any(dim, keepdims=True), np.nan, found))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_who_does_not_take_masks_is_told_what_leaves_them_out() -> None:
    """The diagnosis asks the same question without them; with the option no class is masked any more."""
    row = row_of(without_masks, without=["empty_classes", "nonfinite"], diagnose=True)
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert row.failure.diagnosis.next.endswith("leave them out: --without masked")
    assert "right with 0 in the place of -inf" in str(row.failure.diagnosis.patterns[0])

    again = row_of(without_masks, without=["empty_classes", "nonfinite", "masked"], examples=100)
    assert again.verdict == "agrees", again.failure
    assert "masked classes" not in again.coverage.regions


def one_format(logits: Array, dim: int = -1) -> Array:
    """In float64 alone."""
    if logits.dtype != np.float64:
        raise TypeError("float64, please")
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


def test_who_answers_in_another_dtype_is_told_which() -> None:
    """And nothing about how it is called."""
    assert row_of(one_format).outcome.reason.endswith("It answers in float64: --dtype float64")


def of_batches(logits: Array, target: Array) -> Array:
    """A mean over rows, of which there have to be some."""
    if len(target) == 0:
        raise ValueError("no rows")
    return np.asarray(losses(logits, target).mean(dtype=logits.dtype))


def test_a_relation_that_asks_for_what_is_refused_cannot_be_asked() -> None:
    """A loss without a batch, beside a problem with one."""
    without = ["empty", "nonfinite", "invalid_labels", "probabilities"]
    (row,) = softproof.verify(of_batches, operation="cross_entropy", without=without, examples=60, **QUICK).rows

    assert row.verdict == "cannot ask"
    assert "--ndim 2" in row.outcome.reason


def breaks_elsewhere(logits: Array, dim: int = -1) -> Array:
    """Refuses rows of no class by one line, and fails by another line of this file where it should not."""
    if logits.size == 0:
        raise ValueError("no classes")
    if logits.max() < 0:
        raise ValueError("no maximum")
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


def test_an_error_at_another_line_is_not_the_same() -> None:
    """What is refused is told by the line that refuses it."""
    candidate = softproof.load(breaks_elsewhere, operation="softmax", adapter="numpy")
    found = refusals(candidate, "softmax", "float32")
    assert found.without.keys() >= {"empty", "empty_classes"}

    for logits, refused in (([-1.0, -2.0], False), ([], True)):
        problem = softproof.Problem("softmax", "float32", {"logits": logits}, {"dim": -1})
        said = cannot_ask(candidate, found, problem, f"raised {candidate.answer(problem).raised}")
        assert bool(said) == refused, said


def the_other_way_round(labels: Array, scores: Array) -> Array:
    """A loss that takes labels first."""
    return losses(scores, labels)


def test_inputs_in_another_order_are_noticed() -> None:
    """By their names, until they are named; then the kernel agrees."""
    (row,) = softproof.verify(the_other_way_round, **LOSS).rows
    assert row.asked.hints == (
        "its parameters look like the inputs in another order: --name logits=scores --name target=labels",
    )

    names = {"logits": "scores", "target": "labels"}
    (again,) = softproof.verify(the_other_way_round, names=names, fixed={"reduction": "none"}, **LOSS).rows
    assert (again.asked.hints, again.verdict) == ((), "agrees"), again.failure


# ---- too large ------------------------------------------------------------------------------------------------------


def _at_most(most: int, error: Exception) -> Any:
    """A softmax of NumPy that raises an error for longer rows."""

    def softmax(logits: Array, dim: int = -1) -> Array:
        if logits.ndim and logits.shape[dim] > most:
            raise error
        top = logits.max(dim, keepdims=True, initial=-np.inf)
        e = np.exp(logits - top)
        return np.asarray(e / e.sum(dim, keepdims=True))

    return softmax


def test_longer_rows_than_it_takes_are_left_out() -> None:
    """An error that says so on purpose is no wrong number; below the limit it is asked as before."""
    limited = _at_most(3000, ValueError("rows are too long"))

    refused = row_of(limited, examples=100, without=["nonfinite", "masked", "empty"])
    left_out = row_of(limited, examples=100, without=["nonfinite", "masked", "empty", "more_than_3000_classes"])

    assert refused.verdict == "cannot ask"
    assert refused.outcome.reason.endswith(
        "With 3000 classes it agrees. If it is not to take more: --without more_than_3000_classes"
    )
    assert left_out.verdict == "agrees"
    assert "more_than_3000_classes" in left_out.asked.unsupported


@pytest.mark.parametrize("error", [IndexError("index 70000"), KeyError("no such row")])
def test_an_accident_in_a_long_row_disagrees(error: Exception) -> None:
    """Which nobody has raised on purpose."""
    assert row_of(_at_most(3000, error), examples=100, without=["nonfinite", "masked", "empty"]).verdict == "disagrees"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: out of memory")])
def test_no_memory_says_nothing_of_numbers(error: Exception) -> None:
    """Whatever it is called."""
    row = row_of(_at_most(3000, error), examples=100, without=["nonfinite", "masked", "empty"])

    assert row.verdict == "cannot ask"
    assert "There was no memory left" in row.outcome.reason
    assert row.outcome.lost == ""


def test_a_size_has_a_name() -> None:
    """Any other is an error that says which there are."""
    with pytest.raises(
        ValueError, match=r"without names more_than_9_heads; expected .* such as more_than_65536_classes"
    ):
        row_of(of_matrices, without=["more_than_9_heads"])
