"""``--arithmetic auto``: the narrowest of a few models under which all answers of a row agree.

An answer that disagrees under one model is judged again under the next: the same numbers, never another answer to the
same question. A row that has come to a wider model stays there, and tells how far it was outside the narrower one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..bounds.arithmetic import Arithmetic
from ..bounds.models import MODELS, THROUGH, Model
from ..problem.formats import HALF
from ..problem.problem import Problem, Result
from ..properties.measured import MEASURED

AUTO = "auto"
# Each allows what the one before does, and more; and more still where derivatives go through the maximum.
STEPS = ("any-order", "stored-logsumexp", "fused", "fused-flush-to-zero", "folded-logsumexp", "eager", "eager-cuda")
LADDER = tuple(name for step in STEPS for name in (step, step + THROUGH))
_NOT_IN_HALF, _IN_HALF = ("fused-flush-to-zero", "folded-logsumexp"), ("eager", "eager-cuda")
_ON_CUDA = ("eager-cuda",)


def named(arithmetic: str | Arithmetic | Model | None) -> str | Arithmetic | Model | None:
    """The model to begin with: none that is named, where it is to be found out, or measured."""
    return None if is_auto(arithmetic) or is_measured(arithmetic) else arithmetic


def is_auto(arithmetic: object) -> bool:
    """Whether the model is to be found out."""
    return isinstance(arithmetic, str) and arithmetic == AUTO


def is_measured(arithmetic: object) -> bool:
    """Whether the model is to be measured on the candidate."""
    return isinstance(arithmetic, str) and arithmetic == MEASURED


def check_ladder(arithmetic: object, accuracy: str) -> None:
    """ValueError where a model is to be found out by a comparison with a baseline, which is judged under one."""
    if (is_auto(arithmetic) or is_measured(arithmetic)) and accuracy == "D":
        raise ValueError(f"arithmetic is {arithmetic!r} and accuracy is 'D'; class D needs the name of a model")


def wider(name: str, dtype: str, device: str) -> Iterator[tuple[str, Model]]:
    """The models after this one, which is the first where it has no name: those of a format and a device.

    >>> [name for name, _ in wider("fused", "float16", "cpu")]
    ['eager', 'fused-through-maximum', 'eager-through-maximum']
    """
    elsewhere = {*(_NOT_IN_HALF if dtype in HALF else _IN_HALF)}
    elsewhere |= set() if device.split(":")[0] == "cuda" else {*_ON_CUDA}
    name = name or LADDER[0]
    found = [each for each in LADDER[LADDER.index(name) + 1 :] if together(name, each) == each]
    if dtype in HALF:  # where what is stored shows at the largest logit first, in gradients that go through nothing
        found.sort(key=lambda each: each.endswith(THROUGH))
    yield from ((each, MODELS[each]) for each in found if each.removesuffix(THROUGH) not in elsewhere)


def together(*names: str) -> str:
    """The narrowest model of the ladder that allows what each of these does.

    >>> together("fused", "any-order-through-maximum")
    'fused-through-maximum'
    """
    step = STEPS[max(STEPS.index(name.removesuffix(THROUGH)) for name in names)]
    return step + THROUGH * any(name.endswith(THROUGH) for name in names)


def widest(dtype: str, device: str) -> Model:
    """The last of them."""
    return list(wider("", dtype, device))[-1][1]


class Recorded:
    """A candidate whose answers are kept, to be judged once more under another model without being asked again."""

    def __init__(self, candidate: Any) -> None:
        self._candidate, self._answers, self._next = candidate, list[Result](), 0

    def answer(self, problem: Problem, device: str) -> Result:
        """What was answered to this question of the sequence, which is the same under each model."""
        if self._next == len(self._answers):
            self._answers.append(self._candidate.answer(problem, device))
        self._next += 1
        return self._answers[self._next - 1]

    def rewind(self) -> None:
        """Begin again with the first answer."""
        self._next = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._candidate, name)
