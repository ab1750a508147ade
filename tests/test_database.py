"""Failures that are kept, and asked first the next time."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fakeredis import TcpFakeServer
from hypothesis.database import (
    DirectoryBasedExampleDatabase,
    InMemoryExampleDatabase,
    MultiplexedDatabase,
)

import softproof
from softproof import Report
from softproof.problem.problem import Array
from softproof.runs import search
from softproof.runs.failures import Named, database

from .wrong import broken
from .wrong.misbehaving import wrong_the_second_time

LEAST = 30.0  # from where on it is wrong


def confident(logits: Array, dim: int = -1) -> Array:
    """Wrong in confident rows alone, which are not the first to be drawn."""
    top = logits.max(dim, keepdims=True, initial=-np.inf)  # of rows of no class as well
    gap = top - logits.min(dim, keepdims=True, initial=np.inf)
    e: Array = np.exp(logits - top)
    p: Array = e / e.sum(dim, keepdims=True)
    return np.where(np.isfinite(gap) & (gap > LEAST), 2 * p, p)


def run(seed: int, kept: InMemoryExampleDatabase | Path | str | None, **more: object) -> Report:
    """One dtype of one operation."""
    return softproof.verify(
        confident, operation="softmax", adapter="numpy", dtypes=["float32"], seed=seed, database=kept, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_failed_is_asked_first(tmp_path: Path) -> None:
    """Also where no new problem would show it; in a folder as in memory."""
    for kept in (InMemoryExampleDatabase(), tmp_path / "kept"):
        first = run(0, kept).rows[0]
        again = run(1, kept, examples=1).rows[0]

        assert run(1, None, examples=1).ok
        assert first.coverage.problems > 1
        assert again.coverage.problems == 1
        assert first.failure is not None
        assert again.failure is not None
        assert again.failure.snippet == first.failure.snippet.replace("seed 0", "seed 1")


def test_what_failed_towards_a_region_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which the choices say something else where they are not set; and it is forgotten once it is mended."""
    kept = InMemoryExampleDatabase()
    with monkeypatch.context() as first_run:
        first_run.setattr(search, "batches", lambda _: iter([(True, 1)]))  # all others are drawn towards regions
        first = run(0, kept).rows[0]
    again = run(1, kept, examples=1).rows[0]

    assert first.coverage.problems > 1
    assert not first.ok
    assert again.coverage.problems == 1
    assert not again.ok
    monkeypatch.setattr("tests.test_database.LEAST", np.inf)
    assert run(0, kept, examples=20).ok
    assert not any(kept.data.values())


def test_what_agrees_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is mended, and largest errors of what agrees are not kept."""
    kept = InMemoryExampleDatabase()
    run(0, kept)
    assert any(kept.data.values())

    monkeypatch.setattr("tests.test_database.LEAST", np.inf)
    assert run(0, kept, examples=20).ok
    assert not any(kept.data.values())


def test_each_row_has_its_own() -> None:
    """What failed of one implementation, dtype or way is not asked of others."""
    kept = InMemoryExampleDatabase()
    softproof.verify(broken.softmax_without_shift, operation="softmax", dtypes=["float32"], seed=0, database=kept)

    assert run(1, kept, examples=1).rows[0].coverage.problems == 1
    one, other = Named(kept, lambda: "one"), Named(kept, lambda: "other")
    one.save(b"key", b"value")
    one.save(b"key.pareto", b"value")
    assert (list(one.fetch(b"key")), list(one.fetch(b"key.pareto")), list(other.fetch(b"key"))) == ([b"value"], [], [])
    one.delete(b"key", b"value")
    assert not list(one.fetch(b"key"))


def test_a_check_that_failed_is_asked_again() -> None:
    """With the problem that it failed on: a first answer that is right is not all that is asked."""
    kept, target = InMemoryExampleDatabase(), wrong_the_second_time()
    first = softproof.verify(target, operation="softmax", dtypes=["float32"], seed=0, database=kept)
    again = softproof.verify(target, operation="softmax", dtypes=["float32"], seed=1, examples=1, database=kept)

    assert first.rows[0].failure is not None
    assert again.rows[0].failure is not None
    assert first.rows[0].failure.question is not None
    assert again.rows[0].failure.question == first.rows[0].failure.question


def test_databases_by_name(tmp_path: Path) -> None:
    """A folder; GitHub's artifacts are read only, and new failures kept in a folder."""
    assert isinstance(database(tmp_path), DirectoryBasedExampleDatabase)
    assert isinstance(database("github:owner/repository"), MultiplexedDatabase)
    for wrong in ("", "github:owner", "github:/x", "github:a/b/c", "https://x", __file__):
        with pytest.raises(ValueError, match="expected a folder, redis://host:port/number, or github:owner/repo"):
            database(wrong)


def test_what_failed_is_asked_first_by_others() -> None:
    """Who ask the same server."""
    with TcpFakeServer(("127.0.0.1", 0)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"redis://127.0.0.1:{server.server_address[1]}/0"
        first = run(0, where).rows[0]
        again = run(1, where, examples=1).rows[0]
        server.shutdown()

    assert first.coverage.problems > 1
    assert not first.ok
    assert again.coverage.problems == 1
    assert not again.ok


def test_redis_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the error says so."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(
        ValueError, match="database is 'redis://localhost:6379/0'; redis, where failures are kept, is not installed"
    ):
        database("redis://localhost:6379/0")
