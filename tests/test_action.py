"""The GitHub action, whose steps are run by bash here, and the example of a workflow that uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = [pytest.mark.drawn(3)]

ROOT = Path(__file__).parents[1]
ACTION = (ROOT / "action.yml").read_text()
WORKFLOW = (ROOT / "examples/workflows/softproof.yml").read_text()
INPUTS = re.findall(r"^  (\w+):\n    description: ", ACTION, re.MULTILINE)


def test_every_input_reaches_a_step() -> None:
    """And the example gives none that is not there."""
    assert set(re.findall(r"inputs\.(\w+) ", ACTION)) == set(INPUTS)
    given = re.findall(
        r"- uses: OWNER/softproof@main\n(?:        env:\n.*\n)?        with:\n((?: {10}.*\n)+)", WORKFLOW
    )

    assert len(given) == 2
    assert {line.split(":")[0].strip() for each in given for line in each.splitlines()} <= set(INPUTS)


@pytest.mark.parametrize(
    ("targets", "status"), [("manual:softmax", 0), ("tests.broken:softmax_without_shift", 1)], ids=["right", "wrong"]
)
def test_the_step_that_verifies(targets: str, status: int, tmp_path: Path) -> None:
    """Its exit status is that of the run, and both files are written whatever that is."""
    (command,) = re.findall(r"run: (softproof verify .*)", ACTION)
    assert set(re.findall(r"\$(\w+)", command)) == {"TARGETS", "ARGUMENTS", "SANDBOX", "REQUIRE", "JUNIT", "JSON"}
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TARGETS": targets,
        "ARGUMENTS": "--operation softmax --dtype float32 --seed 0 --examples 20 --no-shrink",
        "SANDBOX": "on",
        "JUNIT": str(tmp_path / "report.xml"),
        "JSON": str(tmp_path / "report.json"),
    }
    ended = subprocess.run(["bash", "-e", "-c", command], cwd=ROOT, env=env, capture_output=True, check=False)

    assert ended.returncode == status, ended.stderr
    assert len(list(ET.parse(env["JUNIT"]).iter("failure"))) == status
    assert (tmp_path / "report.json").exists()
