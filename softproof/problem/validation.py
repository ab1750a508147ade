"""Whether an argument is of the kind that is expected; every message names it, and quotes both sides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from difflib import get_close_matches
from typing import Any

import numpy as np

LONGEST = 80  # characters of a value that an error quotes


def shown(value: Any) -> str:
    """A value in an error: its repr, if it has one, and the beginning of a long one.

    >>> shown(3), shown("x" * 100)[-3:]
    ('3', 'xx…')
    """
    try:
        text = repr(value)
    except Exception:  # whatever it is that cannot be shown
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def check_kind(name: str, value: Any, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise TypeError when an argument is something else."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is a {type(value).__name__}; expected {expected}")


def check_text(name: str, value: Any, expected: str) -> str:
    """A text, or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}; expected {expected}")
    return str(value)


def check_name(name: str, value: Any, known: Iterable[str]) -> str:
    """One of the names that are known: TypeError for what is no name, ValueError for another one."""
    names = tuple(known)
    if check_text(name, value, f"one of {', '.join(names)}") not in names:
        raise ValueError(f"{name} is {shown(value)}; expected one of {', '.join(names)}{did_you_mean(value, names)}")
    return str(value)


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: the one that is written most alike, if any is.

    >>> did_you_mean("sofmax", ["softmax", "linear"]), did_you_mean("x", ["softmax"])
    ("; did you mean 'softmax'?", '')
    """
    close = get_close_matches(value, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_flag(name: str, value: Any) -> None:
    """True or False, or TypeError."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}; expected True or False")


def is_whole(value: Any) -> bool:
    """Whether something is an integer, NumPy's too, and no bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether something is a real number that float64 holds, NumPy's too, and no bool."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return not isinstance(value, int) or -(2**1023) < value < 2**1023


def check_whole(name: str, value: Any, expected: str, least: int | None = None, most: int | None = None) -> int:
    """An integer from `least` to `most`: TypeError for what is none, ValueError for one outside."""
    if not is_whole(value):
        raise TypeError(f"{name} is {shown(value)}; expected {expected}")
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(f"{name} is {shown(value)}; expected {expected}")
    return int(value)


def check_number(name: str, value: Any, expected: str) -> float:
    """A real number, or TypeError."""
    if not is_number(value):
        raise TypeError(f"{name} is {shown(value)}; expected {expected}")
    return float(value)


def check_names(name: str, value: Any, example: str = "x", known: Collection[str] | None = None) -> tuple[str, ...]:
    """A list, tuple or set of names: TypeError for anything else, ValueError for names that are not `known`."""
    expected = f"a list of names such as [{(str(value) if isinstance(value, str) else example)!r}]"
    if not isinstance(value, list | tuple | Set):
        raise TypeError(f"{name} is {shown(value)}; expected {expected}")
    if wrong := [each for each in value if not isinstance(each, str)]:
        raise TypeError(f"{name} has {shown(wrong[0])}; expected {expected}")
    if known is not None and (unknown := [each for each in value if each not in known]):
        raise ValueError(f"{name} names {', '.join(sorted(set(unknown)))}; expected some of {', '.join(known)}")
    return tuple(map(str, value))


def check_mapping(name: str, value: Any, example: str) -> dict[str, Any]:
    """A mapping from names, or TypeError."""
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"{name} is {shown(value)}; expected a mapping from names, such as {example}")
    return dict(value)


BITS, MOST_BITS = 53, 1 << 16  # of the truth: float64, and more than any question has needed


def check_precision(name: str, value: Any) -> int:
    """A number of bits that the truth can be evaluated with."""
    expected = f"a whole number of at least {BITS}, and at most {MOST_BITS}"
    return check_whole(name, value, expected, BITS, MOST_BITS)


def check_precisions(name: str, value: Any) -> tuple[int, ...]:
    """At least one such number, in a list or a tuple."""
    if not isinstance(value, list | tuple) or not value:
        raise TypeError(f"{name} is {shown(value)}; expected a list of precisions such as [53, 128]")
    return tuple(check_precision(name, each) for each in value)
