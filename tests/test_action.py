"""The GitHub action, whose steps are run by bash here, and the example of a workflow that uses it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

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
    ("targets", "status"),
    [("manual:softmax", 0), ("tests.wrong.broken:softmax_without_shift", 1)],
    ids=["right", "wrong"],
)
def test_the_step_that_verifies(targets: str, status: int, tmp_path: Path) -> None:
    """Its exit status is that of the run, and what is written is written whatever that is."""
    ended = verified(tmp_path, TARGETS=targets, ARITHMETIC="any-order", SEED="7")

    assert ended.returncode == status, ended.stderr
    assert len(list(ET.parse(tmp_path / "report.xml").iter("failure"))) == status
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["seed"], bool(told["causes"])) == (7, bool(status))
    assert ended.stdout.count(b"\n::error file=tests/wrong/broken.py,line=") == len(told["causes"])
    for name in ("report.html", "summary.md"):
        assert f"softproof: {('PASSED', 'FAILED')[status]}, " in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("arithmetic", "status"), [("", 2), ("auto", 2), ("fused", 0)])
def test_it_needs_the_name_of_a_model(arithmetic: str, status: int, tmp_path: Path) -> None:
    """Which the run does not choose for a kernel in CI."""
    ended = verified(tmp_path, TARGETS="manual:softmax", ARITHMETIC=arithmetic)

    assert ended.returncode == status, ended.stderr
    assert (b"--named-model: manual:softmax has no model" in ended.stderr) == (status == 2)


def verified(folder: Path, **inputs: str) -> subprocess.CompletedProcess[bytes]:
    """The step, with these inputs."""
    (command,) = re.findall(r"run: (softproof verify .*)", ACTION)
    named = {"TARGETS", "ARGUMENTS", "ARITHMETIC", "SEED", "SANDBOX", "REQUIRE", "JUNIT", "JSON", "HTML"}
    assert set(re.findall(r"\$(\w+)", command)) == named
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ARGUMENTS": "--operation softmax --dtype float32 --examples 20 --no-shrink",
        "SANDBOX": "on",
        "JUNIT": str(folder / "report.xml"),
        "JSON": str(folder / "report.json"),
        "HTML": str(folder / "report.html"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **inputs,
    }
    return subprocess.run(["bash", "-e", "-c", command], cwd=ROOT, env=env, capture_output=True, check=False)


CERTIFY = (ROOT / ".github/actions/certify/action.yml").read_text()


def test_every_input_of_the_action_that_certifies_reaches_a_step() -> None:
    """It is signed by the platform, and only where that is asked for."""
    inputs = re.findall(r"^  (\w+):\n    description: ", CERTIFY, re.MULTILINE)

    assert set(re.findall(r"inputs\.(\w+) ", CERTIFY)) == set(inputs)
    assert CERTIFY.count("if: ${{ inputs.sign == 'true' }}") == 2
    assert re.findall(r"uses: (.*)@", CERTIFY) == ["actions/attest"]


@pytest.mark.parametrize(("target", "status"), [("manual:softmax", 0), ("tests.wrong.broken:softmax_without_shift", 1)])
def test_the_steps_that_certify(target: str, status: int, tmp_path: Path) -> None:
    """A certificate is written whatever the verdict is, and taken apart for the step that signs."""
    (certify,) = re.findall(r"run: (softproof certify .*)", CERTIFY)
    (apart,) = re.findall(r"run: \|\n((?: {8}.*\n)+)", CERTIFY)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    arguments = "--operation softmax --dtype float32 --examples 10 --without hvp"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TARGET": target, "ARGUMENTS": arguments,
           "ARITHMETIC": "any-order", "SEED": "7", "SANDBOX": "off", "CERTIFICATE": str(tmp_path / "c.json"),
           "PARTS": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output")}  # fmt: skip
    done = subprocess.run(["bash", "-e", "-c", certify], cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == status, done.stderr
    subprocess.run(["bash", "-e", "-c", dedent(apart)], cwd=ROOT, env=env, check=True)

    whole = json.loads((tmp_path / "c.json").read_text())
    assert json.loads((tmp_path / "predicate.json").read_text()) == whole["predicate"]
    assert (tmp_path / "output").read_text() == f"type={whole['predicateType']}\n"
    lines = [f"{each['digest']['sha256']}  {each['name']}" for each in whole["subject"]]
    assert (tmp_path / "subject.sha256").read_text().splitlines() == lines
    assert whole["predicate"]["result"] == ("FAILED" if status else "PASSED")
