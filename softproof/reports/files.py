"""Files that a report is written to: opened before any candidate starts, moved into their place at the end.

A candidate runs under the same user, and may do to files whatever the judge may. So the place is checked and a
temporary file is made there before it starts; at the end the text is written through the descriptor that has been held
since, and is moved to its place if the name still leads there. What comes afterwards cannot be prevented here: the
digest that is told with the file says which text it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .odd_files import kind_of

NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0)  # Windows has none, and needs the other
BINARY = getattr(os, "O_BINARY", 0)
BY_FOLDER = {os.open, os.stat, os.unlink, os.rename} <= os.supports_dir_fd  # whether a folder can be held open


class TamperedError(OSError):
    """Somebody else has changed the file of a report."""


class ReportFile:
    """One file of a report: `write` fills it and moves it to its place, `discard` removes what is temporary.

    Args: option: by which it was asked for; path: its place, an ordinary file or none yet.
    Raises: ValueError where the place is something else. Where no file can be made there, `trouble` says why.
    """

    def __init__(self, option: str, path: Path) -> None:
        self.said, self.name, self.trouble = f"{option} {path}", path.name, ""
        if str(path) == "-":
            raise ValueError(f"{self.said}: standard output has the table; expected the name of a file")
        self._parent = Path(os.path.realpath(path.parent))  # which does not mind a link to itself
        if not self._parent.is_dir():
            raise ValueError(f"{self.said}: there is no folder {self._parent}")
        if kind := _kind(path):
            raise ValueError(f"{self.said} is {kind}; expected an ordinary file, or none yet")
        self._folder: int | None = None
        self._descriptor: int | None = None
        self._temporary = ""
        try:
            self._open()
        except OSError as error:
            self.trouble = f"{self.said}: {error.strerror or error}"

    @property
    def place(self) -> tuple[int, int, str]:
        """What two options that name one file have in common."""
        folder = os.stat(self._parent)
        return folder.st_dev, folder.st_ino, self.name

    @property
    def places(self) -> tuple[str, ...]:
        """The paths of what is there now, and of what is being made."""
        return tuple(str(self._parent / name) for name in (self.name, self._temporary) if name)

    def write(self, text: str | bytes) -> str:
        """Fill the file, move it to its place, and return its SHA-256.

        Raises: OSError where that cannot be done; TamperedError where somebody else has touched the temporary file or
            its folder. The whole report is then in its place all the same, if it could be moved there.
        """
        data = text if isinstance(text, bytes) else text.encode(errors="backslashreplace")
        touched = self._descriptor is not None and not self._untouched(b"")
        if touched or self._descriptor is None:
            self._close()
            self._open()
        self._fill(data)
        self._move(data)
        if touched:
            raise TamperedError("somebody else changed its temporary file during the run; the report was written anew")
        return hashlib.sha256(data).hexdigest()

    def discard(self) -> None:
        """Remove the temporary file, if there is still one, and hold nothing open any more."""
        self._close()
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _open(self) -> None:
        """A temporary file beside the place, which is new."""
        if BY_FOLDER and self._folder is None:
            self._folder = os.open(self._parent, os.O_RDONLY)
        self._temporary = f".{self.name}.{secrets.token_hex(8)}.tmp"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED | BINARY
        self._descriptor = os.open(self._at(self._temporary), flags, 0o600, **self._there())

    def _close(self) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            if self._leads_here(self._temporary):
                os.unlink(self._at(self._temporary), **self._there())
        os.close(self._descriptor)
        self._descriptor = None

    def _fill(self, data: bytes) -> None:
        rest = memoryview(data)
        os.lseek(self._held, 0, os.SEEK_SET)
        while rest:
            rest = rest[os.write(self._held, rest) :]
        os.fsync(self._held)

    def _move(self, data: bytes) -> None:
        """Into its place, with the permissions of a file that is made there, and look whether it arrived."""
        if BY_FOLDER:
            os.fchmod(self._held, 0o666 & ~_umask())
            os.replace(self._temporary, self.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            arrived = self._untouched(data, self.name) and self._is_where_it_was()
            os.close(self._held)
        else:  # Windows moves nothing that is open
            arrived = self._untouched(data)
            os.close(self._held)
            os.replace(self._at(self._temporary), self._at(self.name))
        self._descriptor = None
        if not arrived:
            raise TamperedError("somebody else changed it, or its folder, while it was written")

    def _untouched(self, data: bytes, name: str = "") -> bool:
        """Whether a name, by default the temporary one, leads to the file that is held, and that holds `data` alone."""
        if not self._leads_here(name or self._temporary) or os.fstat(self._held).st_size != len(data):
            return False
        os.lseek(self._held, 0, os.SEEK_SET)
        return b"".join(iter(lambda: os.read(self._held, 1 << 20), b"")) == data

    def _leads_here(self, name: str) -> bool:
        try:
            status = os.stat(self._at(name), follow_symlinks=False, **self._there())
        except OSError:
            return False
        held = os.fstat(self._held)
        return os.path.samestat(held, status) and held.st_nlink == 1

    def _is_where_it_was(self) -> bool:
        """Whether the folder that is held has still its name."""
        try:
            return self._folder is None or os.path.samestat(os.fstat(self._folder), os.stat(self._parent))
        except OSError:
            return False

    @property
    def _held(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def _at(self, name: str) -> str:
        return name if BY_FOLDER else str(self._parent / name)

    def _there(self) -> dict[str, Any]:
        return {"dir_fd": self._folder} if BY_FOLDER else {}


def open_files(wanted: Iterable[tuple[str, Path | None]]) -> dict[str, ReportFile]:
    """The files of the options that name one; ValueError, and nothing is left, where two of them name the same."""
    files: dict[str, ReportFile] = {}
    try:
        for option, path in wanted:
            if path is None:
                continue
            files[option] = ReportFile(option, path)
            if twice := [other for other in files if other != option and files[other].place == files[option].place]:
                raise ValueError(f"{option} and {twice[0]} are both {path}; expected two files")
    except ValueError:
        for file in files.values():
            file.discard()
        raise
    return files


def _kind(path: Path) -> str:
    """What is at the place of a report, if that is something and no ordinary file."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return ""
    return kind_of(mode)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
