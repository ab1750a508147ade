"""The model `measured`: a candidate's sums over the classes are no deeper than they were found to be.

You need not know the candidate's source. The assumptions are: the order of a sum depends on the operation, the
format, the shape, the layout and the device, and not on the numbers; and none of many classes goes through more
additions than those that were asked. Other numbers are asked too; where they contradict, and where no order of sums
fits, where a rounded result hides it, or where it would take too long, the order is any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..bounds.arithmetic import Arithmetic, any_order
from ..problem.formats import FORMATS, Floats
from ..problem.problem import Array, Problem, Result
from ..problem.rows import class_axes, main_input
from ..problem.validation import check_text, shown
from ..verdicts.misfits import not_an_answer
from .summation import PRECISION, deepest, path, places

MEASURED = "measured"  # as it is called where a model has a name
NOT_PLAIN = "nothing to be read off"
ALL, SOME = 64, 16  # classes of which each is asked; and how many of more
MOST = 2000  # questions to find one depth
AGAIN, OTHER_SHARE = 3, 3  # places that are asked again, and other numbers there
ABOVE_1: dict[str, Callable[[Array], Array]] = {  # what a row's sum is above 1, of what is answered for the logit 0
    "softmax": lambda p: 1 / p - 1,
    "log_softmax": lambda y: np.expm1(-y),
    "logsumexp": np.expm1,
    "cross_entropy": np.expm1,
}
Key = tuple[str, str, tuple[int, ...], int, str]


class Candidate(Protocol):
    """Who is measured."""

    def answer(self, problem: Problem, device: str = "cpu") -> Result: ...  # noqa: D102
    def supports(self, operation: str) -> frozenset[str]: ...  # noqa: D102


class Measured:
    """A model of one candidate: a function from a problem to an `Arithmetic`, which asks the candidate.

    Args:
        candidate: who is measured, as `softproof.load` gives it. device: where tensors live.
    Raises: TypeError for anything else.

    `depths` has what was found for each kind of problem: additions, or why the order is any. The method is
    FPRev's (Xie, arXiv 2411.00442), with terms of one sign: docs/theory/bounds.md, Section 14.

    >>> import softproof
    >>> measured = Measured(softproof.load("manual:softmax"))
    >>> measured(Problem("softmax", "float32", {"logits": [0.0] * 40})).depth  # eight partial sums, in pairs
    7
    """

    __name__ = MEASURED

    def __init__(self, candidate: Candidate, device: str = "cpu") -> None:
        if not (callable(getattr(candidate, "answer", None)) and callable(getattr(candidate, "supports", None))):
            raise TypeError(f"candidate is {shown(candidate)}; expected what softproof.load gives")
        self.candidate, self.device = candidate, check_text("device", device, "the name of one, such as 'cpu'")
        self.depths: dict[Key, int | str] = {}

    def __call__(self, problem: Problem) -> Arithmetic:
        """Any order, or no deeper than measured."""
        usual = any_order(problem.dtype)
        found = self.depth(problem)
        if isinstance(found, str):
            return usual
        return replace(usual, name=f"{usual.name}, sums as measured", depth=found)

    def depth(self, problem: Problem) -> int | str:
        """How many additions a class goes through, or why the order is any."""
        if not _is_plain(problem):
            return NOT_PLAIN
        key = _key(problem)
        if key not in self.depths:
            self.depths[key] = self._measured(problem)
        return self.depths[key]

    def told(self, operation: str, dtype: str) -> dict[str, int]:
        """The largest depth for each number of classes, of one operation in one format."""
        largest: dict[str, int] = {}
        for (name, of, shape, axis, _), depth in sorted(self.depths.items(), key=lambda item: item[0][2][item[0][3]]):
            if (name, of) == (operation, dtype) and isinstance(depth, int):
                n = str(shape[axis])
                largest[n] = max(depth, largest.get(n, 0))
        return largest

    def reasons(self, operation: str, dtype: str) -> dict[str, int]:
        """Why the order is any, and of how many kinds of problem."""
        own = (each for key, each in self.depths.items() if key[:2] == (operation, dtype))
        return dict(Counter(each for each in own if isinstance(each, str)))

    def _measured(self, problem: Problem) -> int | str:
        n, precision = _classes(problem), FORMATS[problem.dtype].precision
        at = places(n, n if n <= ALL else SOME)
        questions = -(-(n - 1) // _rows(problem)) * (len(at) + AGAIN)
        if n < 2:
            return NOT_PLAIN
        if questions > MOST:
            return f"more than {MOST} questions"
        if not self._answers_by_row(problem):
            return "no loss of each row"
        ask = self._asking(problem)
        try:
            paths = {place: path(ask, n, place, precision) for place in at}
            again = {place: path(ask, n, place, precision, OTHER_SHARE) for place in at[:: -(-len(at) // AGAIN)]}
        except _NoAnswerError:
            return "no answer"
        if not again.items() <= paths.items():
            return "other numbers contradict"
        found = deepest(list(paths.values()))
        return "no order fits" if found is None else found

    def _answers_by_row(self, problem: Problem) -> bool:
        """Whether it gives the loss of each row, if it is one."""
        by_row = "reduction" in self.candidate.supports(problem.operation)
        return problem.operation != "cross_entropy" or _rows(problem) == 1 or by_row

    def _asking(self, problem: Problem) -> Callable[[Array], Array]:
        """Rows of terms to what their sums are above 1, as many rows at a time as the problem has."""
        rows = _rows(problem)

        def ask(terms: Array) -> Array:
            found = [self._above(problem, terms[first : first + rows], rows) for first in range(0, len(terms), rows)]
            return np.concatenate(found)

        return ask

    def _above(self, problem: Problem, terms: Floats, rows: int) -> Array:
        """Of some rows of terms, by one question; the last stands in all places that are left."""
        padded = terms[np.minimum(np.arange(rows), len(terms) - 1)]
        label = padded.argmax(-1)
        question = _question(problem, padded, label)
        answer = self.candidate.answer(question, self.device)
        if not_an_answer(question, answer, self.device):
            raise _NoAnswerError
        value = np.asarray(answer.outputs["value"].values, np.float64)
        if problem.operation in ("softmax", "log_softmax"):
            value = np.moveaxis(value, class_axes(problem)[0], -1).reshape(rows, -1)[np.arange(rows), label]
        with np.errstate(all="ignore"):
            return np.asarray(ABOVE_1[problem.operation](value.reshape(rows)))[: len(terms)]


class _NoAnswerError(Exception):
    """A question that only measures was not answered."""


def _is_plain(problem: Problem) -> bool:
    """Whether a sum over the classes can be read off: rows of logits along one axis, and labels without weights."""
    if problem.operation not in ABOVE_1 or FORMATS[problem.dtype].precision < PRECISION or not main_input(problem).size:
        return False
    target, smoothed = problem.inputs.get("target"), problem.options.get("label_smoothing")
    labels = target is None or target.dtype.kind == "i"
    return len(class_axes(problem)) == 1 and labels and not smoothed and "weight" not in problem.inputs


def _classes(problem: Problem) -> int:
    return int(main_input(problem).shape[class_axes(problem)[0]])


def _rows(problem: Problem) -> int:
    return main_input(problem).size // _classes(problem)


def _key(problem: Problem) -> Key:
    shape = main_input(problem).shape
    return problem.operation, problem.dtype, shape, class_axes(problem)[0], problem.layout_of("logits")


def _question(problem: Problem, terms: Array, label: Array) -> Problem:
    """The same kind of problem about other logits, the logarithms of terms; the label of each row is its 1."""
    shape, axis = main_input(problem).shape, class_axes(problem)[0]
    logits = FORMATS[problem.dtype].round(np.log(terms)).reshape(*np.delete(shape, axis), shape[axis])
    inputs: dict[str, Array] = {"logits": np.moveaxis(logits, -1, axis)}
    options = {name: value for name, value in problem.options.items() if name in ("dim", "keepdim")}
    if "target" in problem.inputs:
        inputs["target"] = label.reshape(problem.inputs["target"].shape)
        options = {"reduction": "none"} if "reduction" in problem.options else {}
    return replace(problem, inputs=inputs, options=options, grad_output=None, tangent=None)
