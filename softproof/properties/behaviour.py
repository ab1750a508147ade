"""What an implementation does besides its value: other ways of asking the same question.

Every answer must have the same bits as the first one, or be judged by itself. An answer that agrees with other bits is
not reproducible bit for bit, which is told and is no failure. docs/theory/behaviour.md says what each way checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np

from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model
from ..candidates.candidate import Candidate
from ..candidates.directives import same_bits as same_bits
from ..problem.checks import LOADED, check_asked
from ..problem.formats import FORMATS
from ..problem.operations import gradient_names, value_shape
from ..problem.problem import Array, Problem, Result
from ..problem.records import NAMES, a, check_fields
from ..problem.rows import class_axes, is_labels, reduction_of, row_length
from ..problem.slicing import class_count, row_axis, row_count, take_rows
from ..problem.validation import check_kind, check_name, check_names
from ..verdicts.compare import AGREES, DISAGREES, NOT_APPLICABLE, Verdict, not_an_answer
from ..verdicts.judgement import BITS, check_criteria, judge_result

DTYPES = ("float64", "float32")  # those between which a way changes
BEFORE, AFTER = 13, 4  # padding rows; not the size of a block
VALUE_DROPPED, VALUE_DETACHED = "value dropped", "value detached"


@dataclass(frozen=True)
class Question:
    """A problem, who is asked, and the first answer."""

    candidate: Candidate
    problem: Problem
    first: Result
    device: str
    dtypes: Sequence[str]

    @property
    def differentiates(self) -> bool:
        """Whether gradients are asked."""
        return self.problem.grad_output is not None

    @property
    def by_torch(self) -> bool:
        """Whether the candidate takes tensors of torch."""
        return self.candidate.adapter == "torch"

    @property
    def by_framework(self) -> bool:
        """Whether gradients are taken by torch or JAX."""
        own = self.problem.operation in self.candidate.backwards
        return self.differentiates and self.candidate.by_framework and not own

    @property
    def by_autograd(self) -> bool:
        """Whether gradients are taken by torch."""
        return self.by_framework and self.by_torch

    def ask(self, directive: str, *arguments: str) -> Result:
        """The problem asked by a directive of `softproof.candidates.directives`."""
        return self.candidate.ask(self.problem, self.device, directive, *arguments)

    def again(self, problem: Problem | None = None) -> Result:
        """The problem, or another one, asked as usual."""
        return self.candidate.answer(problem or self.problem, self.device)


@dataclass(frozen=True)
class Again:
    """Another answer, to the same or to another problem; `seen` should have the bits of `expected`, if that is given.

    `words` begin the sentence that explains what is wrong.
    """

    words: str
    problem: Problem
    result: Result
    seen: Mapping[str, Array] | None = None
    expected: Mapping[str, Array] | None = None
    fresh: Problem | None = None  # where this, which was never asked, disagrees too, the answer is as accurate as any


Answers = Iterator[Again | str]  # an answer to be compared, or what is wrong in words


@dataclass(frozen=True)
class Way:
    """One way of asking; `of_rows` when it is about the independence of rows."""

    asks: Callable[[Question], Answers]
    applies: Callable[[Question], bool] = lambda _question: True
    of_rows: bool = False


def _values(result: Result) -> dict[str, Array]:
    return {name: output.values for name, output in result.outputs.items()}


def _same(question: Question, words: str, result: Result, names: Sequence[str] | None = None) -> Again | str:
    """The same problem once more. The outputs with these `names`, or all, are demanded, and no others.

    Those that this way does not give are then those of the first answer.
    """
    first, seen = question.first.outputs, _values(result)
    expected = {name: output.values for name, output in first.items() if names is None or name in names}
    if seen and seen.keys() != expected.keys():
        return f"{words}: gave {', '.join(seen)}; expected {', '.join(expected)}"
    if seen:
        result = replace(result, outputs={**first, **result.outputs})
    return Again(words, question.problem, result, seen, expected)


# ---- once more, and after something else ----------------------------------------------------------------------------


def asked_twice(question: Question) -> Answers:
    """The same arrays, asked again."""
    yield _same(question, "asked twice", question.ask("twice"))


def asked_many_times(question: Question) -> Answers:
    """The same arrays, asked many times: counters, and what is tuned at the n-th call."""
    yield _same(question, "asked many times", question.ask("many times"))


def two_threads(question: Question) -> Answers:
    """Another question at the same time in the same process."""
    yield _same(question, "while another thread asks something else", question.ask("two threads"))


def overwritten_answers(question: Question) -> Answers:
    """Answers belong to the caller: they share no memory with an input or an earlier answer."""
    result = question.ask("overwriting answers")
    yield from (f"after its answers were overwritten: {fault}" for fault in result.observed[:1])
    yield _same(question, "after its answers were overwritten", result)


def after_other_values(question: Question) -> Answers:
    """Another problem of the same shape and dtype in between, judged as well."""
    name, main = next(iter(question.problem.inputs.items()))
    last = class_axes(question.problem)[-1]  # along which a row lies
    other = replace(question.problem, inputs={**question.problem.inputs, name: np.roll(main, 1, last)})
    yield Again("after other values of the same shape", other, question.again(other))
    yield _same(question, "asked again after other values of the same shape", question.again())


def after_another_dtype(question: Question) -> Answers:
    """The same numbers in another dtype in between, judged as well, unless it is never more accurate in that dtype."""
    other = in_dtype(question.problem, _other_dtype(question))
    assert other is not None  # or this way does not apply
    answer, unseen = question.again(other), _unseen(other)
    if unseen is not None:
        yield Again(f"in {other.dtype} after {question.problem.dtype}", other, answer, fresh=unseen)
    yield _same(question, f"asked again after {other.dtype}", question.again())


def _unseen(problem: Problem) -> Problem | None:
    """The same numbers in a shape for which nothing can have been kept, if they are rows."""
    if row_axis(problem, next(iter(problem.inputs))) is None or not row_count(problem):
        return None
    return take_rows(problem, [*range(row_count(problem)), *[0] * (BEFORE + AFTER)])


def _fits_another_dtype(question: Question) -> bool:
    """Whether another dtype may be asked and holds the problem."""
    dtype = _other_dtype(question)
    return bool(dtype) and in_dtype(question.problem, dtype) is not None


def _other_dtype(question: Question) -> str:
    """The first of DTYPES that may be asked and is another one, or nothing."""
    allowed = [dtype for dtype in DTYPES if dtype in question.dtypes and dtype in question.candidate.dtypes]
    return next((dtype for dtype in allowed if dtype != question.problem.dtype), "")


def in_dtype(problem: Problem, dtype: str) -> Problem | None:
    """The problem rounded to another dtype; None where infinities or zeros appear that were not there.

    Logits of a loss keep finite distances, as they have in the problems that are drawn.
    """
    arrays = dict(problem.inputs) | ({} if problem.grad_output is None else {"grad_output": problem.grad_output})
    rounded = {}
    for name, array in arrays.items():
        rounded[name] = array if array.dtype == np.int64 else FORMATS[dtype].round(array)
        if (np.isinf(rounded[name]) != np.isinf(array)).any() or ((rounded[name] == 0) != (array == 0)).any():
            return None
    if "target" in problem.inputs and not _has_distances(next(iter(rounded.values())), dtype):
        return None
    upstream = rounded.pop("grad_output", None)
    return Problem(problem.operation, dtype, rounded, problem.options, upstream, problem.layout)


def _has_distances(logits: Array, dtype: str) -> bool:
    """Whether the finite numbers have distances that the dtype holds."""
    finite = logits[np.isfinite(logits)].astype(np.float64)
    return not finite.size or float(np.ptp(finite)) <= FORMATS[dtype].largest


def after_another_shape(question: Question) -> Answers:
    """One row more in between."""
    question.again(take_rows(question.problem, [*range(row_count(question.problem)), 0]))
    yield _same(question, "asked again after another shape", question.again())


def updated_in_place(question: Question) -> Answers:
    """Other numbers in the same memory, and then the right ones."""
    yield _same(question, "after its arrays were updated in place", question.ask("updated in place"))


# ---- gradients ------------------------------------------------------------------------------------------------------


def after_another_backward(question: Question) -> Answers:
    """First the gradient for another upstream gradient, then the right one; by autograd on the same graph."""
    words = "after a backward pass with another upstream gradient"
    yield _same(question, words, question.ask("after another backward"))


def two_losses(question: Question) -> Answers:
    """One tensor used twice gathers both gradients: exactly twice the first."""
    double = _twice(question.problem)
    assert double is not None  # or this way does not apply
    result = question.ask("accumulated")
    with np.errstate(over="ignore"):
        expected = {
            name: array if name == "value" else array + array for name, array in _values(question.first).items()
        }
    yield Again("with two losses on one tensor", double, result, _values(result), expected)


def _holds_twice(question: Question) -> bool:
    """By autograd, of an upstream gradient whose double is held."""
    return question.by_autograd and _twice(question.problem) is not None


def _twice(problem: Problem) -> Problem | None:
    """The problem with twice the upstream gradient; None where that is not held."""
    assert problem.grad_output is not None
    with np.errstate(over="ignore"):
        double = 2 * problem.grad_output.astype(np.float64)
    fmt = FORMATS[problem.dtype]
    return replace(problem, grad_output=double) if (np.abs(double) <= fmt.largest).all() else None


def some_gradients(question: Question) -> Answers:
    """Every non-empty subset of requires_grad: the gradients asked for are those that were."""
    names = gradient_names(question.problem)
    for count in range(1, len(names)):
        for some in combinations(names, count):
            words = f"with requires_grad for {' and '.join(some)} alone"
            wanted = ["value", *(f"grad_{name}" for name in some)]
            yield _same(question, words, question.ask("some gradients", *some), wanted)


def no_gradients(question: Question) -> Answers:
    """Nothing that requires a gradient."""
    yield _same(question, "with requires_grad for nothing", question.ask("value alone"), ["value"])


def switched_off(question: Question, *, mode: str) -> Answers:
    """The value where autograd is switched off."""
    yield _same(question, f"under {mode}", question.ask("switched off", mode), ["value"])


def scaled_loss(question: Question) -> Answers:
    """backward() of a loss that is multiplied by 2 is the gradient for twice the upstream gradient."""
    double = _twice(question.problem)
    assert double is not None  # or this way does not apply
    yield from _summed(question, "by backward() of twice the loss", double, "scaled")


def summed_loss(question: Question) -> Answers:
    """backward() of the sum of the value, whose upstream gradient is a single 1 seen many times (stride 0)."""
    ones = replace(question.problem, grad_output=np.ones(value_shape(question.problem)))
    yield from _summed(question, "by backward() of the sum", ones)


def _summed(question: Question, words: str, problem: Problem, *scaled: str) -> Answers:
    """backward() of a sum beside the usual answer to `problem`, which is judged as well."""
    result, usual = question.ask("backward of sum", *scaled), question.again(problem)
    yield Again(f"{words}, asked as usual", problem, usual)
    yield Again(words, problem, result, _values(result), _values(usual))


def overwritten_before_backward(question: Question) -> Answers:
    """The gradient is that of the forward pass, or is refused, when what it may have kept is written to in between."""
    for written in ("value", *question.problem.inputs):
        result = question.ask("overwritten before backward", written)
        if result.raised is None:
            yield _same(question, f"with {written} overwritten before the backward pass", result)


def without_value(question: Question, *, way: str) -> Answers:
    """Gradients that are taken when nobody holds the value, or its numbers alone."""
    yield _same(question, way, question.ask(way))


def _has_memory(question: Question) -> bool:
    """Gradients by autograd, or by a function in the same memory as the arrays."""
    own = question.problem.operation in question.candidate.backwards and question.candidate.adapter != "process"
    return question.differentiates and (question.by_autograd or own)


def another_call_in_between(question: Question) -> Answers:
    """The gradient of the first of two calls."""
    words = "with another call before the backward pass"
    yield _same(question, words, question.ask("another call in between"))


# ---- labels that are none -------------------------------------------------------------------------------------------


def invalid_labels(question: Question) -> Answers:
    """Labels outside [0, C) raise an error, for every reduction, with gradients and without."""
    problem, classes = question.problem, class_count(question.problem)
    reductions = ("none", "sum", "mean") if "reduction" in question.candidate.supports(problem.operation) else ("mean",)
    for label in (classes, -1, 2**40):
        if label == problem.options.get("ignore_index", -100):
            continue
        target = problem.inputs["target"].copy()
        target.reshape(-1)[:1] = label
        for reduction in reductions:
            asked = _reduced(replace(problem, inputs={**problem.inputs, "target": target}), reduction)
            for wrong in (replace(asked, grad_output=None), asked):
                result = question.again(wrong)
                if result.raised is None:
                    words = f"with the label {label} among {classes} classes, reduction {reduction!r}"
                    words += "" if wrong.grad_output is None else " and gradients"
                    yield f"{words}: {result.lost or 'gave numbers; expected an error'}"
                    return


def _reduced(problem: Problem, reduction: str) -> Problem:
    """The same loss with another reduction, and an upstream gradient of ones that fits."""
    if reduction != reduction_of(problem):
        problem = replace(problem, options={**problem.options, "reduction": reduction})
        if problem.grad_output is not None:
            problem = replace(problem, grad_output=np.ones(value_shape(problem)))
    return problem


def _has_labels(question: Question) -> bool:
    """On the CPU alone: on CUDA a failed assertion ends the process."""
    problem = question.problem
    kinds = question.candidate.supports(problem.operation)
    if "target" not in problem.inputs or "invalid_labels" not in kinds or question.device != "cpu":
        return False
    return is_labels(problem) and problem.inputs["target"].size > 0


# ---- rows -----------------------------------------------------------------------------------------------------------


def _of_rows(question: Question) -> bool:
    """Whether there are rows that do not depend on each other."""
    name = next(iter(question.problem.inputs))
    rows = row_axis(question.problem, name) is not None and row_count(question.problem) > 0
    return rows and reduction_of(question.problem) == "none"


def rows_alone(question: Question) -> Answers:
    """The first row, one in the middle and the last, each asked by itself."""
    count = row_count(question.problem)
    for row in sorted({0, count // 2, count - 1}):
        yield _some_rows(question, f"with row {row} alone", [row], [row], [0])


def permuted_rows(question: Question) -> Answers:
    """The rows in the opposite order."""
    backwards = range(row_count(question.problem))[::-1]
    yield _some_rows(question, "with its rows in the opposite order", backwards, backwards, range(len(backwards)))


def padding_rows(question: Question) -> Answers:
    """More rows before and after."""
    rows = range(row_count(question.problem))
    padded = [rows[-1]] * BEFORE + [*rows] + [0] * AFTER
    yield _some_rows(question, "with other rows before and after", padded, rows, range(BEFORE, BEFORE + len(rows)))


def _some_rows(
    question: Question, words: str, asked: Sequence[int], expected: Sequence[int], seen: Sequence[int]
) -> Again:
    """Rows `asked`, and at `seen` among them what the first answer has at `expected`."""
    problem = take_rows(question.problem, asked)
    result = question.again(problem)
    if not_an_answer(problem, result, question.device):
        return Again(words, problem, result)
    return Again(
        words,
        problem,
        result,
        _rows_of(question.problem, _values(result), seen),
        _rows_of(question.problem, _values(question.first), expected),
    )


def _rows_of(problem: Problem, outputs: Mapping[str, Array], rows: Sequence[int]) -> dict[str, Array]:
    """These rows of all outputs that have rows."""
    axes = {name: row_axis(problem, name) for name in outputs}
    return {name: np.take(outputs[name], rows, axis) for name, axis in axes.items() if axis is not None}


def another_layout(question: Question) -> Answers:
    """The same numbers laid out in memory in every other way."""
    for layout in question.candidate.layouts:
        if layout != question.problem.layout:
            other = replace(question.problem, layout=layout)
            result = question.again(other)
            yield Again(f"laid out {layout}", other, result, _values(result), _values(question.first))


# ---- all of them ----------------------------------------------------------------------------------------------------


def _has_second_row(question: Question) -> bool:
    return (
        row_axis(question.problem, next(iter(question.problem.inputs))) is not None and row_count(question.problem) > 0
    )


WAYS: dict[str, Way] = {
    "asked twice": Way(asked_twice),
    "asked many times": Way(asked_many_times),
    "two threads": Way(two_threads, lambda question: question.candidate.adapter != "process"),
    "overwritten answers": Way(overwritten_answers),
    "after other values": Way(after_other_values, lambda question: row_length(question.problem) > 1),
    "after another dtype": Way(after_another_dtype, _fits_another_dtype),
    "after another shape": Way(after_another_shape, _has_second_row),
    "updated in place": Way(updated_in_place, lambda question: question.candidate.adapter in ("torch", "numpy")),
    "after another backward": Way(after_another_backward, lambda question: question.differentiates),
    "two losses": Way(two_losses, _holds_twice),
    "some gradients": Way(
        some_gradients, lambda question: question.by_framework and len(gradient_names(question.problem)) > 1
    ),
    "no gradients": Way(no_gradients, lambda question: question.by_framework),
    "no_grad": Way(partial(switched_off, mode="no_grad"), lambda question: question.by_torch),
    "inference_mode": Way(partial(switched_off, mode="inference_mode"), lambda question: question.by_torch),
    "scaled loss": Way(scaled_loss, _holds_twice),
    "summed loss": Way(summed_loss, lambda question: question.by_autograd),
    "overwritten before backward": Way(overwritten_before_backward, lambda question: question.by_autograd),
    VALUE_DROPPED: Way(partial(without_value, way=VALUE_DROPPED), _has_memory),
    VALUE_DETACHED: Way(partial(without_value, way=VALUE_DETACHED), lambda question: question.by_autograd),
    "another call in between": Way(another_call_in_between, _has_memory),
    "invalid labels": Way(invalid_labels, _has_labels),
    "rows alone": Way(rows_alone, _of_rows, of_rows=True),
    "rows permuted": Way(permuted_rows, _of_rows, of_rows=True),
    "padding rows": Way(padding_rows, _of_rows, of_rows=True),
    "another layout": Way(
        another_layout, lambda question: _of_rows(question) and len(question.candidate.layouts) > 1, of_rows=True
    ),
}


LIFETIMES = (VALUE_DROPPED, VALUE_DETACHED)  # one or the other of each problem of a row
OF_LARGE = (*LIFETIMES, "another call in between", "updated in place", "overwritten answers")  # by their bits alone


@dataclass(frozen=True)
class Conduct:
    """What was found: `ways` that were asked, and those whose bits `differ` from the first answer within the bounds."""

    verdict: Verdict
    ways: tuple[str, ...]
    differ: tuple[str, ...]

    def __post_init__(self) -> None:
        check_fields(self, {"verdict": a(Verdict, "a softproof.Verdict"), "ways": NAMES, "differ": NAMES})

    @property
    def ok(self) -> bool:
        """Whether something was asked and nothing disagrees."""
        return self.verdict.ok

    def __str__(self) -> str:
        return str(self.verdict)


def conduct(
    candidate: Candidate,
    problem: Problem,
    *,
    way: str | None = None,
    device: str = "cpu",
    dtypes: Sequence[str] = DTYPES,
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
    bits: Sequence[int] = BITS,
) -> Conduct:
    """Ask the same question in other ways; every answer has the bits of the first one, or is judged by itself.

    Args:
        candidate: what is judged, as `softproof.load` gives it.
        problem: the question.
        way: one of `softproof.WAYS`; by default all that apply, but those that the candidate is `without`.
        device: where tensors live.
        dtypes: formats that the candidate may be asked in between.
        arithmetic: the model that the bounds are theorems about, as in `softproof.judge`.
        accuracy: the class that other answers are judged by, "A" to "C".
        bits: precisions of the truth to try in turn, as in `softproof.judge`.
    Returns: a `Conduct`: a verdict, the ways asked, and those that differ in their bits. The outcome is
        *not applicable*, which is not ok, where no way applies to the problem.
    Raises: ValueError for a way that is not there, or an argument that does not fit.

    >>> import numpy as np, softproof
    >>> def softmax(logits, dim=-1):
    ...     e = np.exp(logits - logits.max(dim, keepdims=True))
    ...     return logits if logits.shape[dim] == 0 else e / e.sum(dim, keepdims=True)
    >>> problem = Problem("softmax", "float64", {"logits": [[0.0, 1.0], [2.0, 0.0]]}, {"dim": -1})
    >>> found = softproof.conduct(softproof.load(softmax, adapter="numpy"), problem)
    >>> print(found)
    agrees: asked in 12 ways, with the same bits
    """
    check_kind("candidate", candidate, Candidate, LOADED)
    check_asked(candidate, problem, device, "candidate")
    if way is not None:
        check_name("way", way, WAYS)
    check_names("dtypes", dtypes, "float32", FORMATS)
    check_criteria(problem, arithmetic, accuracy, bits)
    if accuracy == "D":
        raise ValueError("accuracy D compares with a baseline; conduct judges other answers in class A, B or C")
    question = question_of(candidate, problem, device, dtypes)
    if text := not_an_answer(question.problem, question.first, device):
        return Conduct(Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem), (), ())
    wanted = [name for name in WAYS if name not in candidate.interface.without] if way is None else [way]
    names = tuple(name for name in wanted if WAYS[name].applies(question))
    if not names:
        text = "no way applies" if way is None else f"{way}: does not apply"
        return Conduct(Verdict(NOT_APPLICABLE, explanation=text, problem=problem, accuracy=accuracy), (), ())
    judge = partial(judge_result, device=device, arithmetic=arithmetic, accuracy=accuracy, bits=bits)
    differ: list[str] = []
    for name in names:
        verdict, same = asked(question, name, judge)
        if not verdict.ok:
            return Conduct(replace(verdict, problem=problem, accuracy=accuracy), names, tuple(differ))
        differ += [] if same else [name]
    text = f"asked in {len(names)} ways, " if way is None else f"{way}: "
    text += f"with other bits: {', '.join(differ)}" if differ else "with the same bits"
    return Conduct(Verdict(AGREES, explanation=text, problem=problem, accuracy=accuracy), names, tuple(differ))


def question_of(candidate: Candidate, problem: Problem, device: str, dtypes: Sequence[str] = DTYPES) -> Question:
    """The problem without a direction, with its first answer; without gradients where the candidate has none."""
    upstream = problem.grad_output if candidate.differentiates(problem.operation) else None
    problem = replace(problem, grad_output=upstream, tangent=None)
    return Question(candidate, problem, candidate.answer(problem, device), device, dtypes)


def asked(question: Question, way: str, judge: Callable[[Problem, Result], Verdict]) -> tuple[Verdict, bool]:
    """The verdict on the answers of one way, and whether all that are comparable had the same bits."""
    same = True
    for answer in WAYS[way].asks(question):
        if isinstance(answer, str):
            return Verdict(DISAGREES, np.inf, np.inf, explanation=answer), same
        verdict, as_before = compared(answer, judge)
        same = same and as_before
        if verdict.outcome == DISAGREES and not _is_usual(question, answer, verdict, judge):
            return verdict, same
    return Verdict(AGREES), same


def compared(answer: Again, judge: Callable[[Problem, Result], Verdict]) -> tuple[Verdict, bool]:
    """The verdict on another answer, and whether it has the bits that were expected, if any were."""
    if _has_expected_bits(answer):
        return Verdict(AGREES), True
    verdict = judge(answer.problem, answer.result)
    if verdict.outcome == DISAGREES:
        verdict = replace(verdict, explanation=f"{answer.words}: {verdict.explanation}")
    return verdict, answer.expected is None


def asked_at_the_end(question: Question, judge: Callable[[Problem, Result], Verdict]) -> tuple[Verdict, bool]:
    """The verdict on the answer to a problem of the start of a row, asked again after all others."""
    words = "asked again after all other problems of the row"
    answer = _same(question, words, question.again())
    return compared(answer, judge) if isinstance(answer, Again) else (Verdict(DISAGREES, explanation=answer), True)


def _is_usual(question: Question, answer: Again, verdict: Verdict, judge: Callable[[Problem, Result], Verdict]) -> bool:
    """Whether numbers in another dtype, which has a row of its own, are wrong where nothing was asked before, too."""
    if answer.fresh is None or not verdict.output:
        return False
    fresh = judge(answer.fresh, question.again(answer.fresh))
    return fresh.outcome == DISAGREES and bool(fresh.output)


def _has_expected_bits(answer: Again) -> bool:
    if answer.expected is None or answer.seen is None:
        return False
    result = answer.result
    if not result.outputs or result.written or result.changed or result.observed:
        return False
    if answer.seen.keys() != answer.expected.keys():
        return False
    return all(same_bits(answer.seen[name], answer.expected[name]) for name in answer.seen)
