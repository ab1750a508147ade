"""An answer for rows that are repeated, so that arrays have more elements than a truth is ever computed for.

Each row is judged by itself. The answer comes in parts of as many rows as the problem has, and each part is an answer
to the problem. One that has the bits of a part that was judged need not be judged again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model
from ..candidates.bits import same_bits
from ..candidates.candidate import Candidate
from ..candidates.in_parts import PART, has_rows
from ..problem.arrangements import ARRANGEMENTS
from ..problem.checks import check_asked
from ..problem.class_masks import CLASS_MASKS
from ..problem.formats import FORMATS
from ..problem.outputs import output_shapes
from ..problem.problem import Problem, Result
from ..problem.row_masks import by_mask
from ..problem.rows import main_input, reduction_of
from ..problem.size_limits import sizes
from ..problem.validation import check_whole
from ..verdicts.judgement import check_criteria, judge_result, narrowed
from ..verdicts.verdict import NO_GUARANTEE, Verdict

Judge = Callable[[Problem, Result], Verdict]
IN_PART = "in part"
_NOTHING_ELSE = ((), None, (), None, ())  # of an answer besides its numbers
WEIGHTED = ("cross_entropy", "linear_cross_entropy")  # operations whose mean is divided by weights
_OF_ROWS = ("@rows", "@batch", "@positions")  # sizes, and masks, of one question


def judge_repeated(
    candidate: Candidate,
    problem: Problem,
    times: int,
    *,
    device: str = "cpu",
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
) -> Verdict:
    """Ask for the rows of a problem so many times one after the other, and judge all parts of the answer.

    Judged is what is made of rows; not the value of a loss that is reduced, nor the gradient of a weight.

    Args:
        candidate: what is judged, as `softproof.load` gives it.
        problem: of two dimensions, with rows along the first, such as `softproof.repeated_rows` gives.
        times: how many times its rows are given; a power of 2.
        device: where tensors live.
        arithmetic: the model that the bound is a theorem about; as in `softproof.judge`.
        accuracy: the class that is asked for, "A" to "C".
    Returns: the verdict on the last part; or on the first that disagrees, which may be the rows alone; or, where
        nothing is promised of one, on that.
    Raises: ValueError or TypeError where the problem has no such rows, or an argument does not fit.

    >>> import numpy as np, softproof
    >>> zeros = softproof.load(lambda logits, dim: np.zeros_like(logits), operation="softmax")
    >>> problem = Problem("softmax", "float64", {"logits": [[0.0, 0.0], [1.0, 0.0]]}, {"dim": -1})
    >>> print(judge_repeated(zeros, problem, 4).explanation.partition(";")[0])
    value[0, 0]: got 0.0, exact 0.50000000000000000
    """
    check_asked(candidate, problem, device, "candidate")
    check_criteria(problem, arithmetic, accuracy)
    check_repeated(candidate, problem, times)

    def judge(problem: Problem, result: Result) -> Verdict:
        return judge_result(problem, result, device=device, arithmetic=arithmetic, accuracy=accuracy)

    return judged_in_parts(candidate, problem, times, device, judge)


def check_repeated(candidate: Candidate, problem: Problem, times: int) -> None:
    """ValueError or TypeError where rows cannot be repeated: of another shape, or given another way."""
    if check_whole("times", times, "a power of 2", 1) & (times - 1):
        raise ValueError(f"times is {times}; expected a power of 2")
    shape, dim = main_input(problem).shape, problem.options.get("dim", -1)
    if len(shape) != 2 or not all(shape):
        raise ValueError(f"problem has logits or features of shape {shape}; expected rows (N, C), at least one")
    if dim not in (-1, 1) or problem.tangent is not None:
        other = "a tangent" if dim in (-1, 1) else f"dim {dim}"
        raise ValueError(f"problem has {other}; expected rows along the first axis, and no derivatives in a direction")
    _check_mean(problem, times)
    interface = candidate.interface
    sized = [name for name, value in interface.extra.items() if isinstance(value, str) and _is_of_rows(value)]
    if sized or by_mask(interface.names) or any(getattr(interface, name) for name in ARRANGEMENTS):
        raise ValueError(f"{candidate.name} takes sizes or masks of its rows, or rows in another order; expected none")


def _check_mean(problem: Problem, times: int) -> None:
    """ValueError where the gradient of the mean over all rows is not that of the rows, or no bound is known of it."""
    if reduction_of(problem) != "mean":
        return
    if problem.operation in WEIGHTED and "weight" in problem.inputs:
        raise ValueError("problem has a mean, and weights, whose sum is another of all rows; expected sum or none")
    upstream = 0.0 if problem.grad_output is None else float(problem.grad_output)
    if problem.dtype == "float16" or not FORMATS[problem.dtype].round(upstream * times) == upstream * times:
        raise ValueError(
            f"problem has a mean in {problem.dtype}, whose gradients for {times} times {upstream} may not be those of "
            "its rows; expected sum or none"
        )


def _is_of_rows(value: str) -> bool:
    return value in _OF_ROWS or value in CLASS_MASKS or value.startswith(("@true", "@false", "@ones", "@zeros"))


def judged_in_parts(candidate: Candidate, problem: Problem, times: int, device: str, judge: Judge) -> Verdict:
    """The verdict on the first part that is not right; or of which nothing is promised; or on the last."""
    problem, _ = narrowed(candidate, problem)
    alone = candidate.answer(problem, device)
    verdict = judge(problem, alone)
    if not verdict.ok and verdict.outcome != NO_GUARANTEE:
        return verdict
    unsure = verdict if verdict.outcome == NO_GUARANTEE else None
    judged, rest = alone, {name: each for name, each in alone.outputs.items() if not has_rows(name, problem)}
    for part in range(times):
        found = candidate.ask(problem, device, PART, str(times), str(part))
        if found.outputs.keys() == output_shapes(problem).keys() - rest.keys():
            found = replace(found, outputs={**rest, **found.outputs})
        if not _alike(found, judged):
            verdict, judged = judge(problem, found), found
            unsure = verdict if verdict.outcome == NO_GUARANTEE else unsure
        if not verdict.ok and verdict.outcome != NO_GUARANTEE:
            size = times * sizes(problem)["rows"] * sizes(problem)["classes"]
            where = f"{IN_PART} {part + 1} of {times}, of {size:,} elements in all"
            return replace(verdict, explanation=f"{verdict.explanation}; {where}")
    return unsure or verdict


def _alike(one: Result, two: Result) -> bool:
    """Whether two answers are numbers with the same bits, and nothing else."""
    if any((each.written, each.raised, each.changed, each.lost, each.observed) != _NOTHING_ELSE for each in (one, two)):
        return False
    if one.outputs.keys() != two.outputs.keys():
        return False
    both = ((one.outputs[name], two.outputs[name]) for name in one.outputs)
    return all((a.dtype, a.device) == (b.dtype, b.device) and same_bits(a.values, b.values) for a, b in both)
