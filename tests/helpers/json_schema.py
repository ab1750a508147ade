"""A small strict validator of JSON Schema, draft 2020-12: the keywords that our schema uses, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
SAID = {"$schema", "$id", "$defs", "title", "description"}  # keywords that refuse nothing
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "number": (int, float), "boolean": bool, "null": type(None)
}  # fmt: skip


def refusals(schema: Schema, value: Any) -> list[str]:
    """What a schema has against a value, each with its place; KeyError for a keyword that is unknown here."""
    return list(_refusals(schema, value, "", schema))


def _refusals(schema: Schema, value: Any, place: str, whole: Schema) -> Iterator[str]:
    for keyword, said in schema.items():
        if keyword not in SAID:
            yield from _OF[keyword](said, value, place, whole, schema)


def _is(value: Any, name: str) -> bool:
    if name == "integer":
        return _is(value, "number") and value == int(value)
    return isinstance(value, TYPES[name]) and isinstance(value, bool) == (name == "boolean")


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON has it, where true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _ref(said: str, value: Any, place: str, whole: Schema, _: Schema) -> Iterator[str]:
    yield from _refusals(whole["$defs"][said.removeprefix("#/$defs/")], value, place, whole)


def _type(said: str, value: Any, place: str, *_: Any) -> Iterator[str]:
    if not _is(value, said):
        yield f"{place} is {value!r}; expected {said}"


def _enum(said: list[Any], value: Any, place: str, *_: Any) -> Iterator[str]:
    if not any(_same(each, value) for each in said):
        yield f"{place} is {value!r}; expected one of {said}"


def _const(said: Any, value: Any, place: str, *_: Any) -> Iterator[str]:
    yield from _enum([said], value, place)


def _any_of(said: list[Schema], value: Any, place: str, whole: Schema, _: Schema) -> Iterator[str]:
    found = [list(_refusals(each, value, place, whole)) for each in said]
    if all(found):
        yield from found[0]


def _pattern(said: str, value: Any, place: str, *_: Any) -> Iterator[str]:
    if isinstance(value, str) and not re.search(said.removesuffix("$") + r"\Z" if said.endswith("$") else said, value):
        yield f"{place} is {value!r}; expected {said}"


def _minimum(said: float, value: Any, place: str, *_: Any) -> Iterator[str]:
    if _is(value, "number") and not value >= said:
        yield f"{place} is {value!r}; expected at least {said}"


def _maximum(said: float, value: Any, place: str, *_: Any) -> Iterator[str]:
    if _is(value, "number") and not value <= said:
        yield f"{place} is {value!r}; expected at most {said}"


def _min_items(said: int, value: Any, place: str, *_: Any) -> Iterator[str]:
    if isinstance(value, list) and len(value) < said:
        yield f"{place} has {len(value)} items; expected at least {said}"


def _items(said: Schema, value: Any, place: str, whole: Schema, _: Schema) -> Iterator[str]:
    for number, each in enumerate(value if isinstance(value, list) else []):
        yield from _refusals(said, each, f"{place}[{number}]", whole)


def _properties(said: dict[str, Schema], value: Any, place: str, whole: Schema, _: Schema) -> Iterator[str]:
    for name in said.keys() & value.keys() if isinstance(value, dict) else ():
        yield from _refusals(said[name], value[name], f"{place}.{name}", whole)


def _required(said: list[str], value: Any, place: str, *_: Any) -> Iterator[str]:
    for name in said if isinstance(value, dict) else ():
        if name not in value:
            yield f"{place} has no {name}"


def _additional(said: bool, value: Any, place: str, _whole: Schema, schema: Schema) -> Iterator[str]:
    assert said is False
    for name in value.keys() - schema["properties"].keys() if isinstance(value, dict) else ():
        yield f"{place} has {name}, which is unknown"


_OF: dict[str, Any] = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "anyOf": _any_of,
    "pattern": _pattern,
    "minimum": _minimum,
    "maximum": _maximum,
    "minItems": _min_items,
    "items": _items,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
}
