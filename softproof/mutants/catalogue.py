"""All mutants by name, and what is not among them, with the reason."""

from __future__ import annotations

from importlib import import_module, util
from types import ModuleType

from ..problem.operations import OPERATIONS
from . import (
    axes,
    distributions,
    divergences,
    formulas,
    labels,
    layout,
    linear,
    means,
    precision,
    races,
    results,
    smoothing,
    stability,
    state,
    upstream,
)
from .correct import CORRECT as STEPS
from .record import MUTANTS as NOTED
from .steps.operation import Operation


def _of_homes(*others: ModuleType) -> tuple[ModuleType, ...]:
    """The files of operations' homes, where there are such, beside the files of kinds of fault."""
    names = dict.fromkeys(f"{__package__}.{about.home}" for about in OPERATIONS.values())
    files = [import_module(name) for name in names if util.find_spec(name)]
    return tuple(file for file in files if file not in others)


_FAULTS = (
    upstream,
    means,
    labels,
    smoothing,
    stability,
    precision,
    layout,
    axes,
    state,
    races,
    results,
    formulas,
    distributions,
    linear,
    divergences,
)
GROUPS = (*_FAULTS, *_of_homes(*_FAULTS))
_ORDER = [module.__name__ for module in GROUPS]
MUTANTS = dict(sorted(NOTED.items(), key=lambda item: _ORDER.index(item[1].implementation.__module__)))
for _operation in OPERATIONS:
    if _operation not in {each.operation for each in MUTANTS.values()}:
        raise ImportError(f"{_operation} has no mutant in softproof/mutants/{OPERATIONS[_operation].home}.py")

CORRECT: tuple[Operation, ...] = (*STEPS, *(each for file in GROUPS for each in getattr(file, "CORRECT", ())))

# Defects that are not among the mutants: most because none of the operations here can have the like.
NOT_COVERED = {
    "labels shifted twice (huggingface/transformers #47394, PR #46898, PR #36928)": (
        "the shift of labels belongs to a language model's wrapper, which is no operation here"
    ),
    "a scale hoisted out of the softmax (pytorch/pytorch #100775, #163932, #161150)": (
        "the operations here have no scale; without one the rewritten formula is the right one"
    ),
    "weights inside logsumexp (scipy/scipy #22903, #23548)": "logsumexp has no weights here",
    "p - 1 in place of the sum of the others (tensorflow/tensorflow #126634)": (
        "documented behaviour, within the bound of the classes that are offered for gradients"
    ),
    "unsigned logits that wrap around (cupy/cupy PR #6823)": "logits are floating-point numbers here",
    "a result written to a strided `out` (pytorch/pytorch #75923)": "no operation here takes `out`",
    "a softmax kept for the backward pass where autograd does not guard it": (
        "nobody writes to an answer before its backward pass is asked for; the judge does not see it"
    ),
    "a compensated sum that corrects with the wrong sign": (
        "its errors, at most twice those of a plain sum, stayed within the bound of sums in any order"
    ),
    "exponentials by a polynomial of three terms, in bfloat16 (Dao-AILab/flash-attention for Blackwell)": (
        "an approximation that is documented, whose arithmetic can be told to the judge"
    ),
    "entries of the gradient below 2⁻¹² dropped in bfloat16 (apple/ml-cross-entropy)": (
        "the classifiers that are drawn in half precision have logits too close to each other to show it"
    ),
}
