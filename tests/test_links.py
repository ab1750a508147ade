"""Every link of the documents leads somewhere, every path and every theorem that a file names is there, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .helpers.repository import ROOT, stated

FOLDERS = ("docs", "tests", "examples", "benchmarks", "audits", "manual", "reference", "softproof")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = [path for folder in FOLDERS[1:] for path in sorted((ROOT / folder).rglob("*.py"))]
OTHERS = [ROOT / name for name in ("Makefile", "action.yml", "pyproject.toml", ".ci/run", "conftest.py")]

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
NAMED = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*\.(?:md|py|c|js|toml|yml|json)\b")
CITED = re.compile(r"\bTheorems? (\d+(?:(?:,| to| and|, and) \d+)*)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HISTORY = {"CHANGELOG.md"}  # which may name what is gone; its links lead somewhere all the same
QUOTING = ("softproof/mutants", "docs/generated/mutants.md")  # whose tests/ are those of other projects


def anchors(text: str) -> set[str]:
    """The headings of a page as GitHub writes them in an address."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(page: Path, text: str) -> Iterator[str]:
    """Links of a page to a file or a heading that is not there."""
    for place, anchor in LINK.findall(CODE.sub("", text)):
        target = page.parent / place if place else page
        if not target.exists():
            yield place
        elif anchor and anchor not in anchors(text if target == page else target.read_text()):
            yield f"{place}#{anchor}"


def absent(text: str, name: str = "") -> list[str]:
    """The paths that the text of a file names, from the root of the repository, at which there is nothing."""
    made = set(re.findall(r"^Save this as `(.+)`:$", text, re.MULTILINE))  # by the reader of a guide
    named = {path for path in NAMED.findall(text) if not (name.startswith(QUOTING) and path.startswith("tests/"))}
    return sorted(path for path in named - made if not (ROOT / path).exists())


def cited(text: str) -> set[int]:
    """The numbers of the theorems that a text names."""
    return {int(number) for numbers in CITED.findall(text) for number in re.findall(r"\d+", numbers)}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file, and in it to a heading."""
    assert list(dead_links(page, page.read_text())) == []


@pytest.mark.parametrize("path", [path for path in [*PAGES, *OTHERS] if path.name not in HISTORY], ids=_name)
def test_paths_in_documents_are_there(path: Path) -> None:
    """Also where they are no links."""
    assert absent(path.read_text(), _name(path)) == []


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_paths_in_sources_are_there(folder: str) -> None:
    """In docstrings, comments and messages."""
    files = [path for path in SOURCES if path.is_relative_to(ROOT / folder) and path != Path(__file__)]
    missing = {_name(path): absent(path.read_text(), _name(path)) for path in files}

    assert files
    assert {name: paths for name, paths in missing.items() if paths} == {}


def test_each_theorem_has_a_number_of_its_own() -> None:
    """Pages of theory state the Theorems 1 to n, each once, and no file names another."""
    numbers = stated(page.read_text() for page in PAGES if page.parent.name == "theory")
    files = {_name(path): cited(path.read_text()) for path in [*PAGES, *SOURCES] if path != Path(__file__)}

    assert numbers == [*range(1, len(numbers) + 1)]
    assert set.union(*files.values()) >= {*numbers}
    assert {name: strange for name, named in files.items() if (strange := named - {*numbers})} == {}


def test_the_index_has_every_page() -> None:
    """Of docs/, in the table of its shelf."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / place).resolve() for place, _ in LINK.findall(index.read_text())}

    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} == linked


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[a](docs/README.md) and [b](docs/nothing.md)", ["docs/nothing.md"]),
        ("# Where\n[a](#where) [b](#whither)", ["#whither"]),
        ("[a](docs/guides/ci.md#exit-status) [b](docs/guides/ci.md#status)", ["docs/guides/ci.md#status"]),
        ("```\n# Where\n```\n[a](#where)", ["#where"]),
    ],
)
def test_the_test_of_links_can_fail(text: str, dead: list[str]) -> None:
    """By a file, a heading of the page, one of another page, and a comment that is no heading."""
    assert list(dead_links(ROOT / "README.md", text)) == dead


def test_the_test_of_paths_can_fail() -> None:
    """A path that ends a sentence is named without its full stop; an address is no path."""
    text = "docs/nothing.md, `tests/test_links.py`, https://example.com/docs/index.md and softproof/none/none.py."

    assert absent(text) == ["docs/nothing.md", "softproof/none/none.py"]
    assert absent("docs/nothing.md and tests/nothing.py", "softproof/mutants/x.py") == ["docs/nothing.md"]


def test_the_test_of_theorems_can_fail() -> None:
    """By a number stated twice, on one page or on two; a theorem that is cited within a paragraph is not stated."""
    pages = ["**Theorem 1** (a). As Theorem 3.\n\n**Theorem 2.** (b)", "**Theorem 2** (c). **Theorem 1** again."]

    assert stated(pages) == [1, 2, 2]
    assert cited("Theorems 2 to 6, 9 and 14, by Theorem 21 (a) of 30") == {2, 6, 9, 14, 21}
