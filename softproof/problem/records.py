"""What the fields of a public record have to be: its constructor refuses anything else, by the name of the field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .validation import is_number, is_whole, shown

Field = tuple[Callable[[Any], bool], Callable[[Any], bool], str]  # of the kind, of a value that fits, what is expected


def check_fields(record: Any, kinds: Mapping[str, Field]) -> None:
    """TypeError for a field of another kind, ValueError for a value that does not fit; both name it.

    >>> from types import SimpleNamespace
    >>> check_fields(SimpleNamespace(count=-1), {"count": COUNT})
    Traceback (most recent call last):
        ...
    ValueError: count is -1; expected a whole number that is not negative
    """
    for name, (is_kind, fits, expected) in kinds.items():
        value = getattr(record, name)
        if not is_kind(value):
            raise TypeError(f"{name} is {shown(value)}; expected {expected}")
        if not fits(value):
            raise ValueError(f"{name} is {shown(value)}; expected {expected}")


def _any(_value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _not_negative(value: Any) -> bool:
    return not value < 0


TEXT: Field = (_is_text, _any, "a text")
FLAG: Field = (lambda value: isinstance(value, bool), _any, "True or False")
COUNT: Field = (is_whole, _not_negative, "a whole number that is not negative")
WHOLE: Field = (is_whole, _any, "a whole number")
NUMBER: Field = (is_number, _not_negative, "a number that is not negative")


def a(kind: type, expected: str) -> Field:
    """One of a class."""
    return lambda value: isinstance(value, kind), _any, expected


def optional(field: Field) -> Field:
    """The same, or None."""
    is_kind, fits, expected = field
    return (lambda value: value is None or is_kind(value), lambda value: value is None or fits(value),
            f"{expected}, or None")  # fmt: skip


def one_of(names: Iterable[str]) -> Field:
    """One of some names."""
    known = tuple(names)
    return _is_text, lambda value: value in known, f"one of {', '.join(known)}"


def tuple_of(field: Field, plural: str) -> Field:
    """Any number of them."""
    is_kind, fits, _ = field
    return (lambda value: isinstance(value, tuple) and all(map(is_kind, value)), lambda value: all(map(fits, value)),
            f"a tuple of {plural}")  # fmt: skip


def by_name(field: Field, plural: str, names: Iterable[str] | None = None) -> Field:
    """A mapping from names, or from those that are known, to them."""
    is_kind, fits, _ = field
    known = None if names is None else frozenset(names)

    def is_mapping(value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(_is_text, value)) and all(map(is_kind, value.values()))

    def is_known(value: Any) -> bool:
        return (known is None or known.issuperset(value)) and all(map(fits, value.values()))

    of = "names" if known is None else f"some of {', '.join(sorted(known))}"
    return is_mapping, is_known, f"a mapping from {of} to {plural}"


NAMES = tuple_of(TEXT, "names")
COUNTS = tuple_of(COUNT, "whole numbers that are not negative")
ARRAY = a(np.ndarray, "an array")
CALLABLE: Field = (callable, _any, "a function")
