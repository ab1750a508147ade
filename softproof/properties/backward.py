"""Gradients once more: of other losses, without the value, and where memory was written to in between."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from ..problem.formats import FORMATS
from ..problem.outputs import gradient_names, value_shape
from ..problem.problem import Problem
from .questions import AnotherAnswer, Answers, Question, values


def after_another_backward(question: Question) -> Answers:
    """First the gradient for another upstream gradient, then the right one; by autograd on the same graph."""
    words = "after a backward pass with another upstream gradient"
    yield question.same(words, question.ask("after another backward"))


def two_losses(question: Question) -> Answers:
    """One tensor used twice gathers both gradients: exactly twice the first."""
    double = _twice(question.problem)
    assert double is not None  # or this check does not apply
    result = question.ask("accumulated")
    with np.errstate(over="ignore"):
        expected = {name: array if name == "value" else array + array for name, array in values(question.first).items()}
    yield AnotherAnswer("with two losses on one tensor", double, result, values(result), expected)


def holds_twice(question: Question) -> bool:
    """Gradients by autograd, of an upstream gradient whose double the format holds."""
    return question.by_autograd and _twice(question.problem) is not None


def _twice(problem: Problem) -> Problem | None:
    """The problem with twice the upstream gradient; None where the format does not hold it."""
    assert problem.grad_output is not None
    with np.errstate(over="ignore"):
        double = 2 * problem.grad_output.astype(np.float64)
    fmt = FORMATS[problem.dtype]
    return replace(problem, grad_output=double) if (np.abs(double) <= fmt.largest).all() else None


def some_gradients(question: Question) -> Answers:
    """Every non-empty subset of inputs with requires_grad: their gradients are the same as with all."""
    names = gradient_names(question.problem)
    for count in range(1, len(names)):
        for some in combinations(names, count):
            words = f"with requires_grad for {' and '.join(some)} alone"
            wanted = ["value", *(f"grad_{name}" for name in some)]
            yield question.same(words, question.ask("some gradients", *some), wanted)


def no_gradients(question: Question) -> Answers:
    """No input requires a gradient."""
    yield question.same("with requires_grad for nothing", question.ask("value alone"), ["value"])


def switched_off(question: Question, *, mode: str) -> Answers:
    """The value where autograd is switched off."""
    yield question.same(f"under {mode}", question.ask("switched off", mode), ["value"])


def scaled_loss(question: Question) -> Answers:
    """backward() of a loss that is multiplied by 2 is the gradient for twice the upstream gradient."""
    double = _twice(question.problem)
    assert double is not None  # or this check does not apply
    yield from _summed(question, "by backward() of twice the loss", double, "scaled")


def summed_loss(question: Question) -> Answers:
    """backward() of the sum of the value, whose upstream gradient is a single 1 seen many times (stride 0)."""
    ones = replace(question.problem, grad_output=np.ones(value_shape(question.problem)))
    yield from _summed(question, "by backward() of the sum", ones)


def _summed(question: Question, words: str, problem: Problem, *scaled: str) -> Answers:
    """backward() of a sum beside the usual answer to `problem`, which is judged as well."""
    result, usual = question.ask("backward of sum", *scaled), question.again(problem)
    yield AnotherAnswer(f"{words}, asked as usual", problem, usual)
    yield AnotherAnswer(words, problem, result, values(result), values(usual))


def overwritten_before_backward(question: Question) -> Answers:
    """If what the forward pass may have saved is overwritten, the gradient is still the right one, or an error."""
    for written in ("value", *question.problem.inputs):
        result = question.ask("overwritten before backward", written)
        if result.raised is None:
            yield question.same(f"with {written} overwritten before the backward pass", result)


def without_value(question: Question, *, check: str) -> Answers:
    """Gradients that are taken after the value was dropped, or detached."""
    yield question.same(check, question.ask(check))


def has_memory(question: Question) -> bool:
    """Gradients by autograd, or by a function of its own in the same memory as the arrays."""
    own = question.problem.operation in question.candidate.backwards and question.candidate.adapter != "process"
    return question.differentiates and (question.by_autograd or (own and not question.beside))


def another_call_in_between(question: Question) -> Answers:
    """The gradient of the first of two calls."""
    words = "with another call before the backward pass"
    yield question.same(words, question.ask("another call in between"))
