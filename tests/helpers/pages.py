"""A page of HTML, taken apart."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """The elements of a page, each with its attributes, its text, and its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.said, self.style = "", ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.open += [] if tag == "meta" else [tag]

    def handle_endtag(self, tag: str) -> None:
        """The last that was opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Of an element, or of the style."""
        if self.open[-1:] == ["style"]:
            self.style += data
        else:
            self.said += data

    def handle_comment(self, data: str) -> None:
        """There is none."""
        raise AssertionError(data)

    @property
    def structure(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements without what their attributes say."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]
