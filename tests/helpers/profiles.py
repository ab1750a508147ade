"""The profile of a function that a file has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import softproof
from softproof.candidates.candidate import Candidate
from softproof.problem.arrangements import ARRANGEMENTS
from softproof.runs.introduction import Profile
from softproof.runs.profile import Probe

INTERFACE = ("operation", "names", "fixed", "extra", "output", "negative", *ARRANGEMENTS, "without", "ndim",
             "gradients")  # fmt: skip
NAMED: dict[str, Any] = {"arithmetic": "any-order"}  # so that no model is looked for


def opener_of(function: Callable[..., Any], adapter: str = "torch") -> Callable[[Mapping[str, Any]], Candidate]:
    """What opens it in this process."""

    def opener(more: Mapping[str, Any]) -> Candidate:
        return softproof.load(function, adapter=adapter, **{key: more[key] for key in INTERFACE if key in more})

    return opener


def profile_of(function: Callable[..., Any], name: str = "", **given: Any) -> Profile:
    """What is found out about it, without its model."""
    return Probe(opener_of(function), name or getattr(function, "__name__", ""), {**NAMED, **given}, "cpu").profile()
