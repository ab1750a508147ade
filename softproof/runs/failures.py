"""Failures that Hypothesis keeps: in a folder, in Redis, or as an artifact of GitHub Actions.

What failed once is asked first the next time, on this machine or on another one. These are Hypothesis' own databases;
each row of a report keeps its failures in them under keys of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import database as of_hypothesis
from hypothesis.database import ExampleDatabase

from ..problem.validation import check_kind
from ..reports.odd_files import read_file

FORMS = "a folder, redis://host:port/number, or github:owner/repository"
KEPT = "where failures are kept"
MOST, LARGEST = 1000, 1 << 20  # failures of one question, and bytes of one
PATIENCE = 10.0  # seconds for a server
NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0)  # a link leads to what is no failure


def database(where: str | Path) -> ExampleDatabase:
    """The database of failures that `where` names.

    Args:
        where: a folder, which is made when something fails; ``"redis://host:port/number"``, where a server has to
            answer, and redis has to be installed; or ``"github:owner/repository"``, whose latest artifact named
            hypothesis-example-db is read, while new failures go to the folder .hypothesis/examples, to be uploaded
            from there.
    Raises: TypeError or ValueError where it is none of these, redis is not installed, or no server answers.

    >>> type(database("failures")).__name__
    'Folder'
    >>> database("github:owner")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: database is 'github:owner'; expected a folder, redis://host:port/number, or github:owner/repository...
    """
    check_kind("database: where", where, (str, Path), FORMS)
    text = str(where)
    if text.startswith("github:"):
        owner, slash, repository = text.removeprefix("github:").partition("/")
        if not (owner and slash and repository) or "/" in repository:
            raise ValueError(f"database is {text!r}; expected {FORMS}, {KEPT}")
        local = Folder(Path(".hypothesis") / "examples")
        shared = of_hypothesis.GitHubArtifactDatabase(owner, repository)
        return of_hypothesis.MultiplexedDatabase(local, of_hypothesis.ReadOnlyDatabase(shared))
    if text.startswith("redis:"):
        return _redis(text)
    if not text or "://" in text or (os.path.lexists(text) and not os.path.isdir(text)):
        raise ValueError(f"database is {text!r}; expected {FORMS}, {KEPT}")
    return Folder(text)


class Folder(of_hypothesis.DirectoryBasedExampleDatabase):
    """A folder in which others may write, too: what is no ordinary file there, or is large, is not read."""

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """All that are kept."""
        with contextlib.suppress(OSError):  # there is no folder
            for name in os.listdir(self._key_path(key))[:MOST]:
                with contextlib.suppress(OSError, ValueError):
                    found = read_file(self._key_path(key) / name, LARGEST + 1, NOT_FOLLOWED)
                    if len(found) <= LARGEST:
                        yield found


def _redis(url: str) -> ExampleDatabase:
    told = re.sub("//[^/]*@", "//…@", url)  # a password is told to nobody
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis, RedisError
    except ImportError as error:
        raise ValueError(f"database is {told!r}; redis, where failures are kept, is not installed: {error}") from error
    try:
        server = Redis.from_url(url, socket_timeout=PATIENCE)
        server.ping()
    except ValueError as error:
        raise ValueError(f"database is {told!r}; expected {FORMS}, {KEPT} ({error})") from error
    except RedisError as error:
        raise ValueError(f"database is {told!r}; start the server, or correct the address: {error}") from error
    found: ExampleDatabase = RedisExampleDatabase(server, key_prefix=b"softproof:")
    return found


class Named(ExampleDatabase):
    """The failures of one name, which may change, in a database that keeps those of others as well."""

    def __init__(self, everything: ExampleDatabase, name: Callable[[], str]) -> None:
        super().__init__()
        self.everything, self.name = everything, name

    def _key(self, key: bytes) -> bytes:
        return hashlib.sha256(self.name().encode() + b"\0" + key).digest()

    def save(self, key: bytes, value: bytes) -> None:
        """Keep one more; but not the largest errors of what agrees, which Hypothesis keeps as well."""
        if not key.endswith(b".pareto"):
            self.everything.save(self._key(key), value)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """All that are kept."""
        return self.everything.fetch(self._key(key))

    def delete(self, key: bytes, value: bytes) -> None:
        """What does not fail any more."""
        self.everything.delete(self._key(key), value)
