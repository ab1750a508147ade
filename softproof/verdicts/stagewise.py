"""The linear classifier judged stage by stage: the stored output of each stage is the exact input of the next.

End to end the bounds of the stages compound, and in half precision soon promise nothing. By stages each theorem
stands alone, so that an error of a few units in any one of them shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..candidates.implementation import Implementation
from ..problem.checks import check, check_asked
from ..problem.problem import Array, Problem
from ..problem.validation import check_kind
from .verdict import DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, UNDECIDED, Verdict

NEEDED = ("linear", "cross_entropy")  # what an implementation must have
Judge = Callable[[Problem], Verdict]


def stages(implementation: Implementation, problem: Problem, judge: Judge, device: str = "cpu") -> Iterator[Verdict]:
    """Verdicts on the logits, on the loss with its gradient, and on the gradients of the layer.

    Args:
        implementation: one that has `linear` and `cross_entropy`.
        problem: a "linear_cross_entropy" problem.
        judge: gives the verdict on one stage, such as ``lambda stage: softproof.judge(implementation, stage)``.
        device: where tensors live.
    Yields: a `Verdict` for each stage, and no further one after an answer that could not be used; the last one is
        *not applicable*, and says why, where a gradient of the logits that is not finite leaves nothing to carry back.
        Of a classifier without positions, a weight of shape (C, 0, D), the one on the whole.
    Raises: ValueError or TypeError, when the first is asked for, naming an argument that does not fit.

    >>> import softproof
    >>> problem = Problem("linear_cross_entropy", "float64",
    ...                   {"input": [[1.0, 2.0]], "linear_weight": [[0.5, 1.0], [2.0, 0.0]], "target": [0]}, {}, 1.0)
    >>> import torch.nn.functional
    >>> torch = softproof.load(torch.nn.functional)
    >>> [verdict.outcome for verdict in stages(torch, problem, lambda stage: softproof.judge(torch, stage))]
    ['agrees', 'agrees', 'agrees']
    """
    check(problem)
    if problem.operation != "linear_cross_entropy":
        raise ValueError(f"operation is {problem.operation!r}; linear_cross_entropy has stages")
    if not callable(judge):
        raise TypeError(f"judge is a {type(judge).__name__}; expected a function from a Problem to a Verdict")
    if 0 in problem.inputs["linear_weight"].shape[1:-1]:  # no positions, so that no stage has a number
        check_asked(implementation, problem, device)
        yield _verdict(judge, problem)
        return
    layer = _layer(problem)
    check_asked(implementation, layer, device)
    if "cross_entropy" not in implementation.operations:
        has = ", ".join(implementation.operations)
        raise ValueError(f"implementation {implementation.name} has {has}; stages need {' and '.join(NEEDED)}")
    yield (verdict := _verdict(judge, layer))
    logits = _output(implementation, layer, "value", device) if verdict.ok else None
    if logits is None:
        return
    shape = problem.inputs["input"].shape[:-1] + problem.inputs["linear_weight"].shape[:-1]
    loss = _loss(problem, logits.reshape(shape))
    yield (verdict := _verdict(judge, loss))
    if problem.grad_output is None or not verdict.ok:
        return
    grad_logits = _output(implementation, loss, "grad_logits", device)
    if grad_logits is None:
        return
    if np.isfinite(grad_logits).all():
        yield _verdict(judge, replace(layer, grad_output=grad_logits.reshape(logits.shape)))
    else:
        strange = grad_logits[~np.isfinite(grad_logits)].flat[0]
        text = f"grad_logits holds {float(strange)!r}, so that the gradients of the layer were not asked"
        yield Verdict(NOT_APPLICABLE, explanation=text, problem=layer)


def _verdict(judge: Judge, stage: Problem) -> Verdict:
    """What a judge of one's own gives, if that is a verdict."""
    verdict = judge(stage)
    check_kind("what judge gives", verdict, Verdict, "a softproof.Verdict")
    return verdict


def worst(verdicts: Iterator[Verdict]) -> Verdict:
    """The verdict that decides: what disagrees first, else the largest error, with what was not asked."""
    all_verdicts = list(verdicts)
    for outcome in (DISAGREES, UNDECIDED, NO_GUARANTEE):
        if bad := [verdict for verdict in all_verdicts if verdict.outcome == outcome]:
            return bad[0]
    decides = max(all_verdicts, key=lambda verdict: verdict.ratio)
    omitted = [verdict.explanation for verdict in all_verdicts if verdict.outcome == NOT_APPLICABLE]
    return replace(decides, explanation="; ".join([decides.explanation, *omitted]))


def _layer(problem: Problem) -> Problem:
    names = {"input": "input", "linear_weight": "weight", "linear_bias": "bias"}
    inputs = {names[name]: array for name, array in problem.inputs.items() if name in names}
    w = inputs["weight"]
    inputs["weight"] = w.reshape(int(np.prod(w.shape[:-1])), w.shape[-1])  # (C …, D)
    inputs |= {"bias": inputs["bias"].reshape(-1)} if "bias" in inputs else {}
    return Problem("linear", problem.dtype, inputs, layout=_layout(problem, names))


def _loss(problem: Problem, logits: Array) -> Problem:
    inputs = {name: problem.inputs[name] for name in ("target", "weight") if name in problem.inputs}
    inputs = {"logits": logits} | inputs
    layout = _layout(problem, {name: name for name in ("target", "weight", "grad_output")})
    return Problem("cross_entropy", problem.dtype, inputs, problem.options, problem.grad_output, layout)


def _layout(problem: Problem, names: Mapping[str, str]) -> str | dict[str, str]:
    """The layout of the arrays that a stage takes over, under its own names."""
    if isinstance(problem.layout, str):
        return problem.layout
    return {own: problem.layout_of(name) for name, own in names.items() if name in (*problem.inputs, "grad_output")}


def _output(implementation: Implementation, problem: Problem, name: str, device: str) -> Array | None:
    """One stored output of an answer."""
    output = implementation.answer(problem, device).outputs.get(name)
    return None if output is None else output.values
