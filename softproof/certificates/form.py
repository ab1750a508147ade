"""The form of a certificate: its fields and the kind of each, and its text, canonical JSON.

The text is that of RFC 8785: keys in order, no blanks, UTF-8. Numbers of JSON are whole and below 2⁵³; all others are
texts: a float in hexadecimal as C writes it ("0x1.8p-1", "inf", "nan"), a seed in decimal digits. A line feed follows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..bounds.accuracy import CLASSES
from ..bounds.models import MODELS
from ..candidates.frameworks import ADAPTERS
from ..candidates.isolation.start import SANDBOX
from ..problem.arrangements import ARRANGEMENTS
from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS
from ..reports.required import CANNOT_ASK
from ..runs.drawing import BY_STAGES
from ..runs.search import EXAMPLES
from ..verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, NOT_APPLICABLE, UNDECIDED, UNSPECIFIED

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://github.com/OWNER/softproof/conformance/v0.1"  # provisional: OWNER, and the form, may change
PASSED, FAILED = "PASSED", "FAILED"
SAMPLED, WIMPY = "sampled", "wimpy"  # levels; with the default number of problems or more, and with fewer
OK = (AGREES, UNSPECIFIED)  # verdicts of a row that has passed
WHOLE_BELOW = 2**53

Check = Callable[[Any], str]  # what was expected, or nothing


def canonical(value: Any) -> str:
    """The text of RFC 8785, of what the form allows.

    >>> canonical({"b": [1, "é"], "a": None})
    '{"a":null,"b":[1,"é"]}'
    """
    return json.dumps(_ordered(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _ordered(value: Any) -> Any:
    """With the keys of each object in the order of their UTF-16 code units."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value, key=_in_utf16)}
    return [_ordered(each) for each in value] if isinstance(value, list | tuple) else value


def _in_utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


# ---- kinds of values ------------------------------------------------------------------------------------------------


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "a text"


def _count(value: Any) -> str:
    fits = _is_whole(value) and 0 <= value < WHOLE_BELOW
    return "" if fits else "a whole number that is not negative, below 2^53"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _matching(pattern: str, expected: str) -> Check:
    return lambda value: "" if isinstance(value, str) and re.fullmatch(pattern, value) else expected


def _one_of(*names: str) -> Check:
    return lambda value: "" if isinstance(value, str) and value in names else f"one of {', '.join(map(repr, names))}"


def _or_null(check: Check) -> Check:
    return lambda value: "" if value is None or not check(value) else f"{check(value)}, or null"


def _number(value: Any) -> str:
    try:
        fits = isinstance(value, str) and float.fromhex(value).hex() == value and not value.startswith("-")
    except (ValueError, OverflowError):
        fits = False
    return "" if fits else f"a float that is not negative in hexadecimal, such as {(0.75).hex()!r}"


_digest = _matching("[0-9a-f]{64}", "a SHA-256, 64 hexadecimal digits in lower case")
_seed = _matching(r"0|-?[1-9][0-9]{0,19}", "a whole number of 64 bits, in digits")
_dtype, _device = _one_of(*FORMATS), _matching(r"\S+", "the name of a device")
_result = _one_of(PASSED, FAILED)


class Every:
    """A list of one kind, with at least so many of them."""

    def __init__(self, kind: Any, least: int = 0) -> None:
        self.kind, self.least = kind, least


class Named:
    """An object of one kind of value, whatever its keys."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind


_TEXTS = Every(_text)
_DRAWN = {"count": _count, "sha256": _digest, "supports": _TEXTS, "layouts": _TEXTS, "fixed": _TEXTS, "ndim": _TEXTS}
_ROW = {
    "operation": _one_of(*OPERATIONS, *(name + BY_STAGES for name in OPERATIONS)),
    "dtype": _dtype,
    "device": _device,
    "arithmetic": _text,
    "accuracy": _one_of(*CLASSES),
    "theorems": Every(_count),
    "result": _result,
    "verdict": _one_of(*OK, DISAGREES, UNDECIDED, NO_GUARANTEE, NOT_APPLICABLE, CANNOT_ASK),
    "reason": _text,
    "problems": _count,
    "drawn": _DRAWN,
    "worst": {"error_over_bound": _number, "ulps": _number},
    "detectable": Named(_number),
    "vacuous": Named(_count),
    "behaviour": _TEXTS,
    "other_bits": _TEXTS,
    "relations": _TEXTS,
    "not_tested": _TEXTS,
    "unspecified": Every(_count),
    "isolated": _flag,
}
_INTERFACE = {
    "supports": _or_null(lambda value: "" if _is_texts(value) else "a list of texts"),
    **dict.fromkeys(("without", "writes", "transposed", "keepdim"), _TEXTS),
    **dict.fromkeys(("names", "fixed", "extra", "gradients"), Named(_text)),
    "ndim": Every(_count),
    "output": _or_null(lambda value: "" if isinstance(value, str) else _count(value)),
    "negative": _flag,
    **dict.fromkeys(ARRANGEMENTS, _flag),
}
_ASKED = {
    "target": _text,
    "operation": _or_null(_one_of(*OPERATIONS)),
    "adapter": _or_null(_one_of(*ADAPTERS)),
    "device": _device,
    "dtypes": Every(_dtype),
    "examples": _count,
    "seed": _seed,
    "arithmetic": _one_of(*MODELS),
    "accuracy": _one_of("A", "B", "C"),
    "require": _TEXTS,
    "sandbox": _one_of(*SANDBOX),
    "interface": _INTERFACE,
}
_PREDICATE = {
    "result": _result,
    "level": _one_of(SAMPLED, WIMPY),
    "asked": _ASKED,
    "rows": Every(_ROW, 1),
    "not_tested": Every(_text, 1),
    "assumptions": Every(_text, 1),
    "reported": _TEXTS,
    "verifier": {"name": _one_of("softproof"), "version": _text, "sha256": _digest},
    "environment": {
        "time": _matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time such as '2026-11-27T12:00:00Z'"),
        "versions": Named(_text),
        "platform": _text,
        "gpus": _TEXTS,
        "protections": Named(_text),
    },
}
STATEMENT = {
    "_type": _one_of(STATEMENT_TYPE),
    "subject": Every({"name": _text, "digest": {"sha256": _digest}}, 1),
    "predicateType": _one_of(PREDICATE_TYPE),
    "predicate": _PREDICATE,
}


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def level(examples: int) -> str:
    """How much was asked: what a default run asks of a row, or less."""
    return SAMPLED if examples >= EXAMPLES else WIMPY


def row_name(row: Mapping[str, Any]) -> str:
    """By which rows of two certificates are compared."""
    return f"{row['operation']} {row['dtype']} {row['device']}"
