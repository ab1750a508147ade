"""A bank: questions with their truth and bounds, and the file that holds them.

The file is an .npz archive without pickles: one array for each kind of number, a header in JSON, which says where in
these each array of each question lies, and the SHA-256 of all of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..problem.problem import Array
from ..problem.validation import check_kind
from ..reports.environment import versions
from ..reports.odd_files import read_file
from .kept import KINDS, Kept, Pool, question, record, size_of

SCHEMA, VERSION = "softproof bank", 2
LARGEST = 1 << 33  # bytes
EXPECTED = "a file that `softproof bank build` has written"


class BankError(ValueError):
    """What is no bank, in words."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Questions with their answers, and what they were made from.

    `left_out` counts the problems of the same seed that are not asked: those of which a model guarantees nothing.
    """

    questions: tuple[Kept, ...]
    seed: int
    examples: int
    left_out: int = 0
    versions: Mapping[str, str] = field(default_factory=versions)
    place: str = ""  # the file that it was read from, which no candidate in a sandbox may read

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models under which there are bounds."""
        return tuple(dict.fromkeys(each.arithmetic for each in self.questions))

    @property
    def operations(self) -> tuple[str, ...]:
        """What is asked about."""
        return tuple(dict.fromkeys(each.problem.operation for each in self.questions))

    @property
    def elements(self) -> int:
        """How many numbers all inputs have together."""
        return sum(size_of(each.problem) for each in self.questions)

    @cached_property
    def _archive(self) -> tuple[dict[str, Array], str]:
        """The arrays of the file, and the digest of all."""
        pool = Pool()
        questions = [record(each, pool) for each in self.questions]
        about = {"seed": self.seed, "examples": self.examples, "left out": self.left_out, "versions": self.versions}
        header = {"schema": SCHEMA, "version": VERSION, **about, "models": self.models, "questions": questions}
        text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        arrays = {"header": np.frombuffer(text, np.uint8), **pool.arrays()}
        return arrays, _digest(arrays)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of what it holds, in hexadecimal."""
        return self._archive[1]

    def to_bytes(self) -> bytes:
        """The file."""
        arrays, digest = self._archive
        file = io.BytesIO()
        np.savez(file, **arrays, digest=np.frombuffer(bytes.fromhex(digest), np.uint8))  # type: ignore[arg-type]  # its `allow_pickle`
        return file.getvalue()


def bank(path: str | Path) -> Bank:
    """The bank in a file, which `softproof bank build` has written.

    Raises: TypeError or ValueError where it is no bank, another version of one, or damaged; OSError where it cannot be
        read.

    >>> bank("README.md")
    Traceback (most recent call last):
    ...
    ValueError: bank README.md is no .npz archive; expected a file that `softproof bank build` has written
    """
    check_kind("bank", path, (str, Path), "the name of a file")
    arrays = _arrays(path, read_file(Path(path), LARGEST))
    header = _header(path, arrays)
    found, said = _digest({name: array for name, array in arrays.items() if name != "digest"}), arrays["digest"]
    if found != said.tobytes().hex():
        raise ValueError(
            f"bank {path} is damaged: its content has the SHA-256 {found}; expected {said.tobytes().hex()}"
        )
    try:
        questions = tuple(question(each, arrays) for each in header["questions"])
        seed, examples, left_out = (int(header[name]) for name in ("seed", "examples", "left out"))
        read = Bank(questions, seed, examples, left_out, dict(header["versions"]), str(Path(path).absolute()))
    except Exception as error:  # whatever somebody has written who knows how to make a digest
        raise ValueError(f"bank {path} holds no question that can be asked ({error}); expected {EXPECTED}") from error
    vars(read)["digest"] = found  # which is not worked out again
    return read


# ---- the archive ----------------------------------------------------------------------------------------------------


def _arrays(path: str | Path, data: bytes) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as files:
            _check_size(path, files.infolist(), len(data))
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except BankError:
        raise
    except Exception:  # whatever NumPy and zipfile have to say of bytes that are something else
        raise ValueError(f"bank {path} is no .npz archive; expected {EXPECTED}") from None
    kinds = {**KINDS, "header": "|u1", "digest": "|u1"}
    has = {name: str(array.dtype.str) for name, array in arrays.items() if array.ndim == 1}
    if has != kinds:
        raise ValueError(f"bank {path} has arrays {_listed(has)}; expected {_listed(kinds)}")
    return arrays


def _check_size(path: str | Path, files: list[zipfile.ZipInfo], size: int) -> None:
    """ValueError for an archive that holds more bytes than it has: a few of zeros, packed, would take all memory."""
    if sum(each.file_size for each in files) > size:
        raise BankError(f"bank {path} is packed; expected {EXPECTED}, where every byte is as it is read")


def _listed(arrays: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in sorted(arrays.items())) or "of no such kind"


def _header(path: str | Path, arrays: Mapping[str, Array]) -> dict[str, Any]:
    try:
        header = json.loads(arrays["header"].tobytes())
    except (ValueError, RecursionError) as error:  # of brackets in brackets
        raise ValueError(f"bank {path} is damaged: its header is no JSON ({error}); expected {EXPECTED}") from None
    has = (header.get("schema"), header.get("version")) if isinstance(header, dict) else (type(header).__name__, None)
    if has != (SCHEMA, VERSION):
        expected = f"schema {SCHEMA!r}, version {VERSION}"
        raise ValueError(f"bank {path} has schema {has[0]!r}, version {has[1]!r}; expected {expected}")
    return dict(header)


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(repr((name, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
