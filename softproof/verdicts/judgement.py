"""One question, one answer, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..bounds.accuracy import Accuracy
from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model, arithmetic_of, model
from ..candidates.implementation import Implementation
from ..problem.checks import check, check_asked
from ..problem.problem import Problem, Result
from ..problem.validation import check_kind, check_precisions, check_text
from ..truth.solver import FLOAT64
from .case import BALLS, BITS, Case
from .misfits import not_an_answer
from .verdict import AGREES, DISAGREES, NO_GUARANTEE, Verdict


def judge(
    implementation: Implementation,
    problem: Problem,
    *,
    device: str = "cpu",
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
    baseline: Implementation | None = None,
    factor: float = 1.0,
    bits: Sequence[int] = BITS,
) -> Verdict:
    """Ask `implementation` one question and compare its answer with the truth.

    The value is judged, and the gradients when the problem has a `grad_output` and the implementation a backward pass;
    and derivatives in the direction of its `tangent`, of those kinds that the implementation has.

    Args:
        implementation: what is judged, as `softproof.load` gives it.
        problem: the question.
        device: where tensors live.
        arithmetic: the model that the bound is a theorem about: a name from `softproof.MODELS`, an `Arithmetic`, or a
            function from a problem to one; by default sums in any order.
        accuracy: the class that is asked for, "A" to "D" (`softproof.bounds.accuracy`).
        baseline: for class D, whose error counts.
        factor: for class D, how many times that error is allowed.
        bits: precisions of the truth to try in turn; 53 is float64, and 106 is double-double.
    Returns: a `Verdict`.
    Raises: ValueError, TypeError or IndexError when the problem is malformed, or an argument does not fit.

    >>> import numpy as np, softproof
    >>> half = softproof.load(lambda logits, dim: np.full_like(logits, 0.5), operation="softmax")
    >>> print(judge(half, Problem("softmax", "float64", {"logits": [0.0, 0.0]}, {"dim": -1})).outcome)
    agrees
    """
    check_asked(implementation, problem, device)
    check_criteria(problem, arithmetic, accuracy, bits, factor)
    if accuracy != "D" and (baseline is not None or factor != 1.0):
        given = "factor" if baseline is None else "baseline"
        raise ValueError(f"{given} applies to class D, and accuracy is {accuracy!r}")
    problem, unasked = narrowed(implementation, problem)
    reached = None
    if accuracy == "D":
        if baseline is None:
            raise ValueError("accuracy D compares with a baseline; baseline is None")
        check_asked(baseline, problem, device, "baseline")
        balls = [each for each in bits if each != FLOAT64] or BALLS  # float64 would add its doubt to the error
        reached = judge(baseline, problem, device=device, arithmetic=arithmetic, bits=balls)
        if not reached.ok:
            return replace(reached, outcome=NO_GUARANTEE, explanation=f"the baseline {reached}", accuracy="D")
        unasked |= {"jvp", "hvp_logits"} - reached.ratios.keys()
    cited = {} if reached is None else reached.cited
    overflowed = frozenset(name for name, numbers in cited.items() if (numbers < 0).any())
    promised = Accuracy(accuracy, factor, None if reached is None else reached.ratios, overflowed)
    answer = implementation.answer(problem, device)
    return _judge(problem, answer, device, arithmetic, promised, bits, unasked)


def narrowed(implementation: Implementation, problem: Problem) -> tuple[Problem, frozenset[str]]:
    """What of a problem the implementation can be asked, and the outputs that it does not have."""
    if not implementation.differentiates(problem.operation):
        problem = replace(problem, grad_output=None)
    problem = implementation.interface.part(problem)
    if problem.tangent is None:
        return problem, frozenset()
    has = implementation.supports(problem.operation)
    unasked = frozenset(name for kind, name in (("jvp", "jvp"), ("hvp", "hvp_logits")) if kind not in has)
    return (replace(problem, tangent=None) if len(unasked) == 2 else problem), unasked


def judge_result(
    problem: Problem,
    result: Result,
    *,
    device: str = "cpu",
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
    bits: Sequence[int] = BITS,
) -> Verdict:
    """The verdict on an answer that was computed elsewhere, in class A, B or C; the arguments of `judge`."""
    if isinstance(accuracy, str) and accuracy == "D":
        raise ValueError("accuracy D compares with a baseline; softproof.judge asks it")
    check(problem)
    check_kind("result", result, Result, "a softproof.Result")
    check_text("device", device, "the name of one, such as 'cpu'")
    check_criteria(problem, arithmetic, accuracy, bits)
    return _judge(problem, result, device, arithmetic, Accuracy(accuracy), bits)


def check_criteria(
    problem: Problem,
    arithmetic: str | Arithmetic | Model | None,
    accuracy: str,
    bits: Sequence[int] = BITS,
    factor: float = 1.0,
) -> None:
    """ValueError or TypeError for an invalid model, accuracy class or precision, before any candidate is asked."""
    arithmetic_of(model(arithmetic), problem)
    Accuracy(accuracy, factor)
    check_precisions("bits", bits)


def judge_refusal(problem: Problem, result: Result) -> Verdict:
    """The verdict on an answer to a question that must raise, such as one with an out-of-range label.

    >>> problem = Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [2]})
    >>> print(judge_refusal(problem, Result(raised="IndexError: target holds 2")))
    agrees: raised IndexError: target holds 2
    """
    check_kind("problem", problem, Problem, "a softproof.Problem")
    check_kind("result", result, Result, "a softproof.Result")
    if result.raised is not None and not result.changed and not result.written and result.lost is None:
        return Verdict(AGREES, explanation=f"raised {result.raised}", problem=problem)
    text = f"{_instead(result)}; expected an error"
    return Verdict(DISAGREES, np.inf, np.inf, "value" if "value" in result.outputs else "", (), text, problem)


def _instead(result: Result) -> str:
    """What an answer has in place of an error."""
    if result.lost is not None:
        return result.lost
    if changed := (*result.changed, *result.written):
        return f"the call changed {', '.join(changed)}"
    if "value" in result.outputs:
        return f"value: got {result.outputs['value'].values.tolist()}"
    return f"gave {', '.join(result.outputs) or 'nothing'}"


def _judge(
    problem: Problem,
    result: Result,
    device: str,
    arithmetic: str | Arithmetic | Model | None,
    accuracy: Accuracy,
    bits: Sequence[int],
    unasked: frozenset[str] = frozenset(),
) -> Verdict:
    asked = {name: output for name, output in result.outputs.items() if name not in unasked}
    result = replace(result, outputs=asked)
    if text := not_an_answer(problem, result, device, unasked):
        return Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem, accuracy=accuracy.letter)
    chosen = arithmetic_of(model(arithmetic), problem)
    case = Case(problem, result, accuracy.arithmetic(chosen), accuracy)
    return case.verdict(bits)
