"""The GitHub action, whose steps are run by bash here, and the example of a workflow that uses it."""

from __future__ import annotations

import json
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
    assert "SEED: ${{ inputs.seed || (github.event_name == 'pull_request' && '0') || '' }}" in ACTION
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
    ended = verified(tmp_path, TARGETS=targets, ARITHMETIC="any-order", SEED="7")

    assert ended.returncode == status, ended.stderr
    assert len(list(ET.parse(tmp_path / "report.xml").iter("failure"))) == status
    assert json.loads((tmp_path / "report.json").read_text())["seed"] == 7


@pytest.mark.parametrize(("arithmetic", "status"), [("", 2), ("auto", 2), ("fused", 0)])
def test_it_needs_the_name_of_a_model(arithmetic: str, status: int, tmp_path: Path) -> None:
    """Which the run does not choose for a kernel in CI."""
    ended = verified(tmp_path, TARGETS="manual:softmax", ARITHMETIC=arithmetic)

    assert ended.returncode == status, ended.stderr
    assert (b"--named-model: manual:softmax has no model" in ended.stderr) == (status == 2)


def verified(folder: Path, **inputs: str) -> subprocess.CompletedProcess[bytes]:
    """The step, with these inputs."""
    (command,) = re.findall(r"run: (softproof verify .*)", ACTION)
    named = {"TARGETS", "ARGUMENTS", "ARITHMETIC", "SEED", "SANDBOX", "REQUIRE", "JUNIT", "JSON"}
    assert set(re.findall(r"\$(\w+)", command)) == named
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ARGUMENTS": "--operation softmax --dtype float32 --examples 20 --no-shrink",
        "SANDBOX": "on",
        "JUNIT": str(folder / "report.xml"),
        "JSON": str(folder / "report.json"),
        **inputs,
    }
    return subprocess.run(["bash", "-e", "-c", command], cwd=ROOT, env=env, capture_output=True, check=False)
