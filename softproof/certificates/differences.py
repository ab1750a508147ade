"""What is different between a certificate and what was found when its target was judged again, in plain words.

What matters: the files, what was asked, which problems, rows and their verdicts, what was not tested, and what is
assumed. What does not: when and where, the versions, and how the files are called. Measured numbers matter where the
environment is the same, unless the target gave other bits when it was asked again: then nobody can repeat them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..candidates.plain_text import plain
from ..problem.validation import shown
from .form import row_name
from .statement import drawn

MEASURED = ("worst", "detectable", "vacuous", "problems", "reason", "other_bits")
AGAIN = ("asked twice", "asked many times", "two threads")  # behaviour checks that ask the very same question
PLACE = ("time", "protections")  # of the environment, that change no number
ONLY_SAID = "the certificate has"


@dataclass(frozen=True)
class Difference:
    """One difference, and whether it matters."""

    words: str
    matters: bool = True


def differences(said: Mapping[str, Any], found: Mapping[str, Any]) -> list[Difference]:
    """Between the statement of a certificate and that of now: first what matters."""
    one, two = said["predicate"], found["predicate"]
    same = _alike(one, two)
    listed = [*_of_subject(said["subject"], found["subject"]), *_of_asked(one["asked"], two["asked"])]
    listed += _of_rows(one["rows"], two["rows"], same)
    for name in ("result", "level"):
        listed += _plain(name, one[name], two[name])
    for name in ("not_tested", "assumptions", "reported"):
        listed += _of_lists(name, one[name], two[name])
    listed += [Difference(each.words, matters=False) for each in _environments(one, two)]
    return sorted(listed, key=lambda each: not each.matters)


def of_problems(said: Mapping[str, Any]) -> list[Difference]:
    """Whether the seed of a statement draws the problems of its rows; nothing is asked of anybody."""
    asked = said["predicate"]["asked"]
    return [each for row in said["predicate"]["rows"] for each in _of_problems(row, asked)]


def _of_problems(row: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Difference]:
    said, where = row["drawn"], f"row {row_name(row)}: the problems"
    try:
        count, digest = drawn(row["operation"], row["dtype"], said, int(asked["seed"]), asked["examples"])
    except (ValueError, TypeError, SyntaxError) as error:
        yield Difference(f"{where}: they cannot be drawn: {plain(str(error))}")
        return
    if (said["count"], said["sha256"]) != (count, digest):
        yield Difference(
            f"{where}: {ONLY_SAID} {said['count']} with SHA-256 {said['sha256']}; its seed {asked['seed']} draws "
            f"{count} with {digest}"
        )


def _alike(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """Whether the same numbers are to be expected."""
    environments = [{key: each for key, each in its["environment"].items() if key not in PLACE} for its in (one, two)]
    return one["verifier"] == two["verifier"] and environments[0] == environments[1]


def _of_subject(said: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    """Files by their digests, and by their names where these are the same."""
    one, two = ({each["name"]: each["digest"]["sha256"] for each in its} for its in (said, found))
    if sorted(one.values()) == sorted(two.values()):
        if sorted(one) != sorted(two):
            yield Difference(f"files have other names: {', '.join(one)}, and now {', '.join(two)}", matters=False)
        return
    for name in sorted({*one, *two}):
        if name not in two:
            yield Difference(f"subject: {ONLY_SAID} {name}, which is no file of the target now (--source names more)")
        elif name not in one:
            yield Difference(f"subject: {name} is a file of the target now; the certificate does not have it")
        elif one[name] != two[name]:
            yield Difference(f"subject: {name} has changed: SHA-256 {one[name]}, now {two[name]}")


def _of_asked(said: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Difference]:
    """The target may have another name now, and another sandbox."""
    for name, value in said.items():
        if value != found[name]:
            words = f"asked.{name} is {shown(value)}, and now {shown(found[name])}"
            yield Difference(words, matters=name not in ("target", "sandbox"))


def _of_rows(said: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], same: bool) -> Iterator[Difference]:
    one, two = ({row_name(row): row for row in its} for its in (said, found))
    for name in [*one, *(name for name in two if name not in one)]:
        if name not in two:
            yield Difference(f"row {name}: {ONLY_SAID} it, and judged again there is no such row")
        elif name not in one:
            yield Difference(f"row {name}: it {two[name]['verdict']}, and the certificate does not have it")
        else:
            yield from _of_row(name, one[name], two[name], same)


def _of_row(name: str, said: Mapping[str, Any], again: Mapping[str, Any], same: bool) -> Iterator[Difference]:
    """The verdict first, then what was asked, then what was measured."""
    yield from _plain(f"row {name}: verdict", said["verdict"], again["verdict"])
    for key in ("supports", "layouts", "fixed", "ndim"):
        yield from _of_lists(f"row {name}: drawn.{key}", said["drawn"][key], again["drawn"][key])
    for key in ("arithmetic", "accuracy", "theorems", "isolated", "unspecified", "behaviour", "relations"):
        yield from _plain(f"row {name}: {key}", said[key], again[key])
    yield from _of_lists(f"row {name}: not_tested", said["not_tested"], again["not_tested"])
    steady = not set(AGAIN).intersection(again["other_bits"])
    for key in MEASURED:
        for each in _plain(f"row {name}: {key}", said[key], again[key]):
            yield Difference(each.words, matters=same and steady)


def _of_lists(name: str, said: Sequence[str], again: Sequence[str]) -> Iterator[Difference]:
    for word in said:
        if word not in again:
            yield Difference(f"{name}: {ONLY_SAID} {word!r}, which is not so now")
    for word in again:
        if word not in said:
            yield Difference(f"{name}: judged again there is {word!r}, which the certificate does not have")


def _plain(name: str, said: Any, found: Any) -> Iterator[Difference]:
    if said != found:
        yield Difference(f"{name}: {ONLY_SAID} {shown(said)}; judged again it is {shown(found)}")


def _environments(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Difference]:
    for name in ("version", "sha256"):
        yield from _plain(f"verifier: {name}", one["verifier"][name], two["verifier"][name])
    for name in ("platform", "gpus"):
        yield from _plain(f"environment: {name}", one["environment"][name], two["environment"][name])
    for name in ("versions", "protections"):
        said, found = one["environment"][name], two["environment"][name]
        for key in dict.fromkeys([*said, *found]):
            yield from _plain(f"environment: {key}", said.get(key, "nothing"), found.get(key, "nothing"))
