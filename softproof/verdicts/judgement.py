"""One question, one answer, one verdict: the cheapest evaluation of the truth that decides (Ziv's strategy).

A. Ziv, "Fast evaluation of elementary mathematical functions with correctly rounded last bit", ACM TOMS 17(3), 1991.
First float64, whose own error is a theorem; then double-double numbers, whose radii are; then balls of more and more
bits, for the rows that these leave open and for whatever disagrees. A problem is judged some rows at a time, so that
its size does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..bounds.accuracy import Accuracy
from ..bounds.algebra import Allowed
from ..bounds.arithmetic import NUMPY64, Arithmetic, height
from ..bounds.losses import Losses
from ..bounds.models import Model, arithmetic_of, model
from ..bounds.theorems import allowed, allowed_total
from ..candidates.candidate import Implementation
from ..problem.checks import check, check_asked
from ..problem.formats import FORMATS, Format
from ..problem.problem import Array, Problem, Result
from ..problem.rows import (
    ALL,
    Rows,
    blocks,
    count_classes,
    count_rows,
    is_by_rows,
    mixed_weights,
    reduction_of,
    row_form,
    row_length,
)
from ..problem.validation import check_kind, check_precisions, check_text
from ..truth import solver
from ..truth.solver import DOUBLE_DOUBLE, FLOAT64
from .elements import Elements
from .misfits import not_an_answer
from .summary import Summary
from .unspecified import excused
from .verdict import AGREES, DISAGREES, NO_GUARANTEE, Verdict

LARGE = 1 << 20  # elements; above, a disagreement that concerns all of them is stated by float64 alone
BALLS = (128, 512, 2048, 8192)
FEW = 2048  # elements of all inputs; below, balls are the faster ones
BITS = (FLOAT64, DOUBLE_DOUBLE, *BALLS)  # when even the last cannot tell, the answer lies on the edge of the bound


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
        bits: precisions of the truth to try in turn; 53 is float64, 106 are two float64 numbers for each.
    Returns: a `Verdict`.
    Raises: ValueError, TypeError or IndexError when the problem asks nothing sensible, or an argument does not fit.

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
        raise ValueError("accuracy D compares with a baseline; judge asks it")
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
    """ValueError or TypeError for a model, an accuracy class or precisions that are none, before anybody is asked."""
    arithmetic_of(model(arithmetic), problem)
    Accuracy(accuracy, factor)
    check_precisions("bits", bits)


def judge_refusal(problem: Problem, result: Result) -> Verdict:
    """The verdict on an answer to a question that an error is the one right answer to, such as a label out of range.

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
    case = _Case(problem, result, accuracy.arithmetic(chosen), accuracy)
    return case.verdict(bits)


# ---- how much float64 can be trusted --------------------------------------------------------------------------------


def float64_decides(problem: Problem) -> bool:
    """Whether float64 evaluates the formulas without overflow, with no weight and no probability of a distribution so
    small that dividing by it does, no upstream gradient so small that it vanishes, and with no weights that cancel.
    """
    if mixed_weights(problem):
        return False
    if problem.dtype != "float64":
        return True
    for name, array in problem.inputs.items():
        if array.dtype == np.int64:
            continue
        most = float(np.max(np.abs(array), where=np.isfinite(array), initial=0.0))
        if most > 2.0**300 or (name in ("weight", "p", "q") and _smallest(array) < 2.0**-300):
            return False
    if problem.grad_output is not None and _smallest(problem.grad_output) < 2.0**-300:
        return False
    limits = ((problem.grad_output, 2.0**300), (problem.tangent, 2.0**100))
    return all(each is None or float(np.abs(each).max(initial=0.0)) <= most for each, most in limits)


def _smallest(array: Array) -> float:
    """The least magnitude that is not 0; 1 where there is none."""
    size = np.abs(array.astype(np.float64))
    return float(size.min(where=size > 0, initial=1.0))


def float64_share(problem: Problem, arithmetic: Arithmetic) -> float:
    """Theorem 15: the error of the float64 evaluation, in units of the bound of a less precise arithmetic."""
    main = next(iter(problem.inputs.values()))
    classes = count_classes(problem) if "target" in problem.inputs else row_length(problem)
    rows = count_rows(problem) if is_by_rows(problem) else main.size
    deeper = [1.0, 752 / arithmetic.c_exp, 3 / arithmetic.c_log]
    of_rows = ((arithmetic.depth, classes), (arithmetic.backward_depth, classes))
    for depth, count in (*of_rows, (arithmetic.total_depth, max(classes, rows))):
        deeper.append(count / max(1, height(depth, max(1, count))))
    return max(deeper) * FORMATS["float64"].u / arithmetic.compute.u


