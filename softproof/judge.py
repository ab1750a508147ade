"""One question, one answer, one verdict: the truth is computed with more bits until it decides (Ziv's strategy).

A. Ziv, "Fast evaluation of elementary mathematical functions with correctly rounded last bit", ACM TOMS 17(3), 1991.
"""

from __future__ import annotations

from dataclasses import replace

from flint import ctx

from . import exact
from .arithmetic import Arithmetic
from .bounds import bound
from .compare import UNDECIDED, Verdict, compare
from .implementation import Implementation
from .operations import check
from .problem import Problem, Result

BITS = (128, 512, 2048, 8192)  # when even the last cannot tell, the answer lies on the edge of the bound


def judge(
    implementation: Implementation, problem: Problem, *, device: str = "cpu", arithmetic: Arithmetic | None = None
) -> Verdict:
    """Ask `implementation` one question and compare its answer with the truth.

    The value is judged, and the gradients when the problem has a `grad_output` and the implementation a backward pass.

    >>> import numpy as np, softproof
    >>> half = softproof.load(lambda logits, dim: np.full_like(logits, 0.5), operation="softmax")
    >>> print(judge(half, Problem("softmax", "float64", {"logits": [0.0, 0.0]}, {"dim": -1})).outcome)
    agrees
    """
    check(problem)
    if not implementation.differentiates(problem.operation):
        problem = replace(problem, grad_output=None)
    return judge_result(problem, implementation.answer(problem, device), device=device, arithmetic=arithmetic)


def judge_result(
    problem: Problem, result: Result, *, device: str = "cpu", arithmetic: Arithmetic | None = None
) -> Verdict:
    """The verdict on an answer that was computed elsewhere."""
    allowed = bound(problem, arithmetic)
    for bits in BITS:
        truth = exact.solve(problem, bits)
        with ctx.workprec(bits):
            verdict = compare(problem, result, truth, allowed, device=device)
        if verdict.outcome != UNDECIDED:
            break
    return verdict
