"""A device or a program that was asked for and is not there is an error, never a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import reference
from reference import arrays

ROOT = Path(__file__).parent.parent


FORMATS = ("tests/test_formats.py", "-k", "ulp")


def _pytest(*arguments: str, what: tuple[str, ...] = FORMATS, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *what]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"} | more
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("option", ["--require-cuda", "--device=cuda"])
def test_asking_for_cuda_without_a_device_is_an_error(option: str) -> None:
    """Exit status 4, pytest's own for wrong usage, before any test runs."""
    run = _pytest(option)

    assert run.returncode == 4
    assert "a CUDA device was asked for, and torch finds none on this machine" in run.stderr


def test_asking_for_a_program_that_is_not_there_is_an_error() -> None:
    """Otherwise its tests are skipped, and say why; where it is there, all of them are asked."""
    two = (
        "-rs",
        "tests/test_browser.py::test_a_page_has_no_faults[lost]",
        "tests/test_database.py::test_two_run_at_once",
    )
    without, required = (_pytest(*option, what=two, PATH="") for option in ((), ("--require-browser",)))

    assert without.returncode == 0
    assert "2 skipped" in without.stdout
    for name, programs in (("browser", "chromium, google-chrome, "), ("redis", "redis-server, ")):
        assert f"{name}: absent, its tests are skipped" in without.stdout
        assert f"no {name} on this machine: none of {programs}" in without.stdout
    assert required.returncode == 4
    assert "--require-browser: none of chromium, google-chrome, " in required.stderr


def test_the_header_says_what_is_tried() -> None:
    """Devices, dtypes, profile and versions."""
    run = _pytest()

    assert run.returncode == 0
    dtypes = "dtypes: float64, float32; profile: dev, 6 examples"
    for words in ("devices: cpu, cuda (cuda: ", dtypes, "torch ", "python-flint "):
        assert words in run.stdout


def test_the_reference_computes_where_it_is_told(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`device` moves the inputs, arrays and tensors alike; were it not refused, to "meta", which every machine has."""
    _computes_on(device)
    with pytest.raises(ValueError, match="device is 'meta'; expected one that holds numbers"):
        _computes_on("meta")

    monkeypatch.setattr(arrays, "checked_device", torch.device)
    _computes_on("meta")


def _computes_on(device: str) -> None:
    assert reference.softmax([1.0, 2.0], device=device).device.type == torch.device(device).type
    moved = reference.log_softmax(torch.zeros(1, 2), device=device)
    assert moved.device.type == torch.device(device).type
