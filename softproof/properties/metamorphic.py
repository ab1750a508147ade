"""Metamorphic relations: two ways to ask for the same exact numbers. They need no truth, and hold at any size.

Each answer with its bound is an interval that holds the exact value, if the answer is right. A relation says how the
exact outputs of some problems combine into those of another; the same combination of intervals, rounded outwards, must
have a common point with the interval of that one. docs/theory/behaviour.md states the relations and the theorem of the
comparison.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..bounds.accuracy import Accuracy
from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model, arithmetic_of, model
from ..candidates.candidate import Candidate
from ..candidates.implementation import Implementation
from ..problem.checks import LOADED, check_asked
from ..problem.problem import Array, Problem, Result
from ..problem.rows import main_input
from ..problem.validation import check_kind, check_name
from ..verdicts.judgement import check_criteria, narrowed
from ..verdicts.misfits import not_an_answer
from ..verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, Verdict
from .identities import Extras, Identity, Outputs, Relation
from .intervals import Interval, enclosed
from .loss_options import ignored_rows, label_smoothing, scaled_class_weights, upstream_gradient
from .rearranged import batch_of_one, common_shift, flattened, permuted_classes, permuted_rows
from .splitting import split_batch, split_classes, split_features

RELATIONS: dict[str, Relation] = {
    "common shift": common_shift,
    "permuted classes": permuted_classes,
    "permuted rows": permuted_rows,
    "flattened": flattened,
    "batch of one": batch_of_one,
    "split batch": split_batch,
    "split classes": split_classes,
    "split features": split_features,
    "label smoothing": label_smoothing,
    "class weights": scaled_class_weights,
    "ignored rows": ignored_rows,
    "upstream gradient": upstream_gradient,
}


def check_relations(
    candidate: Implementation,
    problem: Problem,
    *,
    relation: str | None = None,
    device: str = "cpu",
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
) -> Verdict:
    """Ask for the same exact numbers in other ways, and compare the answers with each other; no truth is needed.

    Args:
        candidate: what is judged, as `softproof.load` gives it.
        problem: the question that the relations start from.
        relation: one of `softproof.RELATIONS`; by default all that apply.
        device: where tensors live.
        arithmetic: the model that the bounds are theorems about, as in `softproof.judge`.
        accuracy: the class whose bounds are used, "A" to "C".
    Returns: a `Verdict`; its ratio is the largest distance between two answers in units of both bounds. The outcome is
        *not applicable*, which is not ok, where no relation says anything of the problem.
    Raises: ValueError for an unknown relation, or an argument that does not fit.

    >>> import numpy as np, softproof
    >>> late = softproof.load(lambda x, dim: np.exp(x) / np.exp(x).sum(dim, keepdims=True), operation="softmax")
    >>> problem = Problem("softmax", "float64", {"logits": np.linspace(0.0, 2.0, 1000)}, {"dim": -1})
    >>> print(softproof.check_relations(late, problem))
    agrees: 3 relations hold: common shift, permuted classes, batch of one
    """
    check_kind("candidate", candidate, Candidate, LOADED)
    check_asked(candidate, problem, device, "candidate")
    if relation is not None:
        check_name("relation", relation, RELATIONS)
    check_criteria(problem, arithmetic, accuracy)
    if accuracy == "D":
        raise ValueError("accuracy D compares with a baseline; relations compare answers with each other, in A, B or C")
    answers = Asker(candidate, asked_of(candidate, problem), device, model(arithmetic), Accuracy(accuracy))
    extras = candidate.supports(problem.operation)
    verdicts = {
        name: compared(name, identity, answers)
        for name in (RELATIONS if relation is None else (relation,))
        if (identity := identity_of(name, answers.problem, extras)) is not None and fits(identity, candidate)
    }
    if not verdicts:
        words = "no relation applies" if relation is None else f"{relation}: does not apply"
        return Verdict(NOT_APPLICABLE, explanation=words, problem=problem, accuracy=accuracy)
    for outcome in (DISAGREES, NO_GUARANTEE):
        if bad := [verdict for verdict in verdicts.values() if verdict.outcome == outcome]:
            return replace(bad[0], problem=problem)
    ratio = max(verdict.ratio for verdict in verdicts.values())
    words = f"{len(verdicts)} relations hold: {', '.join(verdicts)}" if relation is None else f"{relation}: holds"
    return Verdict(AGREES, ratio, explanation=words, problem=problem, accuracy=accuracy)


def fits(identity: Identity, candidate: Implementation) -> bool:
    """Whether a candidate may be asked all of its problems, as they are."""
    problems = (identity.problem, *identity.others)
    return all(candidate.takes(each) and candidate.interface.part(each) is each for each in problems)


def asked_of(candidate: Implementation, problem: Problem) -> Problem:
    """The problem without a direction, and without its upstream gradient where the candidate has no backward pass."""
    return narrowed(candidate, replace(problem, tangent=None))[0]


def identity_of(relation: str, problem: Problem, extras: Extras) -> Identity | None:
    """What a relation says of a problem, if anything; the same for the same problem."""
    return RELATIONS[relation](problem, extras, np.random.default_rng(zlib.crc32(main_input(problem).tobytes())))


def compared_problems(relation: str, problem: Problem, candidate: Implementation) -> tuple[Problem, ...]:
    """The problems whose answers a relation compares; none where it says nothing."""
    identity = identity_of(relation, problem, candidate.supports(problem.operation))
    return () if identity is None else (identity.problem, *identity.others)


@dataclass(frozen=True)
class Asker:
    """Asks a candidate; the answer to `problem` is kept, since most relations start from it."""

    candidate: Implementation
    problem: Problem
    device: str
    model: Model
    accuracy: Accuracy
    known: Result | None = None  # the answer to `problem`, where it has been asked

    def to(self, problem: Problem) -> Result:
        """The answer to a problem."""
        return self._first if problem is self.problem else self.candidate.answer(problem, self.device)

    @cached_property
    def _first(self) -> Result:
        return self.known or self.candidate.answer(self.problem, self.device)

    def enclosed(self, problem: Problem, result: Result) -> Outputs:
        """Intervals around the exact outputs, if the answer is right."""
        return self._first_enclosed if problem is self.problem else self._enclosed(problem, result)

    @cached_property
    def _first_enclosed(self) -> Outputs:
        return self._enclosed(self.problem, self._first)

    def _enclosed(self, problem: Problem, result: Result) -> Outputs:
        return enclosed(problem, result, self.accuracy.arithmetic(arithmetic_of(self.model, problem)))


def compared(relation: str, identity: Identity, answers: Asker) -> Verdict:
    """Whether the intervals of both sides meet; their bounds are evaluated where the numbers are not the same."""
    problems, accuracy = (identity.problem, *identity.others), answers.accuracy.letter
    results = [answers.to(problem) for problem in problems]
    for problem, result in zip(problems, results, strict=True):
        if text := not_an_answer(problem, result, answers.device):
            text = f"{relation}: {text}; asked {_words(problem, answers.problem)}{_untaken(problem, result)}"
            return Verdict(DISAGREES, np.inf, np.inf, explanation=text, accuracy=accuracy)
    one, *others = map(unbounded, results)
    two = identity.combine(*others)
    if all(same_numbers(one[name].middle, two[name].middle) for name in two):
        return Verdict(AGREES, accuracy=accuracy)
    one, *others = map(answers.enclosed, problems, results)
    two = identity.combine(*others)
    verdicts = [_distance(relation, name, one[name], two[name], accuracy) for name in two]
    order = (DISAGREES, NO_GUARANTEE, AGREES)
    worst = min(verdicts, key=lambda verdict: (order.index(verdict.outcome), -verdict.ratio))
    if worst.outcome != DISAGREES:
        return worst
    words = ", and ".join(_words(problem, answers.problem) for problem in problems)
    return replace(worst, explanation=f"{worst.explanation}; asked {words}")


FEW = 8  # numbers of an array that an explanation quotes
UNTAKEN = " (--without unbatched, if that is not taken)"


def _words(asked: Problem, given: Problem) -> str:
    """How a question differs from the problem that is shown: by what it has in other values, and what it has not."""
    new, old = _contents(asked), _contents(given)
    other = [name for name in new if name not in old or not same_numbers(new[name], old[name])]
    words = [_quoted(name, new[name]) for name in other] + [f"no {name}" for name in old if name not in new]
    return f"with {', '.join(words)}" if words else "as it is"


def _contents(problem: Problem) -> dict[str, Array]:
    """Everything of a problem that has a value."""
    found = {name: np.asarray(value) for name, value in {**problem.inputs, **problem.options}.items()}
    return found if problem.grad_output is None else found | {"grad_output": problem.grad_output}


def _quoted(name: str, values: Array) -> str:
    return f"{name}={values.tolist()!r}" if values.size <= FEW else f"other {name} of shape {values.shape}"


def _untaken(problem: Problem, result: Result) -> str:
    """What leaves an unbatched loss out, where it gave an error, or an answer of another shape."""
    unbatched = "target" in problem.inputs and main_input(problem).ndim == 1
    return UNTAKEN if unbatched and (result.raised is not None or result.outputs) else ""


def unbounded(result: Result) -> Outputs:
    """The answer without its bounds."""
    return {name: Interval.exactly(output.values.astype(np.float64)) for name, output in result.outputs.items()}


def same_numbers(one: Array, two: Array) -> bool:
    """Whether all numbers are equal, NaN to NaN."""
    return one.shape == two.shape and bool(((one == two) | ((one != one) & (two != two))).all())


def _distance(relation: str, name: str, one: Interval, two: Interval, accuracy: str) -> Verdict:
    """Two intervals of one output."""
    if one.middle.shape != two.middle.shape:
        raise AssertionError(f"{relation}: {name} has shapes {one.middle.shape} and {two.middle.shape}")
    if not one.middle.size:
        return Verdict(AGREES, accuracy=accuracy)
    ratio = one.distance(two)
    if not (ratio <= 1).all():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
        where = f"{name}[{', '.join(map(str, index))}]" if index else name
        text = f"{relation}: {where} is {one.middle[index]!s}, and by this relation {two.middle[index]!s}"
        reach = one.radius[index] + two.radius[index]
        text += f"; {ratio[index]:.3g} times as far apart as both bounds allow, {reach:.3g}"
        return Verdict(DISAGREES, float(ratio[index]), 0.0, name, index, text, accuracy=accuracy)
    promised = np.isfinite(one.radius + two.radius)
    if not promised.all():
        few = f"{np.count_nonzero(~promised)} of {ratio.size} elements"
        text = f"{relation}: the bounds of {name} promise nothing for {few}"
        return Verdict(NO_GUARANTEE, float(ratio.max()), explanation=text, accuracy=accuracy)
    return Verdict(AGREES, float(ratio.max()), accuracy=accuracy)
