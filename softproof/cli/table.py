"""An entry of [tool.softproof], as text: what a probe has found out, with a comment beside each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..candidates.plain_text import plain
from ..problem.formats import FORMATS
from ..runs.fitting import THROUGHOUT, Fit
from ..runs.introduction import Profile
from ..runs.ladder import LADDER, together

COLUMN = 40  # where comments begin
WIDE = 24  # digits of float32
LONGEST = 160  # characters of an error in a comment


def entries(target: str, profile: Profile, given: Mapping[str, Any]) -> str:
    """The entry of a target; and another one for formats with another model of arithmetic."""
    blocks = [_entry(target, profile, given, dtypes, chosen) for dtypes, chosen in models_of(profile)]
    left = [f"#   {what}: {_short(why)}" for what, why in profile.not_tested.items()]
    notes = [f"# NOTE: {_short(each)}" for each in profile.notes]
    left = ["# NOT TESTED, since it cannot be asked:", *left] if left else []
    return "\n".join(["\n\n".join(blocks), *notes, *left]) + "\n"


def _entry(target: str, profile: Profile, given: Mapping[str, Any], dtypes: list[str], chosen: tuple[str, str]) -> str:
    values = {"target": target, **{name: value for name, value in given.items() if name not in ("device", "dtypes")}}
    comments = dict.fromkeys(values, "as you say")
    for key, value in profile.arguments.items():
        values[key], comments[key] = (dtypes if key == "dtypes" else value), profile.comments[key]
    comments["target"] = ""
    if given.get("device", "cpu") != "cpu":
        values["devices"], comments["devices"] = [given["device"]], "as you say"
    if chosen[0]:
        values["arithmetic"], comments["arithmetic"] = chosen
    return "\n".join(["[[tool.softproof.targets]]", *_lines(values, comments)])


def models_of(profile: Profile) -> list[tuple[list[str], tuple[str, str]]]:
    """Formats, and the model of arithmetic that they are judged by with a comment; no name where the user has said one.

    A kernel is the same in each format: in half precision it has at least the model that it has in the others.
    """
    fits, dtypes = profile.fits, list(profile.arguments["dtypes"])
    if not fits:
        return [(dtypes, ("", ""))]
    wide = [each for each in dtypes if FORMATS[each].precision >= WIDE]
    least = together(LADDER[0], *(fits[each].model for each in wide))
    groups: dict[tuple[str, bool], list[str]] = {}
    for dtype in dtypes:
        own = fits[dtype].model if dtype not in wide and not fits[dtype].throughout else least
        groups.setdefault((together(least, own), fits[dtype].throughout), []).append(dtype)
    return [
        (each, (model, _about(model, {name: fits[name] for name in each}, throughout)))
        for (model, throughout), each in groups.items()
    ]


def _about(name: str, fits: Mapping[str, Fit], throughout: bool) -> str:
    """Why this model, and how many answers are wrong under it."""
    beyond: dict[str, float] = {}
    for fit in fits.values():
        for model, ratio in fit.beyond.items():
            beyond[model] = max(beyond.get(model, 0.0), ratio)
    asked, wrong = sum(fit.asked for fit in fits.values()), sum(fit.wrong for fit in fits.values())
    if throughout:
        return (f"{wrong} of {asked} answers are wrong under it, and right under {THROUGHOUT!r}: write that if it is "
                f"documented to compute in {' and '.join(fits)} throughout")  # fmt: skip
    words = [f"{model}: {ratio:.3g} × its bound" for model, ratio in beyond.items() if model != name]
    words = words or [f"fits {asked - wrong} of {asked} answers"]
    return "; ".join([*words, *([f"{wrong} of {asked} are wrong: `softproof verify` tells why"] if wrong else [])])


def _lines(values: Mapping[str, Any], comments: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        if value not in (None, [], {}, ()):
            line = f"{key.replace('_', '-')} = {toml(value)}"
            yield f"{line:{COLUMN - 1}} # {_short(comments[key])}" if comments[key] else line


def _short(text: str) -> str:
    """One line that a comment may hold."""
    text = plain(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def toml(value: Any) -> str:
    """A value as TOML writes it.

    >>> toml({"reduction": "none", "ndim": [2], "eps": 0.5, "fast": True})
    '{ reduction = "none", ndim = [2], eps = 0.5, fast = true }'
    """
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)
