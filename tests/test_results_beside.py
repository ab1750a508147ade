"""Gradients that a function returns beside its value are judged, and nothing is asked of it that it cannot give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softproof
from softproof import Problem, check_behaviour, check_relations, judge, load
from softproof.problem.problem import Array
from softproof.runs.profile import Probe
from tests.helpers.profiles import opener_of

LABELS = np.array([1, 0])
LOGITS = np.array([[0.0, 0.5, -1.0], [2.0, 0.25, 0.0]])
LEFT_OUT = ("probabilities", "invalid_labels", "all_ignored", "ignore_index", "empty")
Results = tuple[Any, ...]


def losses(logits: Array, labels: Array) -> Results:
    """Of the rows, and their gradient."""
    rows = np.arange(len(labels))
    z = logits - logits.max(-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(-1, keepdims=True)
    grad = e / total
    grad[rows, labels] -= 1
    return np.log(total[:, 0]) - z[rows, labels], grad


def mean(logits: Array, labels: Array) -> Results:
    """The mean loss and its gradient."""
    each, grad = losses(logits, labels)
    return each.mean(), grad / logits.dtype.type(len(labels))


def logps(logits: Array, labels: Array) -> Results:
    """Log-probabilities, and their gradient."""
    each, grad = losses(logits, labels)
    return -each, -grad


def layer(features: Array, w: Array, labels: Array) -> Results:
    """A classifier, and the gradient of its weight (classes, features)."""
    loss, grad = mean(features @ w.T, labels)
    return loss, grad.T @ features


def turned_layer(features: Array, w: Array, labels: Array) -> Results:
    """The same with a weight (features, classes)."""
    loss, grad = layer(features, w.T, labels)
    return loss, grad.T


def asked(upstream: Any = 3.0, reduction: str = "mean") -> Problem:
    """A usual question, for another upstream gradient than 1."""
    return Problem("cross_entropy", "float64", {"logits": LOGITS, "target": LABELS}, {"reduction": reduction}, upstream)


def loaded(function: Callable[..., Any], operation: str = "cross_entropy", **interface: Any) -> Any:
    """In NumPy, with the gradient of the logits as result 1."""
    interface = {"gradients": {"logits": 1}, "fixed": {"reduction": "mean"}, "ndim": [2], **interface}
    return load(function, operation=operation, adapter="numpy", without=LEFT_OUT, **interface)


def test_a_right_gradient_agrees() -> None:
    """It is asked for an upstream gradient of 1, whatever the problem says."""
    candidate = loaded(mean)

    verdict = judge(candidate, asked())

    assert candidate.differentiates("cross_entropy")
    assert verdict.ok
    assert "grad_logits" in verdict.ratios
    assert verdict.problem is not None
    assert verdict.problem.grad_output == 1


@pytest.mark.parametrize(
    ("grad", "words"),
    [
        (lambda right: 2 * right, "6 of 6 elements"),
        (lambda right: -right, "6 of 6 elements"),
        (lambda right: right[:, :-1], "grad_logits has shape (2, 2); expected (2, 3)"),
        (lambda right: right.astype(np.float32), "grad_logits has dtype float32; expected float64"),
        (lambda _right: None, "result 1 is None; expected the gradient of logits"),
        (lambda _right: "no array", "the answer is a str; expected a NumPy array"),
    ],
)
def test_a_wrong_gradient_disagrees(grad: Callable[[Array], Any], words: str) -> None:
    """Whatever it is in place of the gradient."""

    def wrong(logits: Array, labels: Array) -> Results:
        loss, right = mean(logits, labels)
        return loss, grad(right)

    verdict = judge(loaded(wrong), asked())

    assert verdict.outcome == "disagrees"
    assert words in verdict.explanation


def test_no_such_result_disagrees() -> None:
    """It is no error of the judge."""
    verdict = judge(loaded(mean, gradients={"logits": 2}), asked())

    assert "gave 2 results; expected the gradient of logits as result 2, counted from 0" in verdict.explanation


@pytest.mark.parametrize("function", [losses, logps])
def test_gradients_of_rows(function: Callable[..., Any]) -> None:
    """Of losses that are not reduced, and of minus the losses."""
    candidate = loaded(function, fixed={"reduction": "none"}, negative=function is logps)

    assert judge(candidate, asked([0.5, -2.0], "none")).ok
    wrong = loaded(function, fixed={"reduction": "none"}, negative=function is losses)
    assert judge(wrong, asked([0.5, -2.0], "none")).outcome == "disagrees"


def of_layer() -> Problem:
    """A classifier with a bias that nobody has here."""
    inputs: dict[str, Any] = {
        "input": [[0.5, 1.0, -1.0, 2.0], [1.0, 0.0, 0.25, 1.0]],
        "linear_weight": np.eye(3, 4),
        "target": LABELS,
    }
    return Problem("linear_cross_entropy", "float64", inputs, {"reduction": "mean"}, 2.0)


@pytest.mark.parametrize("function", [layer, turned_layer])
def test_some_gradients_alone(function: Callable[..., Any]) -> None:
    """That of the weight is judged, and that of the features is not asked; in the order of the candidate's axes."""
    turned = ["linear_weight"] if function is turned_layer else []
    candidate = loaded(function, "linear_cross_entropy", gradients={"linear_weight": 1}, transposed=turned)

    verdict = judge(candidate, of_layer())

    assert verdict.ok
    assert set(verdict.ratios) == {"value", "grad_linear_weight"}
    assert check_behaviour(candidate, of_layer()).ok
    assert check_relations(candidate, of_layer()).ok
    assert verdict.problem is not None
    assert verdict.problem.gradients == ("linear_weight",)


