"""Failures that are kept, and asked first the next time."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from inspect import getsource
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis.database import (
    DirectoryBasedExampleDatabase,
    InMemoryExampleDatabase,
    MultiplexedDatabase,
)
from redis import Redis

import softproof
from softproof import Report
from softproof.cli.commands import main
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


def asked_first(kept: InMemoryExampleDatabase | Path | str) -> None:
    """What failed in a run fails in the next one, in which no new problem would show it."""
    first = run(0, kept).rows[0]
    again = run(1, kept, examples=1).rows[0]

    assert run(1, None, examples=1).ok
    assert first.coverage.problems > 1
    assert again.coverage.problems == 1
    assert first.failure is not None
    assert again.failure is not None
    assert again.failure.snippet == first.failure.snippet.replace("seed 0", "seed 1")


def test_what_failed_is_asked_first(tmp_path: Path) -> None:
    """In a folder as in memory."""
    for kept in (InMemoryExampleDatabase(), tmp_path / "kept"):
        asked_first(kept)


def written_at_once(where: str) -> None:
    """All that two keep under one name is there, but what they forget."""
    together = Barrier(2)

    def write(writer: int) -> None:
        kept = Named(database(where), lambda: "a row")
        together.wait()
        for number in range(100):
            kept.save(b"problem", b"%d %d" % (writer, number))
            if number % 2:
                kept.delete(b"problem", b"%d %d" % (writer, number))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (0, 1)))
    expected = {b"%d %d" % (writer, number) for writer in (0, 1) for number in range(0, 100, 2)}
    assert set(Named(database(where), lambda: "a row").fetch(b"problem")) == expected


def test_a_folder_loses_nothing_of_two_who_write_at_once(tmp_path: Path) -> None:
    """Nor does it keep what one of them forgets."""
    written_at_once(str(tmp_path))


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


# ---- on a server ----------------------------------------------------------------------------------------------------


def test_a_server_keeps_what_failed(redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is mended: then nothing is left."""
    asked_first(redis)
    assert Redis.from_url(redis).keys()

    monkeypatch.setattr("tests.test_database.LEAST", np.inf)
    assert run(0, redis, examples=20).ok
    assert not Redis.from_url(redis).keys()


def test_two_run_at_once(redis: str, tmp_path: Path) -> None:
    """And what each of them has found is asked first the next time."""
    lines = ["from __future__ import annotations", "import numpy as np", f"LEAST = {LEAST}", getsource(confident)]
    (tmp_path / "kernel.py").write_text("\n".join(lines))  # which needs no torch
    options = ["--operation", "softmax", "--in-process", "--no-diagnosis", "--database", redis]
    command = [sys.executable, "-m", "softproof", "verify", "kernel:confident", *options]

    def start(*more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, *more], cwd=tmp_path, stdout=subprocess.DEVNULL)

    both = [start("--dtype", dtype, "--seed", "0") for dtype in ("float32", "float64")]
    assert [each.wait() for each in both] == [1, 1]
    again = ["--dtype", "float32", "--dtype", "float64", "--seed", "1", "--examples", "1", "--json", "again.json"]
    assert start(*again).wait() == 1

    rows = json.loads((tmp_path / "again.json").read_text())["rows"]
    assert [(row["verdict"], row["problems"]) for row in rows] == [("disagrees", 1)] * 2


def test_a_server_loses_nothing_of_two_who_write_at_once(redis: str) -> None:
    """Nor does it keep what one of them forgets."""
    written_at_once(redis)


@pytest.mark.parametrize(
    ("where", "told"),
    [("{}99", "DB index is out of range"), ("redis://me:secret@127.0.0.1:1", "Connection refused")],
    ids=["no such number", "nobody there"],
)
def test_a_server_has_to_answer(redis: str, where: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any target is started; a password is not told."""
    with pytest.raises(SystemExit, match="2"):
        main(["verify", "manual:softmax", "--database", where.format(redis)])

    said = capsys.readouterr().err
    assert "; start the server, or correct the address: " in said
    assert told in said
    assert "secret" not in said


def test_redis_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the error says so."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(
        ValueError, match="database is 'redis://localhost:6379/0'; redis, where failures are kept, is not installed"
    ):
        database("redis://localhost:6379/0")
