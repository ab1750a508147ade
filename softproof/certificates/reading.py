"""The reader of certificates, which takes nothing that is no certificate.

It takes the same value in any layout, since those who sign a statement write it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..problem.validation import did_you_mean, shown
from ..runs.search import EXAMPLES
from .form import FAILED, OK, PASSED, SAMPLED, STATEMENT, Every, Named, level, row_name


def read(text: str, name: str) -> dict[str, Any]:
    """The certificate in a text that came from the file `name`; ValueError for what is none, quoting both sides."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)
    except RecursionError:
        raise ValueError(f"{name}: it is nested too deeply; expected a certificate of softproof") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is no JSON: {error}; expected a certificate of softproof") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    _check("", value, STATEMENT, name)
    _check_whole(value["predicate"], name)
    return dict(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"{shown(twice[0])} stands twice in one object; expected each key once")
    return dict(pairs)


def _no_float(text: str) -> Any:
    raise ValueError(f"it has the number {text[:40]}; expected whole numbers, and floats as texts in hexadecimal")


def _check(place: str, value: Any, kind: Any, name: str) -> None:
    """ValueError for a value of another kind, by its place."""
    where = f"{name}: {place or 'it'}"
    if isinstance(kind, dict | Named):
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {shown(value)}; expected an object")
        _check_keys(where, value, kind)
        for key, item in value.items():
            _check(f"{place}.{key}" if place else key, item, kind.kind if isinstance(kind, Named) else kind[key], name)
    elif isinstance(kind, Every):
        if not isinstance(value, list) or len(value) < kind.least:
            least = f" of at least {kind.least}" if kind.least else ""
            raise ValueError(f"{where} is {shown(value)}; expected a list{least}")
        for number, item in enumerate(value):
            _check(f"{place}[{number}]", item, kind.kind, name)
    elif expected := kind(value):
        raise ValueError(f"{where} is {shown(value)}; expected {expected}")


def _check_keys(where: str, value: Mapping[str, Any], kind: Any) -> None:
    if isinstance(kind, Named):
        return
    if lacking := [key for key in kind if key not in value]:
        raise ValueError(f"{where} has no {lacking[0]}; expected {', '.join(kind)}")
    if unknown := [key for key in value if key not in kind]:
        raise ValueError(
            f"{where} has {shown(unknown[0])}; expected {', '.join(kind)} alone{did_you_mean(unknown[0], kind)}"
        )


def _check_whole(predicate: Mapping[str, Any], name: str) -> None:
    """ValueError where one part says what another cannot mean."""
    examples = predicate["asked"]["examples"]
    if predicate["level"] != level(examples):
        raise ValueError(
            f"{name}: predicate.level is {predicate['level']!r}, and predicate.asked.examples is {examples}; "
            f"expected {level(examples)!r}, which {SAMPLED!r} is from {EXAMPLES} on"
        )
    for row in predicate["rows"]:
        _check_row(row, f"{name}: the row {row_name(row)}")
    names = [row_name(row) for row in predicate["rows"]]
    if twice := [each for each in names if names.count(each) > 1]:
        raise ValueError(f"{name}: the row {twice[0]} stands there {names.count(twice[0])} times; expected once")
    failed = [row_name(row) for row in predicate["rows"] if row["result"] == FAILED]
    expected = FAILED if failed else PASSED
    if predicate["result"] != expected:
        raise ValueError(
            f"{name}: predicate.result is {predicate['result']!r}, and of {len(names)} rows {len(failed)} have failed; "
            f"expected {expected!r}"
        )


def _check_row(row: Mapping[str, Any], where: str) -> None:
    """ValueError where its result, its verdict and its worst error do not go together."""
    expected = PASSED if row["verdict"] in OK else FAILED
    if row["result"] != expected:
        raise ValueError(f"{where} has result {row['result']!r} and verdict {row['verdict']!r}; expected {expected!r}")
    worst = row["worst"]["error_over_bound"]
    if expected == PASSED and not float.fromhex(worst) <= 1:
        raise ValueError(
            f"{where} has verdict {row['verdict']!r} and worst.error_over_bound {worst}; expected at most 1"
        )
