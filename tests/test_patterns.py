"""What failures have in common is said in words, with counts: with what they come, what the answer is, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from softproof import Problem, judge, load
from softproof.bounds.models import model
from softproof.diagnosis.diagnose import AGAIN, Diagnosing, Failed
from softproof.diagnosis.features import BY_CHANCE, WITH, only_with
from softproof.diagnosis.kinds import ALONE, FOR_ALONE
from softproof.diagnosis.models import try_next
from softproof.diagnosis.record import Pattern
from softproof.problem.problem import Array

ROWS = Problem("softmax", "float32", {"logits": [[1.0, 2.0, 4.0], [0.5, 0.0, -3.0]]}, {"dim": 1})
LABELS = Problem("cross_entropy", "float32", {"logits": [[1.0, 2.0], [0.5, 0.0]], "target": [0, 1]}, grad_output=0.5)
SHARES = {"p": [0.25, 0.75], "q": [0.5, 0.5]}


def softmax(logits: Array, dim: int = -1) -> Array:
    """A right one."""
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


def along_the_last(logits: Array, dim: int = -1) -> Array:
    """Whatever it is told."""
    return softmax(logits, dim if dim > logits.ndim else -1)


def cut_off(logits: Array, dim: int = -1) -> Array:
    """The sum of the first 100 classes."""
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / np.take(e, range(min(100, e.shape[dim])), dim).sum(dim, keepdims=True))


def in_bits(p: Array, q: Array, dim: int = -1) -> Array:
    """A divergence by log₂."""
    with np.errstate(all="ignore"):
        terms = np.where(p > 0, p * (np.log2(p) - np.log2(q)), 0)
    return np.asarray(terms.sum(dim, dtype=p.dtype))


class Loss:
    """A mean of -log p with a gradient that may be told what to do wrong."""

    def __init__(self, wrong: Callable[[Array, Array], Array]) -> None:
        self.wrong = wrong

    def __call__(self, logits: Array, target: Array) -> Array:
        """The loss."""
        return np.asarray(-np.log(softmax(logits, 1)[np.arange(len(target)), target]).mean(dtype=logits.dtype))

    def backward(self, grad_output: Array, logits: Array, target: Array) -> Array:
        """g (p - y)/N, and what is done to it."""
        one_hot = (np.arange(logits.shape[1]) == target[:, None]).astype(logits.dtype)
        gradient = grad_output * (softmax(logits, 1) - one_hot) / logits.dtype.type(len(target))
        return np.asarray(self.wrong(gradient, one_hot), logits.dtype)


def patterns(candidate: Any, problem: Problem) -> list[str]:
    """In words, without known bugs."""
    verdict = judge(candidate, problem)
    assert verdict.outcome == "disagrees"
    found = Diagnosing("cpu", "C").diagnosis(candidate, Failed(verdict), model(None))
    assert found.fault == "no known bugs in this test"
    return [str(each) for each in found.patterns]


@pytest.mark.parametrize(
    ("outside", "inside"), [("float64", "float32"), ("float32", "float16"), ("float64", "float16")]
)
def test_a_narrower_format_is_named(outside: str, inside: str) -> None:
    """Numbers that it has; of a number beside one nothing is said."""

    def narrow(logits: Array, dim: int = -1) -> Array:
        return softmax(logits.astype(inside), dim).astype(logits.dtype)

    def beside(logits: Array, dim: int = -1) -> Array:
        return np.asarray(narrow(logits, dim) * logits.dtype.type(1 + 2**-20))

    asked = Problem("softmax", outside, ROWS.inputs, ROWS.options)
    said = [words for words in patterns(load(narrow, "softmax"), asked) if "a number of" in words]
    assert [words.partition(" wherever")[0] for words in said][:1] == [f"the answer is a number of {inside}"]
    assert not [words for words in patterns(load(beside, "softmax"), asked) if "a number of" in words]
    verdict = judge(candidate := load(narrow, "softmax"), asked)
    found = Diagnosing("cpu", "C").diagnosis(candidate, Failed(verdict), model(None))
    assert found.next.endswith(f"--dtype {inside}")


def of_loss(wrong: Callable[[Array, Array], Array]) -> list[str]:
    """Of a loss whose gradient is wrong."""
    loss = Loss(wrong)
    candidate = load(loss, "cross_entropy", "numpy", ndim=[2], without=["empty", "probabilities", "invalid_labels"])
    candidate.backwards["cross_entropy"] = loss.backward  # type: ignore[index]  # a mapping that is a dict
    return patterns(candidate, LABELS)


def has(found: list[str], words: str) -> bool:
    """Whether a pattern begins like this, and its first two numbers are the same, or a majority."""
    return any(each.startswith(words) for each in found)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda gradient, _: -gradient, "the answer is the right one times -1: "),
        (lambda gradient, _: 2 * gradient, "the answer is the right one times 2: "),
        (lambda gradient, _: gradient * len(gradient), "the answer is the right one times N, the number of rows: "),
        (lambda gradient, _: gradient * np.float32(0.37), "the answer is the right one times 0.37: "),
        (lambda gradient, _: 0 * gradient, "the answer is 0 wherever it is wrong: "),
        (lambda gradient, one_hot: gradient * (1 + one_hot), "wrong only at the label: "),
        (lambda gradient, one_hot: gradient * one_hot, "wrong only beside the label: "),
        (lambda gradient, _: gradient * (np.arange(len(gradient))[:, None] < 1), "wrong only after the first row: "),
        (lambda gradient, _: np.roll(gradient, 1, 0), "the answer is that of the row before: "),
    ],
)
def test_a_gradient_in_words(wrong: Callable[[Array, Array], Array], words: str) -> None:
    """Each fault is told by what it does."""
    assert has(of_loss(wrong), words)


def test_an_upstream_gradient_that_is_not_read() -> None:
    """Both what failures come with, and what the answer is."""

    class Dropped(Loss):
        def backward(self, grad_output: Array, logits: Array, target: Array) -> Array:
            return super().backward(np.ones_like(grad_output), logits, target)

    loss = Dropped(lambda gradient, _: gradient)
    candidate = load(loss, "cross_entropy", "numpy", ndim=[2], without=["empty", "probabilities", "invalid_labels"])
    candidate.backwards["cross_entropy"] = loss.backward  # type: ignore[index]  # a mapping that is a dict
    found = patterns(candidate, LABELS)

    assert has(found, "fails only with an upstream gradient that is not 1: ")
    assert has(found, "the answer is the right one with an upstream gradient of 1: ")


def test_a_size_from_which_on_it_fails() -> None:
    """Found by bisection, and as a region."""
    rng = np.random.default_rng(0)
    problem = Problem("softmax", "float32", {"logits": rng.standard_normal((2, 300)).astype("f4")}, {"dim": 1})
    found = patterns(load(cut_off, "softmax", "numpy"), problem)

    assert "fails with 101 classes, and not with 100" in found


def test_a_size_in_rows_of_several_axes_and_in_features() -> None:
    """A layer whose gradient forgets rows is asked with its rows along one axis; one that stops early, with fewer."""

    def layer(x: Array, weight: Array, bias: Array | None = None) -> Array:
        value = x @ weight.T
        return value if bias is None else value + bias

    def backward(upstream: Array, x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, ...]:
        rows, of_rows = upstream.reshape(-1, len(weight)), x.reshape(-1, x.shape[-1])
        of_bias = () if bias is None else (rows[:64].sum(0, dtype=x.dtype),)
        return (upstream @ weight, rows.T @ of_rows, *of_bias)

    problem = Problem(
        "linear",
        "float32",
        {"input": np.zeros((5, 20, 1)), "weight": [[0.0]], "bias": [0.0]},
        grad_output=np.ones((5, 20, 1)),
    )
    candidate = load(layer, "linear", "numpy")
    candidate.backwards["linear"] = backward  # type: ignore[index]  # a mapping that is a dict
    assert patterns(candidate, problem)[0] == "fails with 65 rows, and not with 64"

    stops = load(lambda x, weight: layer(x[..., :32], weight[:, :32]), "linear", "numpy")
    long = Problem("linear", "float32", {"input": np.ones((1, 40)), "weight": np.ones((2, 40))})
    assert patterns(stops, long)[0] == "fails with 33 features, and not with 32"


def test_a_value_that_its_backward_pass_overwrites() -> None:
    """It is right until its gradient is taken, and the backward pass is what to look at."""

    class Overwriting(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.value = torch.log_softmax(x, -1)
            return ctx.value

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            return upstream - ctx.value.exp_() * upstream.sum(-1, keepdim=True)

    problem = Problem("log_softmax", "float32", ROWS.inputs, grad_output=np.ones((2, 3)))
    candidate = load(Overwriting.apply, "log_softmax", "torch")
    verdict = judge(candidate, problem)
    found = Diagnosing("cpu", "C").diagnosis(candidate, Failed(verdict), model(None))
    assert found.patterns[0] == ALONE
    assert found.next == FOR_ALONE


def advice(candidate: Any, problem: Problem) -> str:
    """What to do next."""
    return Diagnosing("cpu", "C").diagnosis(candidate, Failed(judge(candidate, problem)), model(None)).next


def test_what_to_do_about_a_size_and_about_an_option() -> None:
    """Where it begins; and what judges the rest."""
    long = Problem("softmax", "float32", {"logits": np.zeros(300)})
    assert advice(load(cut_off, "softmax", "numpy"), long).startswith("see what it does from that size on")
    only = [Pattern(f"{WITH}smoothing", 9, 9, 0, 9), Pattern(f"{WITH}a gradient", 9, 9, 0, 9)]
    assert "without smoothing (--without label_smoothing judges the rest), or run" in try_next(None, only[:1], ())
    assert "judges the rest" not in try_next(None, only[1:], ())


def test_an_input_that_is_written_is_the_cause() -> None:
    """Whatever kind of question it is written in."""

    def writes(logits: Array) -> Array:
        found = softmax(np.where(np.isfinite(logits), logits, -1e30).astype(logits.dtype))
        logits[np.isneginf(logits)] = 0
        return found

    masked = Problem("softmax", "float32", {"logits": [[0.0, -np.inf]]})
    assert advice(load(writes, "softmax", "numpy"), masked) == "if it is documented to overwrite that: --writes logits"


def test_an_answer_that_differs_from_call_to_call() -> None:
    """It is wrong once, and not again."""
    calls: list[int] = []

    def counting(logits: Array) -> Array:
        calls.append(1)
        return np.asarray(softmax(logits) * (2 if len(calls) == 1 else 1))

    rows = Problem("softmax", "float32", ROWS.inputs)
    assert advice(load(counting, "softmax", "numpy", tried=False), rows) == AGAIN


def test_another_base_and_another_axis() -> None:
    """A named factor, and another question."""
    found = patterns(load(in_bits, "kl_divergence", "numpy"), Problem("kl_divergence", "float32", SHARES, {"dim": 0}))
    assert has(found, "the answer is the right one times 1/log 2: a logarithm to base 2: ")

    found = patterns(load(along_the_last, "softmax", "numpy"), replaced(ROWS, dim=0))
    assert has(found, "the answer is the right one along the last axis: ")


def replaced(problem: Problem, **options: Any) -> Problem:
    """With other options."""
    return Problem(problem.operation, problem.dtype, problem.inputs, {**problem.options, **options})


def test_too_few_problems_tell_nothing() -> None:
    """One failure beside one agreement may be there by chance; and what always fails comes with nothing."""
    one, two = ROWS, replaced(ROWS, dim=0)

    assert only_with([(one, True, "value"), (two, False, "value")], "value") == []
    assert only_with([(one, False, "value"), (two, False, "value")], "value") == []
    assert only_with([(one, True, "value")], "value") == []


def test_counts_are_of_different_problems() -> None:
    """One that was asked twice counts once."""
    wide = [Problem("softmax", "float32", {"logits": np.full((2, 101 + k), 0.5)}, {"dim": 1}) for k in range(8)]
    narrow = [Problem("softmax", "float32", {"logits": np.full((2, 10 + k), 0.5)}, {"dim": 1}) for k in range(8)]
    failed = [(each, False, "value") for each in [*wide, *wide]]
    others = [(each, False, "grad_logits") for each in narrow]  # are another cause
    (found,) = only_with([*failed, *((each, True, "value") for each in narrow), *others], "value")

    assert found == Pattern("fails only with more than 100 classes", 8, 8, 0, 8)
    assert str(found) == "fails only with more than 100 classes: 8 of 8 with it, 0 of 8 without"
    assert BY_CHANCE < 0.05
