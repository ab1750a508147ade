"""How large a question is in each dimension: as an argument, and in the words of `without` for other sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any

from .class_masks import CLASS_MASKS, class_mask
from .problem import Problem
from .rows import class_count, main_input, row_axes
from .whole_masks import WHOLE, whole_mask

ELEMENTS = "elements"  # rows times classes
NAMES = ("rows", "of a batch", "positions", "classes", "features", ELEMENTS)
NOTHING = "@none"  # what stands for None, which tables in TOML cannot say
ARGUMENTS = {"@rows": "rows", "@batch": "of a batch", "@positions": "positions", "@classes": "classes",
             "@features": "features"}  # fmt: skip
_KNOWN = (*ARGUMENTS, NOTHING, *WHOLE, *CLASS_MASKS)
ONE_CLASS = "fewer_than_2_classes"
_LIMIT = re.compile(rf"(more|fewer)_than_([1-9][0-9]{{0,9}})_({'|'.join(name.replace(' ', '_') for name in NAMES)})")


def sizes(problem: Problem) -> dict[str, int]:
    """The size of each dimension by its name, one of NAMES.

    >>> sizes(Problem("softmax", "float32", {"logits": [[0.0] * 3] * 5}, {"dim": 1}))
    {'rows': 5, 'of a batch': 5, 'positions': 1, 'classes': 3}
    """
    lead = rows_shape(problem)
    features = {"features": main_input(problem).shape[-1]} if "input" in problem.inputs else {}
    found = {"rows": prod(lead), "of a batch": lead[0] if lead else 1, "positions": prod(lead[1:])}
    return found | {"classes": class_count(problem)} | features


def rows_shape(problem: Problem) -> tuple[int, ...]:
    """The shape of what has one number for each row.

    >>> rows_shape(Problem("softmax", "float32", {"logits": [[0.0] * 3] * 5}, {"dim": 0}))
    (3,)
    """
    main = main_input(problem).shape
    if "input" not in problem.inputs:
        return tuple(main[axis] for axis in row_axes(problem))
    weight = problem.inputs["weight" if problem.operation == "linear" else "linear_weight"].shape
    return *main[:-1], *weight[1:-1]


def with_sizes(extra: Mapping[str, Any], problem: Problem, entries: tuple[int, ...] = ()) -> dict[str, Any]:
    """Arguments, of which a key of ARGUMENTS is that size of the question, and one of WHOLE or CLASS_MASKS that mask.

    `entries` is the shape in which logits are given; of a layer it is known.

    Raises: ValueError for a size that the question does not have.

    >>> with_sizes({"vocab_size": "@classes"}, Problem("softmax", "float32", {"logits": [[0.0] * 3] * 5}, {"dim": 1}))
    {'vocab_size': 3}
    """
    extra = {name: None if isinstance(value, str) and value == NOTHING else value for name, value in extra.items()}
    extra |= {name: class_mask(value, problem) for name, value in extra.items()
              if isinstance(value, str) and value in CLASS_MASKS}  # fmt: skip
    masks = {name: value for name, value in extra.items() if isinstance(value, str) and value in WHOLE}
    if masks:
        entries = (*rows_shape(problem), class_count(problem)) if "input" in problem.inputs else entries
        extra |= {name: whole_mask(value, entries, rows_shape(problem)) for name, value in masks.items()}
    wanted = {name: ARGUMENTS[value] for name, value in extra.items() if isinstance(value, str) and value in ARGUMENTS}
    known = sizes(problem) if wanted else {}
    if lacks := [name for name, size in wanted.items() if size not in known]:
        raise ValueError(f"extra {lacks[0]} is {extra[lacks[0]]}; {problem.operation} has {', '.join(known)}")
    return {name: known[wanted[name]] if name in wanted else value for name, value in extra.items()}


def check_sizes(extra: Mapping[str, Any]) -> None:
    """ValueError for a text that begins as a size does, and is none."""
    for name, value in extra.items():
        if isinstance(value, str) and value.startswith("@") and value not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise ValueError(f"extra {name} is {value}; expected one of {known}, or another value")


def limit(most: int, name: str) -> str:
    """The word of `without` for more than that many.

    >>> limit(65536, "classes")
    'more_than_65536_classes'
    """
    return f"more_than_{most}_{name.replace(' ', '_')}"


def is_limit(word: str) -> bool:
    """Whether it is such a word."""
    return _LIMIT.fullmatch(word) is not None


def is_beyond(word: str, problem: Problem, times: int = 1) -> bool:
    """Whether a question is larger, or smaller, than such a word says, with so many times the rows.

    Any other word says nothing.

    >>> three = Problem("softmax", "float32", {"logits": [0.0, 0.0, 0.0]}, {"dim": 0})
    >>> is_beyond("more_than_2_classes", three), is_beyond("fewer_than_4_classes", three), is_beyond("masked", three)
    (True, True, False)
    """
    found = _LIMIT.fullmatch(word)
    if found is None:
        return False
    known, name = sizes(problem), found[3].replace("_", " ")
    known |= {each: known[each] * times for each in ("rows", "of a batch")}
    known[ELEMENTS] = known["rows"] * known["classes"]
    size = known.get(name)
    if size is None:
        return False
    return size > int(found[2]) if found[1] == "more" else size < int(found[2])
