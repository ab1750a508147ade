"""Real reports of every kind: what agrees, what does not, and what was not judged."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np

import manual
from softproof import Problem, Report, Row, verify
from softproof.bounds.arithmetic import Arithmetic, any_order
from softproof.candidates.isolation.protections import Protection
from softproof.diagnosis.record import Diagnosis, Models, Pattern, Resemblance
from softproof.problem.problem import Array
from softproof.reports.row import CANNOT_LOAD
from softproof.reports.target_record import TargetRecord

from ..wrong import broken
from .rows import changed

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e\x00\u2066 &lt;b&gt; </pre><img src=//evil.example/x onerror=x>"


KINDS = {  # each with the verdict of its row
    "agrees": "agrees", "disagrees": "disagrees", "cannot ask": "cannot ask", "required": "cannot ask",
    "measured": "agrees", "lost": "disagrees", "no guarantee": "no guarantee", "expected failure": "disagrees",
    "cannot load": "cannot load",
}  # fmt: skip


def raises(logits: Array, dim: int = -1) -> Array:
    """An error with text that nobody is to obey."""
    raise ValueError(f"{HOSTILE} {logits.shape} {dim}")


def without_gradient(logits: Array, dim: int = -1) -> Array:
    """The value alone."""
    return np.asarray(manual.softmax(logits, dim))


def of_nothing(problem: Problem) -> Arithmetic:
    """A model that guarantees nothing."""
    return replace(any_order(problem.dtype), name="nothing", c_exp=1e300)


def _asked(target: Any, **more: Any) -> Report:
    arguments: dict[str, Any] = {"operation": "softmax", "dtypes": ["float32"], "examples": 8, "seed": 3, **more}
    return verify(target, **arguments)


def _diagnosed(row: Row) -> Row:
    """With all that a diagnosis can hold."""
    assert row.failure is not None
    found = Diagnosis(
        (Pattern("only with ignored rows", 4, 5, 0, 6),),
        (Resemblance("a-bug", 4, 4, 7, 7, "It forgets.", "https://example.org/<b>", "upstream"),),
        Models(("fused",), ("any-order",), ("storage",), True, ("eager",)),
        "--arithmetic fused",
        12,
        "",
        "a-finding",
        "torch has it",
    )
    failure = replace(row.failure, diagnosis=found)
    return changed(row, failures=(failure, failure), hints=("`tau` looks like temperature",), printed=3)


@cache
def reports() -> dict[str, Report]:
    """By what has become of them; all were asked, but for a row that cannot be loaded."""
    wrong = _asked(broken.softmax_without_shift, without=["nonfinite"])
    row = Row.unjudged(f"mine:{HOSTILE}", "cpu", CANNOT_LOAD, f"it has no {HOSTILE}")
    files = (("pyproject.toml", "ab" * 32),)
    target = TargetRecord("mine:softmax", {"arithmetic": "fused"}, (("mine.py", "cd" * 32),), "e" * 40)
    protections = (Protection("no network", False, "none"),)
    unjudged = Report((row,), 2**63, ended_by=15, inputs=files, protections=protections, targets=(target,))
    return {
        "agrees": _asked(manual.softmax, arithmetic="auto", seed=0, examples=10),
        "disagrees": replace(wrong, rows=tuple(map(_diagnosed, wrong.rows))),
        "cannot ask": _asked(raises),
        "required": _asked(without_gradient, require=["gradient"]),
        "measured": _asked(manual.softmax, arithmetic="measured"),
        "lost": _asked("tests.wrong.fooling:complains"),
        "no guarantee": _asked(manual.softmax, arithmetic=of_nothing, without=["empty", "scalars", "nonfinite"]),
        "expected failure": replace(wrong, expected=(wrong.rows[0].name, "nobody")),
        "cannot load": unjudged,
    }


OF_THE_JUDGE = {
    "operation", "dtype", "verdict", "accuracy", "outcome", "problem", "question", "cited", "date", "checks", "differ",
    "sums",
}  # fmt: skip


def with_text(value: Any, text: str) -> Any:
    """The same with a text in the place of every text that is not empty and could be somebody else's."""
    if isinstance(value, str):
        return text if value else ""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(with_text(each, text) for each in value)
    if isinstance(value, tuple):
        return value._replace(name=text, how=text)  # type: ignore[attr-defined]  # a Protection
    if isinstance(value, dict):
        return {f"{text} {number}": with_text(each, text) for number, each in enumerate(value.values())}
    if is_dataclass(value) and not isinstance(value, type | Problem):
        found = {each.name: getattr(value, each.name) for each in fields(value)}
        kept = {name for name in OF_THE_JUDGE & found.keys() if not is_dataclass(found[name])}
        return replace(value, **{name: with_text(each, text) for name, each in found.items() if name not in kept})
    return value
