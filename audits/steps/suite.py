"""Step 4: the tests of this project on the device: those that take a device first, and among them the properties."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ..record import NOT_INSTALLED, MissingError, Part, Record, Step, Where, pipe_table

ROOT = Path(__file__).parents[2]
SHARE = {"device": 1.5, "rest": 0.7}  # of half of the time: the first may take most of it
PLUGINS = {"hypothesis": "_hypothesis_pytestplugin", "xdist": "xdist.plugin"}  # by what they are installed as
WHOLE = "softproof/__init__.py"  # stands in a checkout, not in a pack
OF_CHECKOUT = ("test_architecture", "test_folders", "test_links", "test_extreme", "test_figures", "test_documents",
               "test_guides", "test_action", "test_matrix", "test_offline", "test_draws")  # fmt: skip


def parts(_kind: str) -> list[Part]:
    """Two runs of pytest."""
    return [Part("tests that take a device", partial(ask, "device")), Part("other tests", partial(ask, "rest"))]


def ask(which: str, where: Where, paths: Sequence[str] = ("tests",), more: Sequence[str] = ()) -> Record:
    """One run: outcomes, and each failure with the end of what it says."""
    for name in ("pytest", "hypothesis"):
        if not find_spec(name):
            raise MissingError(NOT_INSTALLED, name)
    log = where.out.resolve() / f"tests-{which}.jsonl"
    log.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        *(word for name in PLUGINS if find_spec(name) for word in ("-p", PLUGINS[name])),
    ]
    command += ["-p", "audits.suite_plugin", "--pack", which, "-q", "--tb=short"]
    seconds = f"{SHARE[which] * where.seconds:.1f}"
    command += ["-p", "no:cacheprovider", "--pack-log", str(log), "--pack-seconds", seconds]
    command += [
        "--hypothesis-seed=0",
        f"--device={where.device}",
        *more,
        *(["--all-cases"] if which == "device" else []),
    ]
    command += ["--require-cuda"] if where.kind == "cuda" else []
    command += ["-n", f"{min(12, os.cpu_count() or 1)}"] if find_spec("xdist") else []
    if not (ROOT / WHOLE).exists():
        command += [f"--ignore=tests/{name}.py" for name in OF_CHECKOUT]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # whatever else is installed there
    run = subprocess.run([*command, *paths], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    if not lines:
        raise RuntimeError(f"pytest ended with status {run.returncode}: {(run.stdout + run.stderr)[-1500:]}")
    return {"which": which, "status": run.returncode, **told(lines)}


def told(lines: Sequence[Record]) -> Record:
    """Counts, why tests were skipped, and what failed."""
    late = sum("not begun in time" in line["text"] for line in lines)
    skipped = Counter(line["text"].removeprefix("Skipped: ") for line in lines if line["outcome"] == "skipped")
    skipped.pop("not begun in time", None)
    failures = [line for line in lines if line["outcome"] == "failed"]
    return {
        "passed": sum(line["outcome"] == "passed" for line in lines),
        "failed": len(failures),
        "skipped": dict(skipped),
        "not begun": late,
        "failures": failures[:40],
    }


def tell(found: Sequence[Record]) -> list[str]:
    """Counts, and the failures."""
    if not found:
        return []
    rows = [
        (part["part"], each["passed"], each["failed"], sum(each["skipped"].values()), each["not begun"])
        for part in found
        for each in (part["found"],)
    ]
    lines = pipe_table(("tests", "passed", "failed", "skipped", "not begun in time"), rows)
    for part in found:
        for failure in part["found"]["failures"]:
            lines += [f"`{failure['test']}`:", "", "```text", failure["text"].strip()[-800:], "```", ""]
    return lines


def headline(found: Sequence[Record]) -> str:
    """How many passed and failed."""
    passed, failed = (sum(part["found"][name] for part in found) for name in ("passed", "failed"))
    return f"{passed} passed, {failed} failed"


STEP = Step("suite", "The tests of this project", 2.5, parts, tell, headline)
