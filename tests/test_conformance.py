"""The decorator that others use in their tests, run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import softproof

TESTS = """
import softproof, torch

def softmax(input, dim):
    return torch.softmax(input, dim)

def doubled(input, dim):
    return 2 * torch.softmax(input, dim)

@softproof.conformance(softmax, dtypes=["float32"], devices=["cpu", "cuda"], seed=0, examples=5)
def test_right(conformance):
    conformance.check()

@softproof.conformance(doubled, operation="softmax", seed=0, examples=5, shrink=False,
                       expected_failures=["softmax-float64-cpu", "softmax-float16-cpu"])
def test_wrong(conformance):
    conformance.check()

@softproof.conformance("math:exp", operation="softmax", adapter="numpy", dtypes=["float32"], seed=0, examples=5,
                       shrink=False, expected_failures=["softmax-float32-cpu"])
def test_an_error_is_no_expected_failure(conformance):
    conformance.verify()
    raise TypeError("of the test itself")

@softproof.conformance(softmax, dtypes=["float32"], seed=0, examples=5, expected_failures=["softmax-float32-cpu"])
def test_agrees(conformance):
    conformance.check()
"""


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_in_the_tests_of_others(arguments: list[str], tmp_path: Path) -> None:
    """Readable ids; a device that is not there is skipped; what is expected to fail has to, and to be there."""
    (tmp_path / "test_mine.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-v", "-rA", "-p", "no:cacheprovider", *arguments, "test_mine.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False,
                           env={**os.environ, "COLUMNS": "400"})  # fmt: skip
    outcomes = {line for line in ended.stdout.splitlines() if line.startswith(("PASSED", "FAILED", "XFAIL"))}

    assert ended.returncode == 1, ended.stdout
    for start in (
        "PASSED test_mine.py::test_right[softmax-float32-cpu]",
        "FAILED test_mine.py::test_wrong[softmax-float32-cpu] - AssertionError: not everything agrees",
        "XFAIL test_mine.py::test_wrong[softmax-float64-cpu]",
        "FAILED test_mine.py::test_wrong[expected failure softmax-float16-cpu] - AssertionError: expected_failures has",
        "FAILED test_mine.py::test_an_error_is_no_expected_failure[softmax-float32-cpu] - TypeError",
        "FAILED test_mine.py::test_agrees[softmax-float32-cpu]",
    ):
        assert any(line.startswith(start) for line in outcomes), (start, ended.stdout)
    assert "softmax-float16-cpu'; the tests are softmax-float64-cpu, softmax-float32-cpu" in ended.stdout
    assert "To see it again (seed 0)" in ended.stdout
    if not torch.cuda.is_available():
        why = "device is 'cuda'; this machine has no CUDA device that torch can use"
        assert any(line.startswith("SKIPPED") and line.endswith(why) for line in ended.stdout.splitlines())


def cases(mark: Any) -> list[Any]:
    """What a test is run for."""

    def test(conformance: object) -> object:
        return conformance

    return [param.values[0] for param in mark(test).pytestmark[0].args[1]]


def test_a_device_that_has_to_be_there() -> None:
    """Is an error where it is not, if that is asked for."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    mark = softproof.conformance(torch.softmax, dtypes=["float32"], devices=["cuda"], require_devices=True)
    (case,) = cases(mark)

    with pytest.raises(ValueError, match="this machine has no CUDA device"):
        case.check()


def test_a_module_has_a_test_for_each_operation() -> None:
    """And each dtype."""
    found = {(case.operation, case.dtype) for case in cases(softproof.conformance("manual"))}

    assert found == {(operation, dtype) for operation in softproof.OPERATIONS for dtype in ("float64", "float32")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"exmples": 5}, "conformance has no argument exmples"),
        ({"dtypes": "float32"}, r"dtypes is 'float32'; expected a list of names such as \['float32'\]"),
        ({"devices": "cpu"}, r"devices is 'cpu'; expected a list of names such as \['cpu'\]"),
        ({"expected_failures": "x"}, "expected_failures is 'x'; expected a list"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    """Are an error where the test is defined."""
    with pytest.raises(TypeError, match=words):
        softproof.conformance("manual:softmax", **arguments)


def test_a_device_of_no_kind() -> None:
    """Is a mistake, and not a device that is not there."""
    with pytest.raises(ValueError, match="devices has 'cdua'; expected cpu, or one of cuda, mps"):
        softproof.conformance("manual:softmax", devices=["cpu", "cdua"])
