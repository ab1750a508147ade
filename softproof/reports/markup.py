"""HTML that escapes: whatever is put into an element is text, unless it is an element itself."""

from __future__ import annotations

from html import escape
from typing import Any

from .terminal import printable

_EMPTY = ("meta",)  # elements that hold nothing


class Markup(str):
    """HTML, and no text."""

    __slots__ = ()


def text(value: Any) -> Markup:
    """Text as HTML has it; what is not printable is an escape, as in the terminal."""
    return value if isinstance(value, Markup) else Markup(escape(printable(str(value))))


def tag(name: str, /, *inside: Any, **attributes: Any) -> Markup:
    """An element. An attribute that is a word of Python ends in "_"; one that is None is left out.

    >>> tag("p", "1 < 2 ", tag("b", "& more"), class_="note")
    '<p class="note">1 &lt; 2 <b>&amp; more</b></p>'
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{said}>" if name in _EMPTY else f"<{name}{said}>{joined(*inside)}</{name}>")


def _attribute(key: str, value: Any) -> str:
    return f' {key.rstrip("_").replace("_", "-")}="{escape(printable(str(value)))}"'


def joined(*parts: Any) -> Markup:
    """One after the other."""
    return Markup("".join(map(text, parts)))


def table(headers: tuple[str, ...], *rows: tuple[Any, ...]) -> Markup:
    """Rows under their headers; the first cell of each is a header, too."""
    head = tag("tr", *(tag("th", each, scope="col") for each in headers))
    body = (tag("tr", tag("th", first, scope="row"), *(tag("td", each) for each in rest)) for first, *rest in rows)
    return tag("table", tag("thead", head), tag("tbody", *body))


def pairs(*listed: tuple[str, Any]) -> Markup:
    """What is known by its name; what is empty is left out."""
    return tag("dl", *(joined(tag("dt", name), tag("dd", said)) for name, said in listed if said not in ("", None)))


def items(listed: Any) -> Markup:
    """A list."""
    return tag("ul", *(tag("li", each) for each in listed))


def folded(title: str, *inside: Any, **attributes: Any) -> Markup:
    """What is shown when its title is chosen; with `open_=""` until then, too."""
    return tag("details", tag("summary", title), *inside, **attributes)
