"""The GPU pack's steps that run the tests, ask kernels, and provoke what is asynchronous: their logic on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from audits import misbehaving
from audits.record import NOT_HERE, NOT_INSTALLED, MissingError, Where
from audits.steps import asynchronous, findings, kernels, suite

ROOT = Path(__file__).parents[1]

SUITE = """
import pytest
from hypothesis import given, strategies

def test_plain(device): assert device == "cpu"
def test_wrong(device): assert device == "cuda"
def test_rest(): pass
def test_skipped(device): pytest.skip("no reason")

@given(strategies.integers())
def test_property(device, n): assert n == n
"""


def _suite(tmp_path: Path, which: str, seconds: float = 60.0) -> Any:
    """A run of a few tests, in this process's checkout."""
    folder = tmp_path / "suite"
    folder.mkdir(exist_ok=True)
    (folder / "test_few.py").write_text(SUITE)
    more = ["-n0", f"--rootdir={ROOT}", f"-c{ROOT / 'pyproject.toml'}", "--confcutdir=/", "-p", "conftest"]
    return suite.ask(which, Where("cpu", seconds, tmp_path), (str(folder),), more)


def test_the_tests_of_a_device_are_told_apart(tmp_path: Path, thorough: bool) -> None:
    """Their outcomes, a failure with what it says, and why one was skipped."""
    found = _suite(tmp_path, "device")
    assert (found["passed"], found["failed"], found["not begun"]) == (2, 1, 0)
    assert found["skipped"] == {"no reason": 1}
    assert "assert 'cpu' == 'cuda'" in found["failures"][0]["text"]
    assert "| tests that take a device | 2 | 1 | 1 | 0 |" in "\n".join(
        suite.tell([{"part": "tests that take a device", "found": found}])
    )
    assert suite.headline([{"found": found}]) == "2 passed, 1 failed"

    if thorough:
        assert _suite(tmp_path, "rest")["passed"] == 1
        assert _suite(tmp_path, "device", 0.0)["not begun"] == 4


def test_a_run_of_tests_without_an_outcome_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where pytest cannot begin."""
    monkeypatch.setattr(suite, "find_spec", lambda name: name != "xdist")
    with pytest.raises(RuntimeError, match=r"pytest ended with status [45]: "):
        suite.ask("rest", Where("cpu", 60.0, tmp_path), ("no_such_folder",))


# ---- kernels --------------------------------------------------------------------------------------------------------


def test_a_kernel_that_is_not_there_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is missing; what needs a GPU says so."""
    monkeypatch.setattr(kernels, "find_spec", lambda _name: None)
    with pytest.raises(MissingError) as missing:
        kernels.ask(dict(kernels.OURS[0]), Where("cpu", 60.0, ROOT))
    assert missing.value.status == NOT_INSTALLED

    monkeypatch.setattr(kernels, "find_spec", lambda _name: True)
    with pytest.raises(MissingError) as missing:
        kernels.ask({"target": "examples.candidates.flash_attention:cross_entropy"}, Where("cpu", 60.0, ROOT))
    assert missing.value.status == NOT_HERE


def test_every_kernel_has_a_file() -> None:
    """And is one of those whose needs are known."""
    names = [part.name for part in kernels.parts("cuda")]
    assert len(names) > 10
    for each in (*kernels.OURS, *kernels.OTHERS):
        file = each["target"].split(":")[0].replace(".", "/") + ".py"
        assert (ROOT / file).exists()
        assert any(f".{prefix}" in each["target"] for prefix in kernels.NEEDS)


# ---- what is asynchronous -------------------------------------------------------------------------------------------


def test_what_is_as_expected_is_counted() -> None:
    """And told in a table."""
    row = {"candidate": "right", "device": "cpu", "verdict": "agrees", "expected": "agrees", "said": ""}
    found = [{"part": "two devices", "found": {"rows": [row, {**row, "verdict": "disagrees", "said": "why\nmore"}]}}]

    assert asynchronous.headline(found) == "1 of 2 verdicts as expected"
    assert "| two devices | right | disagrees | agrees | why |" in asynchronous.tell(found)


def test_an_address_is_used_again() -> None:
    """New numbers where the old ones were: one that keeps answers by address gives the old answer."""
    one, two = torch.tensor([0.0, 1.0]), torch.tensor([5.0, 1.0])

    assert misbehaving._at_one_address(one).data_ptr() == misbehaving._at_one_address(two).data_ptr()
    for kept, right in ((misbehaving.kept_by_address, False), (misbehaving.right_at_one_address, True)):
        kept(one, -1)
        assert torch.equal(kept(two, -1), torch.softmax(two, -1)) is right


@pytest.mark.thorough
@pytest.mark.parametrize(("candidate", "should"), asynchronous.QUESTIONS["poisoned memory"])
def test_stale_memory_is_found(candidate: str, should: str) -> None:
    """Memory that is full of NaN before each call shows an element that nobody writes."""
    assert asynchronous._asked(candidate, should, "cpu")["verdict"] == should


def test_what_needs_a_gpu_says_so() -> None:
    """Streams, and a second device."""
    for name in asynchronous.OF_A_GPU:
        with pytest.raises(MissingError, match="a CUDA device"):
            asynchronous.ask(name, Where("cpu", 60.0, ROOT))


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in asynchronous.QUESTIONS if name not in asynchronous.OF_A_GPU])
def test_every_verdict_is_the_expected_one(name: str) -> None:
    """On what misbehaves, and on what is right after it."""
    found = asynchronous.ask(name, Where("cpu", 60.0, ROOT))

    assert all(row["verdict"] == row["expected"] for row in found["rows"])
    assert asynchronous.headline([{"found": found}]) == "2 of 2 verdicts as expected"
    assert (
        "raised" in found["rows"][0]["said"]
        or "got" in found["rows"][0]["said"]
        or "relation" in found["rows"][0]["said"]
    )


def test_findings_are_asked_on_the_device(tmp_path: Path) -> None:
    """All of them, with what the judge said; those that show on CUDA alone are not judged on a CPU."""
    found = findings.ask(Where("cpu", 60.0, tmp_path))
    lines = "\n".join(findings.tell([{"part": "all findings", "found": found}]))

    assert "| labels-narrowed-to-32-bits | not judged | shows on cuda; this was asked on cpu |" in lines
    assert sum(row["status"] == "reproduces" for row in found["rows"]) > 5
    assert "not judged" in findings.headline([{"found": found}])
