"""Fill a bank: the problems that `verify` asks under a seed, each with its truth and with bounds under each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..bounds.models import MODELS, model
from ..candidates.preparation import DTYPES
from ..generation.coverage import regions
from ..generation.strategies import problems
from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS
from ..problem.problem import Problem
from ..problem.validation import check_name, check_names, check_whole
from ..runs.criteria import Criteria
from ..runs.search import EXAMPLES, planned
from ..verdicts.compiled import Outputs, can_be_compiled, compiled
from .bank_file import Bank
from .kept import Kept, size_of

MOST = 1 << 22  # numbers of all inputs together


def build(
    operations: Sequence[str] = tuple(OPERATIONS),
    dtypes: Sequence[str] = DTYPES,
    arithmetic: Sequence[str] = (),
    *,
    seed: int,
    examples: int = EXAMPLES,
    without: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> Bank:
    """A bank of the problems that `softproof.verify` asks under a seed, whatever the answers are.

    These are four fifths of its drawn problems, each once; the others follow from the answers. Those of which a model
    guarantees nothing are left out.

    Args:
        operations, dtypes: what is asked about, and in which formats.
        arithmetic: the models under which there are bounds, at least one, by their names in `softproof.MODELS`.
        seed: makes the problems. Who knows it can make them, too.
        examples: how many problems `verify` would draw for each operation and dtype.
        without: the optional inputs and options that are not to be asked, and kinds of input, as in `softproof.verify`.
        progress: called with a line of text for each operation and dtype.
    Raises: TypeError or ValueError naming an argument that does not fit.

    >>> bank = build(["softmax"], ["float32"], ["any-order"], seed=7, examples=10)
    >>> len(bank.questions) > 5, bank.models, bank.operations
    (True, ('any-order',), ('softmax',))
    """
    check_names("operations", operations, "softmax", OPERATIONS)
    check_names("dtypes", dtypes, "float32", FORMATS)
    check_models(arithmetic)
    check_whole("seed", seed, "a whole number of 64 bits", -(2**63), 2**64 - 1)
    check_whole("examples", examples, "a whole number of at least 1", 1)
    known = {each for name in operations for each in OPERATIONS[name].extras} | {"gradient"}
    check_names("without", without, "weight", sorted(known))
    questions: list[Kept] = []
    left_out = 0
    for operation in dict.fromkeys(operations):
        for dtype in dict.fromkeys(dtypes):
            of_these = [*_questions(operation, dtype, arithmetic, seed, examples, frozenset(without))]
            questions += filter(None, of_these)
            left_out += of_these.count(None)
            if progress is not None:
                progress(f"{operation} {dtype}: {len(of_these) - of_these.count(None)} questions")
    if not questions:
        raise ValueError(f"examples is {examples}, and no problem is left; expected more")
    if (size := sum(size_of(each.problem) for each in questions)) > MOST:
        raise ValueError(f"the questions have {size} numbers together; expected at most {MOST}: ask for fewer examples")
    return Bank(tuple(questions), seed, examples, left_out)


def check_models(names: Sequence[str]) -> None:
    """ValueError or TypeError where no model is named, or one that not everybody has."""
    if not check_names("arithmetic", names, "any-order"):
        raise ValueError(f"arithmetic names no model; expected some of {', '.join(MODELS)}")
    for name in names:
        check_name("arithmetic", name, MODELS)


def _questions(
    operation: str, dtype: str, models: Sequence[str], seed: int, examples: int, without: frozenset[str]
) -> Iterator[Kept | None]:
    """Each problem once under each model; None for one of which nothing is guaranteed."""
    supports = frozenset(OPERATIONS[operation].extras) - without
    drawn = planned(partial(problems, operation, dtype, supports=supports), examples, seed)
    for name in models:
        criteria = Criteria("cpu", model(name), name, "C", None, 1.0)
        asked = (criteria.promised(_asked(each, without)) for each in drawn)
        for problem in {each.digest(): each for each in asked}.values():
            outputs = compiled(problem, name) if can_be_compiled(problem) else {}
            yield Kept(problem, name, outputs, regions(problem)) if outputs and _is_guaranteed(outputs) else None


def _asked(problem: Problem, without: frozenset[str]) -> Problem:
    return replace(problem, grad_output=None) if "gradient" in without else problem


def _is_guaranteed(outputs: Outputs) -> bool:
    """Whether there is a bound wherever there is a finite truth."""
    return all((np.isfinite(each.allowed.error) | each.truth.special).all() for each in outputs.values())