# ---- one answer -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Case:
    """One answer to one problem."""

    problem: Problem
    result: Result
    arithmetic: Arithmetic
    accuracy: Accuracy

    def elements(
        self, bits: int, rows_at_a_time: Sequence[Rows], total: bool = True
    ) -> Iterator[tuple[str, Rows, Elements]]:
        """The outputs beside the truth, some rows at a time; then what is reduced, if it is asked."""
        truths: dict[str, list[Array]] = defaultdict(list)
        bounds: dict[str, list[Losses]] = defaultdict(list)
        doubts: dict[str, list[Losses]] = defaultdict(list)
        forms: dict[str, Array] = {}
        for rows in rows_at_a_time:
            truth, summands = solver.solve_rows(self.problem, bits, rows)
            bound, bounds_of_summands = allowed(self.problem, self.arithmetic, rows)
            doubt, doubts_of_summands = self._doubt(bits, rows, bound)
            for name, values in truth.items():
                if name not in self.result.outputs:  # which is not asked
                    continue
                if name not in forms:
                    forms[name] = row_form(self.problem, name, self.result.outputs[name].values)
                yield name, rows, self._compared(name, rows, forms[name][rows], values, doubt[name], bound[name])
            for name in filter(self.result.outputs.__contains__, summands):
                truths[name].append(summands[name])
                bounds[name].append(bounds_of_summands[name])
                doubts[name] += [doubts_of_summands[name]] if name in doubts_of_summands else []
        for name in truths if total else ():
            bound_ = allowed_total(self.problem, self.arithmetic, bounds[name])
            doubt_ = self._total_doubt(bits, bound_, doubts[name])
            got = self.result.outputs[name].values.reshape(1, 1)
            truth_ = solver.total(self.problem, truths[name], bits)
            yield name, ALL, self._compared(name, ALL, got, truth_, doubt_, bound_)

    def _compared(
        self, name: str, rows: Rows, got: Array, truth: Array, doubt: Array | float, bound: Allowed
    ) -> Elements:
        def beside(exact: Array, doubt: Array | float = 0.0) -> Elements:
            promised = bound
            if self.accuracy.letter in "AD":
                nearest = exact.astype(np.float64)
                promised = self.accuracy.allowed(name, bound, got.astype(np.float64), nearest, self._storage)
            return Elements.of(got, exact, doubt, promised, self._storage)

        elements = beside(truth, doubt)
        if elements.agreed.all():
            return elements
        return excused(self.problem, name, rows, elements, self.arithmetic, beside)

    def _doubt(
        self, bits: int, rows: Rows, bound: dict[str, Allowed]
    ) -> tuple[dict[str, Array | float], dict[str, Losses]]:
        """How far the truth of these rows may be from the truth: nothing for balls, which know it themselves."""
        if bits != FLOAT64:
            return dict.fromkeys(bound, 0.0), {}
        if self.problem.dtype == "float64":
            own, summands = allowed(self.problem, self._own, rows)
            return {name: each.error for name, each in own.items()}, summands
        share = float64_share(self.problem, self.arithmetic)
        return {name: share * each.error for name, each in bound.items()}, {}

    def _total_doubt(self, bits: int, bound: Allowed, losses: list[Losses]) -> Array | float:
        if bits != FLOAT64:
            return 0.0
        if losses:
            return allowed_total(self.problem, self._own, losses).error
        return float64_share(self.problem, self.arithmetic) * bound.error

    @property
    def _own(self) -> Arithmetic:
        """That of the float64 evaluation, which is as accurate as it is asked to be."""
        return replace(NUMPY64, forward=self.arithmetic.forward)

    @property
    def _storage(self) -> Format:
        return FORMATS[self.problem.dtype]

    @property
    def _values_only(self) -> _Case:
        return replace(self, problem=replace(self.problem, grad_output=None, tangent=None))

    def verdict(self, steps: Sequence[int]) -> Verdict:
        """Float64 for all rows, more bits for those that it leaves open, balls for the worst disagreement."""
        summary = Summary(self.problem, self.result, self.accuracy.letter)
        steps = [bits for bits in steps if self._is_worth(bits)] or BALLS
        for name, rows, elements in self.elements(steps[0], blocks(self.problem)):
            summary.add(name, rows, elements, last=len(steps) == 1)
        done = steps[0]
        for bits in steps[1:]:
            if summary.refuted or not summary.open:
                break
            done = bits
            for which, todo in summary.take_open():
                self._add_again(summary, bits, which, todo, last=bits == steps[-1])
        if summary.refuted and done <= DOUBLE_DOUBLE and steps[-1] > DOUBLE_DOUBLE:
            self._confirm(summary, [bits for bits in steps if bits > DOUBLE_DOUBLE])
        return summary.verdict()

    def _is_worth(self, bits: int) -> bool:
        """Whether it is worth a try."""
        if bits == DOUBLE_DOUBLE:
            return sum(array.size for array in self.problem.inputs.values()) >= FEW
        return bits != FLOAT64 or float64_decides(self.problem)

    def _add_again(
        self, summary: Summary, bits: int, which: Mapping[str, Array], todo: Sequence[Rows], last: bool
    ) -> None:
        """More bits for some rows of some outputs, each for `which` of them it has; or for what is reduced."""
        case = self._values_only if which.keys() == {"value"} else self
        for name, rows, elements in case.elements(bits, todo or blocks(self.problem), total=not todo):
            if name not in which or (rows is not ALL and not todo):
                continue
            if isinstance(rows, np.ndarray):
                own = which[name][rows]
                if own.any():
                    summary.add(name, rows[own], elements.of_rows(own), last)
            else:
                summary.add(name, rows, elements, last)

    def _confirm(self, summary: Summary, steps: Sequence[int]) -> None:
        """State the worst disagreement by balls; that they contradict float64 would be an error in a theorem."""
        worst = summary.worst[DISAGREES]
        whole = not is_by_rows(self.problem) or (worst.rows is ALL and reduction_of(self.problem) != "none")
        if whole and sum(array.size for array in self.problem.inputs.values()) > LARGE:
            return
        for bits in steps:
            again = Summary(self.problem, self.result, self.accuracy.letter)
            todo = blocks(self.problem) if whole else [np.array([worst.row])]
            for name, rows, elements in self.elements(bits, todo, whole):
                if name == worst.name and (rows is ALL) == (worst.rows is ALL):
                    again.add(name, rows, elements, last=bits == steps[-1])
            if again.refuted:
                summary.worst[DISAGREES] = replace(worst, text=again.worst[DISAGREES].text)
                return
        raise AssertionError(
            f"float64 and balls contradict each other about {worst.name}: {worst.text}\n{self.problem!r}"
        )