def nested(logits: Array, labels: Array) -> Results:
    """A loss, and beside it gradients by name."""
    loss, grad = mean(logits, labels)
    return loss, {"dlogits": grad, "none": None}


def nested_twice(logits: Array, labels: Array) -> dict[str, Any]:
    """By name, in one another."""
    loss, grad = mean(logits, labels)
    return {"out": {"loss": loss}, "grads": [grad]}


@pytest.mark.parametrize("function", [nested, nested_twice])
@pytest.mark.parametrize("factor", [1, 2])
def test_results_in_results(function: Callable[..., Any], factor: int) -> None:
    """Are named by both."""
    place, value = ("1.dlogits", 0) if function is nested else ("grads.0", "out.loss")

    def given(logits: Array, labels: Array) -> Any:
        answer: Any = function(logits, labels)
        if function is nested:
            answer[1]["dlogits"] *= factor
        else:
            answer["grads"][0] *= factor
        return answer

    verdict = judge(loaded(given, gradients={"logits": place}, output=value), asked())

    assert verdict.outcome == ("agrees" if factor == 1 else "disagrees")
    assert "grad_logits" in (verdict.ratios if factor == 1 else verdict.explanation)


def test_no_result_in_a_result() -> None:
    """Is told with those that there are."""
    verdict = judge(loaded(nested, gradients={"logits": "1.dlogit"}), asked())
    assert "results by name: 1.dlogits, 1.none; expected the gradient of logits" in verdict.explanation
    assert "did you mean" in verdict.explanation
    verdict = judge(loaded(nested, gradients={"logits": "1.none"}), asked())
    assert "result 1.none is None" in verdict.explanation


def test_results_in_results_are_found_out() -> None:
    """Which is the gradient of which input, by their numbers."""
    given: dict[str, Any] = {"operation": "cross_entropy", "arithmetic": "any-order", "dtypes": ["float64"]}
    found = Probe(opener_of(nested, "numpy"), "nested", given, "cpu").profile()
    assert (found.arguments["output"], found.arguments["gradients"]) == (0, {"logits": "1.dlogits"})


def test_what_is_not_asked_is_told() -> None:
    """Of a row: other upstream gradients, and the inputs without a gradient; no check of a backward pass is made."""
    report = softproof.verify(
        layer, operation="linear_cross_entropy", adapter="numpy", gradients={"linear_weight": 1}, in_process=True,
        fixed={"reduction": "mean"}, without=[*LEFT_OUT, "k_dimensional"], dtypes=["float32"], examples=40, seed=0,
        ndim=[2],
    )  # fmt: skip
    report.check()
    (row,) = report.rows

    assert row.asked.gradients
    assert {"upstream gradients other than 1", "the gradient of input"} <= set(row.asked.unsupported)
    assert "the gradient of linear_weight" not in row.asked.unsupported
    assert not {"after another backward", "another call in between", "summed loss"} & set(row.asked.checks)
    assert "upstream gradient" not in row.asked.relations


def test_in_another_process() -> None:
    """The same; and what shows a failure again says which result it is."""
    report = softproof.verify(
        "tests.test_results_beside:doubled", operation="cross_entropy", adapter="numpy", gradients={"logits": 1},
        fixed={"reduction": "mean"}, without=[*LEFT_OUT, "nonfinite", "masked"], dtypes=["float32"], examples=20,
        seed=0, ndim=[2],
    )  # fmt: skip
    failure = report.rows[0].failure

    assert failure is not None
    assert failure.verdict.output == "grad_logits"
    assert "gradients={'logits': 1}" in failure.snippet
    printed: list[softproof.Verdict] = []
    exec(failure.snippet, {"print": printed.append})
    assert printed[0].outcome == "disagrees"


def doubled(logits: Array, labels: Array) -> Results:
    """Wrong."""
    loss, grad = mean(logits, labels)
    return loss, 2 * grad


def test_a_problem_asks_some_gradients() -> None:
    """It says so, and is another problem."""
    whole = of_layer()
    some = Problem(whole.operation, whole.dtype, whole.inputs, whole.options, 2.0, gradients=["input"])

    assert "gradients=('input',)" in repr(some)
    assert some.digest() != whole.digest()


def switched(logits: Array, labels: Array, return_grad: bool = False) -> Any:
    """The mean, and its gradient where that is asked for, twice too large."""
    loss, grad = mean(logits, labels)
    return (loss, 2 * grad) if return_grad else loss


def test_a_switch_for_the_gradient_is_found_out() -> None:
    """So that the gradient is judged; one whose value is wrong then is asked without."""
    found = Probe(opener_of(switched, "numpy"), "my_ce", {"arithmetic": "any-order"}, "cpu").profile()

    assert found.arguments["extra"] == {"return_grad": True}
    assert "return_grad that is False" in found.not_tested
    assert (found.arguments["output"], found.arguments["gradients"]) == (0, {"logits": 1})

    def other(logits: Array, labels: Array, return_grad: bool = False) -> Any:
        value = switched(logits, labels)
        return (3 * value, value) if return_grad else value

    def wrong_without(logits: Array, labels: Array, return_grad: bool = False) -> Any:
        value = mean(logits, labels)[0]
        return mean(logits, labels) if return_grad else 3 * value

    for each in (other, wrong_without):
        found = Probe(opener_of(each, "numpy"), "my_ce", {"arithmetic": "any-order"}, "cpu").profile()
        assert not {"extra", "output"} & found.arguments.keys()
        assert found.not_tested["gradient"] == "it has no backward pass"
