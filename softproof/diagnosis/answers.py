"""What wrong answers have in common: they are the right ones times a constant, or those to another question.

Each relation is a guess of what was computed, with the error that its own bound allows, and one rounding more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log

import numpy as np

from ..bounds.models import Model
from ..problem.checks import check
from ..problem.formats import FORMATS
from ..problem.losses import is_labels, kept
from ..problem.problem import Array, Problem
from ..problem.rows import class_count, reduction_of
from ..problem.slicing import row_axis, row_count
from .interview import Reply
from .likeness import Yardstick, same
from .record import Pattern

MOST = 2  # relations that are told
ENOUGH = 8  # answers that are looked at
ANSWER = "the answer is "  # how a pattern of answers begins
OF_A_FORMAT = f"{ANSWER}a number of "
FEW = 2  # answers, and elements, from which a relation is one


@dataclass(frozen=True)
class Wrong:
    """A wrong answer with its yardstick: where each output is refuted."""

    reply: Reply
    yardstick: Yardstick
    model: Model

    @cached_property
    def where(self) -> dict[str, Array]:
        """The elements of each output that are wrong, where some are."""
        outputs = {name: each.values.astype(np.float64) for name, each in self.reply.result.outputs.items()}
        exact = self.yardstick.exact
        known = {name: x for name, x in outputs.items() if name in exact and x.shape == exact[name].shape}
        found = {name: self.yardstick.refuted(name, x) for name, x in known.items()}
        return {name: wrong for name, wrong in found.items() if wrong.any()}

    def got(self, name: str) -> Array:
        """An output."""
        return self.reply.result.outputs[name].values.astype(np.float64)

    def is_near(self, expected: Mapping[str, Array], allowed: Mapping[str, Array]) -> bool:
        """Whether each output that is wrong is what was expected instead."""
        return all(self._is_near(name, expected.get(name), allowed.get(name)) for name in self.where)

    def _is_near(self, name: str, expected: Array | None, allowed: Array | None) -> bool:
        got, exact, wrong = self.got(name), self.yardstick.exact[name], self.where[name]
        if expected is None or allowed is None or np.shape(expected) != got.shape:
            return False
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(got - expected)
            near = apart <= 2 * allowed + self.yardstick.unit * np.abs(expected)
            nearer = ~(apart >= np.abs(got - exact)) & self.yardstick.refuted(name, np.asarray(expected))
        identical = same(got, np.asarray(expected))
        return bool(((near & (nearer | ~wrong)) | identical).all())


Relation = Callable[[Wrong], bool]


def relations(wrong: Sequence[Wrong]) -> list[Pattern]:
    """What most wrong answers are instead; nothing where there are too few to tell."""
    wrong = wrong[:ENOUGH]
    if len(wrong) < FEW or sum(int(each.sum()) for one in wrong for each in one.where.values()) < FEW:
        return []
    guesses = [*_constants(), *_places_taken(), *_other_questions(), *_any_constant(wrong[0])]
    with np.errstate(all="ignore"):
        counts = {words: sum(map(holds, wrong)) for words, holds in guesses}
    most = max(counts.values())
    if most < FEW or 2 * most <= len(wrong):
        return []
    found = [words for words, count in counts.items() if count == most]  # a factor without a name is the last
    unlike = found[: len(found) - (len(found) > 1 and found[-1] in dict(_any_constant(wrong[0])))]
    return [Pattern(f"{ANSWER}{words}", most, len(wrong)) for words in unlike[:MOST]]


def _times(constant: Callable[[Problem], float]) -> Relation:
    def holds(wrong: Wrong) -> bool:
        c, yard = constant(wrong.reply.problem), wrong.yardstick
        expected = {name: c * exact for name, exact in yard.exact.items()}
        return wrong.is_near(expected, {name: abs(c) * allowed for name, allowed in yard.allowed.items()})

    return holds


def _counted(problem: Problem) -> float:
    """The rows that count."""
    labels = "target" in problem.inputs and is_labels(problem)
    return float(kept(problem).sum()) if labels else float(row_count(problem))


_FACTORS: dict[str, Callable[[Problem], float]] = {
    "-1": lambda _: -1.0,
    "2": lambda _: 2.0,
    "1/2": lambda _: 0.5,
    "log 2: a logarithm to another base": lambda _: log(2.0),
    "1/log 2: a logarithm to base 2": lambda _: 1 / log(2.0),
    "N, the number of rows": lambda problem: float(row_count(problem)),
    "1/N, the number of rows": lambda problem: 1 / max(1, row_count(problem)),
    "the number of rows that count": _counted,
    "1/the number of rows that count": lambda problem: 1 / max(1.0, _counted(problem)),
    "C, the number of classes": lambda problem: float(class_count(problem)),
    "1/C, the number of classes": lambda problem: 1 / max(1, class_count(problem)),
}


def _constants() -> Iterator[tuple[str, Relation]]:
    yield from ((f"the right one times {words}", _times(constant)) for words, constant in _FACTORS.items())


def _any_constant(first: Wrong) -> Iterator[tuple[str, Relation]]:
    """A factor that is read off the largest number of the first answer."""
    for name in first.where:
        exact, got = first.yardstick.exact[name], first.got(name)
        place = np.unravel_index(np.argmax(np.where(np.isfinite(exact), np.abs(exact), 0.0)), np.shape(exact))
        if exact[place] and np.isfinite(got[place] / exact[place]) and got[place]:
            factor = float(got[place] / exact[place])
            words = f"{factor:.4g}" if f"{factor:.4g}" != "1" else f"1 {factor - 1:+.1e}"
            yield f"the right one times {words}", _times(lambda _, factor=factor: factor)  # type: ignore[misc]


def _places_taken() -> Iterator[tuple[str, Relation]]:
    """What stands where other numbers should."""

    def only(test: Callable[[Array], Array]) -> Relation:
        return lambda wrong: all(bool(test(wrong.got(name)[where]).all()) for name, where in wrong.where.items())

    yield "0 wherever it is wrong", only(lambda x: np.asarray(x == 0))
    yield "NaN wherever it is wrong", only(np.isnan)
    yield "infinite wherever it is wrong", only(np.isinf)
    for name in ("bfloat16", "float16", "float32"):
        yield f"{OF_A_FORMAT.removeprefix(ANSWER)}{name} wherever it is wrong", _of_format(name)
    yield "that of the row before", lambda wrong: wrong.is_near(*_rolled(wrong, 1))
    yield "that of the row after", lambda wrong: wrong.is_near(*_rolled(wrong, -1))


def _of_format(name: str) -> Relation:
    """Whether all wrong numbers are some of a narrower format, finite and not 0; a whole number says nothing."""

    def holds(wrong: Wrong) -> bool:
        got = np.concatenate([wrong.got(output)[where] for output, where in wrong.where.items()])
        narrower = FORMATS[name].precision < FORMATS[wrong.reply.problem.dtype].precision
        with np.errstate(over="ignore"):
            theirs = FORMATS[name].round(got) == got
        return narrower and bool((np.isfinite(got) & (got != 0) & theirs).all()) and bool((got != np.rint(got)).any())

    return holds


def _rolled(wrong: Wrong, step: int) -> tuple[dict[str, Array], dict[str, Array]]:
    problem, yard = wrong.reply.problem, wrong.yardstick
    axes = {name: row_axis(problem, name) for name in wrong.where if not name.startswith(("jvp", "hvp"))}
    names = [name for name, axis in axes.items() if axis is not None and row_count(problem) > 1]
    expected, allowed = ({name: np.roll(each[name], step, axes[name]) for name in names}
                         for each in (yard.exact, yard.allowed))  # fmt: skip
    return expected, allowed


# ---- other questions ------------------------------------------------------------------------------------------------

Change = Callable[[Problem], Problem | None]  # another question; None where it is the same, or none


def _without_input(name: str) -> Change:
    def change(problem: Problem) -> Problem | None:
        if name not in problem.inputs:
            return None
        return replace(problem, inputs={key: each for key, each in problem.inputs.items() if key != name})

    return change


def _without_option(name: str) -> Change:
    def change(problem: Problem) -> Problem | None:
        if name not in problem.options:
            return None
        return replace(problem, options={key: each for key, each in problem.options.items() if key != name})

    return change


def _reduced(now: str, other: str) -> Change:
    def change(problem: Problem) -> Problem | None:
        if "target" not in problem.inputs or reduction_of(problem) != now:
            return None
        return replace(problem, options={**problem.options, "reduction": other})

    return change


def _along(dim: int) -> Change:
    return lambda problem: (
        replace(problem, options={**problem.options, "dim": dim}) if "dim" in problem.options else None
    )


def _upstream(change: Callable[[Array], Array]) -> Change:
    def changed(problem: Problem) -> Problem | None:
        g = problem.grad_output
        return None if g is None or not g.size else replace(problem, grad_output=change(g))

    return changed


def _exchanged(problem: Problem) -> Problem | None:
    if "q" not in problem.inputs:
        return None
    return replace(problem, inputs={"p": problem.inputs["q"], "q": problem.inputs["p"]})


_CHANGES: dict[str, Change] = {
    "with an upstream gradient of 1": _upstream(np.ones_like),
    "with the first upstream gradient for all": _upstream(lambda g: np.full_like(g, g.flat[0])),
    "without weights": lambda problem: _without_input("weight")(problem) if "target" in problem.inputs else None,
    "without smoothing": _without_option("label_smoothing"),
    "with no label ignored": _without_option("ignore_index"),
    "for reduction sum": _reduced("mean", "sum"),
    "for reduction mean": _reduced("sum", "mean"),
    "along the last axis": _along(-1),
    "along the first axis": _along(0),
    "along axis 1": _along(1),
    "without the bias": _without_input("bias"),
    "without the bias of the classifier": _without_input("linear_bias"),
    "for p and q exchanged": _exchanged,
}


def _other_questions() -> Iterator[tuple[str, Relation]]:
    for words, change in _CHANGES.items():
        yield f"the right one {words}", lambda wrong, change=change: _answers(wrong, change)  # type: ignore[misc]


def _answers(wrong: Wrong, change: Change) -> bool:
    """Whether the answer is the right one to a changed question."""
    changed = change(wrong.reply.problem)
    if changed is None:
        return False
    try:
        check(changed)
    except (ValueError, TypeError, IndexError):  # it is no question
        return False
    yard = Yardstick.of(changed, wrong.model)
    return wrong.is_near(yard.exact, yard.allowed)
