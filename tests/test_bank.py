"""A bank in a file: what was built is what is read, and what is no bank, or no whole one, is said to be none."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softproof
from softproof import Bank, bank, problems
from softproof.bounds.algebra import RowFactor, RowUnknowns
from softproof.cli import commands
from softproof.generation.coverage import regions
from softproof.grading.bank_file import _digest
from softproof.grading.compiling import build
from softproof.problem.problem import Array
from softproof.runs.search import planned
from softproof.verdicts.compiled import compiled


@pytest.fixture(scope="module")
def built() -> Bank:
    """Questions of every kind that are few: two models, two formats, and bounds of each form."""
    operations, models = ["softmax", "cross_entropy", "linear"], ["any-order", "fused"]
    return build(operations, ["float64", "float16"], models, seed=3, examples=12)


@pytest.fixture
def file(built: Bank, tmp_path: Path) -> Path:
    """Where it is written."""
    path = tmp_path / "bank.npz"
    path.write_bytes(built.to_bytes())
    return path


def _parts(value: Any) -> list[Any]:
    """All arrays and numbers of an output, in order."""
    found = [*value.truth.parts, value.allowed.error, np.asarray(value.allowed.left), value.between]
    row = value.allowed.row
    return [*found, type(row), *(vars(row).values() if row is not None else ())]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is not None and b is not None and np.array_equal(a, b, equal_nan=True)
    return bool(a == b)


def test_what_was_built_is_read(built: Bank, file: Path) -> None:
    """Every problem, truth and bound, to the last bit; and it is written the same again."""
    found = bank(file)
    assert found.digest == built.digest
    assert found.to_bytes() == file.read_bytes()
    assert (found.seed, found.examples, found.models) == (3, 12, ("any-order", "fused"))
    assert len(found.questions) == len(built.questions) > 60
    rows = set()
    for read, kept in zip(found.questions, built.questions, strict=True):
        assert (read.problem.digest(), read.arithmetic) == (kept.problem.digest(), kept.arithmetic)
        assert read.regions == kept.regions == regions(kept.problem) != ()
        assert repr(read.problem) == repr(kept.problem)
        assert read.outputs.keys() == kept.outputs.keys()
        for name, output in read.outputs.items():
            left = np.asarray(kept.outputs[name].allowed.left)
            assert all(map(_same, _parts(output)[:4], _parts(kept.outputs[name])[:4]))
            assert np.array_equal(np.broadcast_to(output.allowed.left, left.shape), left)
            assert all(map(_same, _parts(output)[5:], _parts(kept.outputs[name])[5:]))
            rows.add(type(output.allowed.row))
    assert rows == {RowFactor, RowUnknowns, type(None)}


def test_these_are_the_problems_of_verify(built: Bank) -> None:
    """All that the seed alone decides, each once, as the candidate of torch is asked."""
    expected = {each.digest() for each in planned(partial(problems, "softmax", "float64"), 12, 3)}
    found = [
        each
        for each in built.questions
        if (each.problem.operation, each.problem.dtype, each.arithmetic) == ("softmax", "float64", "any-order")
    ]
    assert {each.problem.digest() for each in found} == expected
    assert len(found) == len(expected) > 5
    outputs = compiled(found[-1].problem, "any-order")
    assert all(np.array_equal(outputs[name].truth.high, each.truth.high, equal_nan=True)
               for name, each in found[-1].outputs.items())  # fmt: skip


def test_what_is_left_out() -> None:
    """Options and gradients that are not to be asked are in no question."""
    found = build(["cross_entropy"], ["float32"], ["any-order"], seed=1, examples=12, without=["weight", "gradient"])
    assert len(found.questions) > 5
    for each in found.questions:
        assert "weight" not in each.problem.inputs
        assert each.outputs.keys() <= {"value", "jvp"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"arithmetic": ["any_order"]},
            "arithmetic is 'any_order'; expected one of .*did you mean 'any-order'",
        ),
        ({"arithmetic": []}, "arithmetic names no model; expected some of any-order"),
        ({"arithmetic": ["auto"]}, "arithmetic is 'auto'; expected one of any-order"),
        ({"operations": ["sofmax"]}, "operations names sofmax; expected some of softmax"),
        ({"dtypes": ["float8"]}, "dtypes names float8; expected some of"),
        ({"without": ["weihgt"]}, "without names weihgt; expected some of"),
        ({"examples": 0}, "examples is 0; expected a whole number of at least 1"),
        ({"seed": 2**64}, "seed is 18446744073709551616; expected a whole number of 64 bits"),
    ],
)
def test_what_cannot_be_built(arguments: dict[str, Any], words: str) -> None:
    """Before anything is."""
    with pytest.raises(ValueError, match=words):
        build(**{"operations": ["softmax"], "dtypes": ["float32"], "arithmetic": ["any-order"], "seed": 1, **arguments})


# ---- files ----------------------------------------------------------------------------------------------------------


def _rewritten(change: Callable[[dict[str, Array], dict[str, Any]], None], digest: bool) -> Callable[[bytes], bytes]:
    """The same archive after a change of its arrays and its header, with a new digest or the old one."""

    def made(data: bytes) -> bytes:
        with np.load(io.BytesIO(data)) as archive:
            arrays = {name: archive[name].copy() for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        change(arrays, header)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        if digest:
            new = bytes.fromhex(_digest({name: each for name, each in arrays.items() if name != "digest"}))
            arrays["digest"] = np.frombuffer(new, np.uint8)
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    return made


def _of_another_time(_arrays: dict[str, Array], header: dict[str, Any]) -> None:
    header["version"] = 1


def _with_another_bound(arrays: dict[str, Array], _header: dict[str, Any]) -> None:
    arrays["d"][7] += 1.0


def _with_no_such_array(_arrays: dict[str, Array], header: dict[str, Any]) -> None:
    header["questions"][0]["inputs"]["logits"][1] = 10**9


def _about_nothing(_arrays: dict[str, Array], header: dict[str, Any]) -> None:
    header["questions"][0]["operation"] = "sofmax"


def _zip(_data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


def _npz(_data: bytes) -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


def _pickled(_data: bytes) -> bytes:
    file = io.BytesIO()
    np.savez(file, header=np.array([{}], object))
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:1000], "is no .npz archive; expected a file that `softproof bank build` has written"),
        (lambda _: b"", "is no .npz archive; expected a file"),
        (_zip, "expected a file|has arrays of no such kind; expected b"),
        (_pickled, "is no .npz archive; expected a file"),
        (_npz, "has arrays a <f8; expected b .i1, d <f8"),
        (_rewritten(_of_another_time, True), "version 1; expected schema 'softproof bank', version 2"),
        (_rewritten(_with_another_bound, False), "is damaged: its content has the SHA-256 .{64}; expected .{64}"),
        (_rewritten(_with_no_such_array, True), r"holds no question that can be asked \(no array at \['d', 1000000000"),
        (_rewritten(_about_nothing, True), "can be asked .operation is 'sofmax'; expected one of"),
    ],
)  # fmt: skip
def test_what_is_no_bank(change: Callable[[bytes], bytes], words: str, file: Path) -> None:
    """Says what it has, and what was expected."""
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ValueError, match=f"bank .*{words}"):
        bank(file)


def test_every_byte_counts(file: Path) -> None:
    """Of those of a header and of arrays, wherever one is changed."""
    data = bytearray(file.read_bytes())
    bank(file)
    for place in np.random.default_rng(0).integers(100, len(data) - 2000, 20):
        changed = bytearray(data)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(ValueError, match="bank"):
            bank(file)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A number, a folder, and nothing."""
    with pytest.raises(TypeError, match="bank is a int; expected the name of a file"):
        softproof.bank(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is a folder; expected an ordinary file"):
        bank(tmp_path)
    with pytest.raises(FileNotFoundError):
        bank(tmp_path / "none")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Writes a bank, and tells its seed and its digest."""
    place = tmp_path / "bank.npz"
    arguments = ["--operation", "softmax", "--dtype", "float32", "--examples", "6", "--seed", "3"]
    assert commands.main(["bank", "build", "-o", str(place), "--arithmetic", "any-order", *arguments]) == 0
    found = bank(place)
    assert found.digest == build(["softmax"], ["float32"], ["any-order"], seed=3, examples=6).digest
    printed = capsys.readouterr().out
    assert f"{len(found.questions)} questions about softmax" in printed
    assert f"seed 3; SHA-256 of its content {found.digest}" in printed

    with pytest.raises(SystemExit) as exited:
        commands.main(["bank", "build", "-o", str(place), "--arithmetic", "auto"])
    assert exited.value.code == 2
    assert "arithmetic is 'auto'; expected one of any-order" in capsys.readouterr().err


def test_the_digest_is_that_of_what_was_read(file: Path) -> None:
    """And not worked out again; a part of a bank has one of its own."""
    found = bank(file)
    assert found.digest == replace(found).digest != replace(found, questions=found.questions[1:]).digest
    assert "_archive" not in vars(found)
