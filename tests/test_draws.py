"""A short run asks a share of what is marked `drawn`: of its seed, others from others, and all of it when thorough."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .helpers.draws import drawn

NAMES = [f"{number}" for number in range(10)]


def test_a_share_is_drawn() -> None:
    """Rounded up, so never nothing; each from some seed, in whatever order they are collected."""
    samples = [drawn(NAMES, 4, f"{seed}") for seed in range(50)]

    assert {len(each) for each in samples} == {3}
    assert frozenset().union(*samples) == set(NAMES)
    assert samples[0] == drawn(NAMES[::-1], 4, "0") != samples[1]
    assert drawn(NAMES, 1, "0") == set(NAMES)
    assert drawn(["it"], 9, "0") == {"it"}


def test_what_is_not_drawn_is_left_out(tmp_path: Path) -> None:
    """And counted as such; a test without a mark is asked, and with --thorough everything."""
    (tmp_path / "conftest.py").write_text(
        "pytest_plugins = ['tests.helpers.draws']\n"
        "def pytest_addoption(parser):\n    parser.addoption('--thorough', action='store_true')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.drawn(4)\n@pytest.mark.parametrize('n', range(10))\ndef test_it(n):\n    pass\n"
        "def test_other():\n    pass\n"
    )
    (tmp_path / "test_file.py").write_text(
        "import pytest\npytestmark = [pytest.mark.drawn(2)]\n"
        "@pytest.mark.parametrize('n', range(3))\ndef test_it(n):\n    pass\n"
        "def test_other():\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "-c", "/dev/null", "."]
    env = {"PYTHONPATH": f"{Path(__file__).parents[1]}", "PATH": ""}
    told = [
        subprocess.run([*command, *more], cwd=tmp_path, env=env, capture_output=True, text=True, check=False).stdout
        for more in (["--hypothesis-seed=1"], ["--thorough"], ["--all-cases"])
    ]

    assert [re.findall(r"(\d+)(?:/15)? tests collected", each) for each in told] == [["6"], ["15"], ["15"]], told
    assert "9 deselected" in told[0]
