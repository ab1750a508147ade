"""The commit that a repository has checked out, read from its files: no program of a target's repository is run."""

from __future__ import annotations

import re
from pathlib import Path

from ..reports.odd_files import read_file

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"ref: (refs/[\w./+@-]+)")
MOST = 1 << 24  # bytes of a file of git's that is read


def commit(folder: Path) -> str:
    """Of the repository that a folder lies in; empty where there is none, or nothing was committed."""
    for each in (folder, *folder.parents):
        if (each / ".git").exists():
            return _checked_out(each / ".git")
    return ""


def _checked_out(git: Path) -> str:
    """By HEAD, or by what it leads to: a file of its own, or a line among others."""
    if git.is_file():  # of a worktree, or a submodule
        git = (git.parent / _line(git).removeprefix("gitdir: ")).resolve()
    head = _line(git / "HEAD")
    reference = _REF.fullmatch(head)
    if reference is None or ".." in reference[1]:
        return head if _COMMIT.fullmatch(head) else ""
    common = (git / (_line(git / "commondir") or ".")).resolve()
    for text in (_line(git / reference[1]), _line(common / reference[1]), _packed(common, reference[1])):
        if _COMMIT.fullmatch(text):
            return text
    return ""


def _packed(common: Path, name: str) -> str:
    """What a name leads to in the file of those that have no file of their own."""
    lines = (line.partition(" ") for line in _text(common / "packed-refs").splitlines())
    return next((commit for commit, _, ref in lines if ref == name), "")


def _line(file: Path) -> str:
    return next(iter(_text(file).splitlines()), "")


def _text(file: Path) -> str:
    try:
        return read_file(file, MOST).decode(errors="replace")
    except (OSError, ValueError):
        return ""
