"""Several results of one call: each has a number in a tuple or list, or a name in a mapping or another object.

One that has several itself is a dot further: `1.dW` of ``(loss, {"dW": …})``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..problem.interface import Place
from ..problem.validation import did_you_mean

BY_NAME = "with results by name: "


def results_of(answer: Any, *, by_number: bool = False) -> dict[Place, Any]:
    """All results of an answer that has several; empty for an array, and for any other that is one.

    Those of a named tuple have names and numbers.

    >>> results_of([2.5, None]), results_of({"loss": 2.5, "accuracy": 1.0}), results_of(2.5)
    ({0: 2.5, 1: None}, {'loss': 2.5, 'accuracy': 1.0}, {})
    """
    if isinstance(answer, Mapping):
        return {name: result for name, result in answer.items() if isinstance(name, str)}
    if isinstance(answer, tuple | list):
        places = range(len(answer))
        return dict(zip(places if by_number else getattr(answer, "_fields", places), answer, strict=False))
    if isinstance(answer, type) or any(hasattr(answer, each) for each in ("dtype", "__array__")):
        return {}
    held = {*getattr(answer, "__dict__", ()), *getattr(answer, "__slots__", ())}
    return {name: getattr(answer, name, None) for name in sorted(held) if not name.startswith("_")}


def results_within(answer: Any, *, by_number: bool = False) -> dict[Place, Any]:
    """All results of an answer, and in place of one that has several itself those, by both.

    >>> results_within((2.5, {"dW": 1.0, "db": 0.5}, 3))
    {0: 2.5, '1.dW': 1.0, '1.db': 0.5, 2: 3}
    """
    found: dict[Place, Any] = {}
    for place, result in results_of(answer, by_number=by_number).items():
        inner = results_of(result) if isinstance(result, Mapping | tuple | list) else {}
        named: dict[Place, Any] = {f"{place}.{name}": each for name, each in inner.items()}
        found |= named or {place: result}
    return found


def result_at(answer: Any, place: Place, what: str) -> Any:
    """One of several results, by its number or its name, or by those of two; ValueError where there is none."""
    by_number = str(place).partition(".")[0].isdecimal()
    results = results_of(answer, by_number=by_number)
    if place not in results and "." in str(place):
        results = results_within(answer, by_number=by_number)
    if place not in results:
        raise ValueError(f"gave {_given(answer, results)}; expected {what} as result {_told(place, results)}")
    if results[place] is None:
        raise ValueError(f"result {place} is None; expected {what}")
    return results[place]


def only_result(answer: Any) -> Any:
    """An answer itself; TypeError where it has several results by name."""
    if names := _names(results_of(answer)):
        raise TypeError(f"the answer is a {type(answer).__name__}, {BY_NAME}{', '.join(names)}; expected one array")
    return answer


def _names(results: Mapping[Place, Any]) -> list[str]:
    return [each for each in results if isinstance(each, str)]


def _given(answer: Any, results: Mapping[Place, Any]) -> str:
    """What an answer is."""
    if names := _names(results):
        return f"a {type(answer).__name__}, {BY_NAME}{', '.join(names)}"
    return f"{len(answer)} results" if isinstance(answer, tuple | list) else f"a {type(answer).__name__}"


def _told(place: Place, results: Mapping[Place, Any]) -> str:
    """A place that there is not."""
    return f"{place}, counted from 0" if isinstance(place, int) else f"{place!r}{did_you_mean(place, _names(results))}"
