"""Where the versions are those that docs/generated/findings.md records."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "generated" / "findings.md"
RECORDED = dict(re.findall(r"^\| (\w+) \| (.*) \|$", DOCS.read_text(), re.MULTILINE))
HERE = {
    "torch": version("torch").split("+")[0],
    "device": "cpu",
    "platform": f"{platform.system()} {platform.machine()}",
}

recorded_here = pytest.mark.skipif(
    any(RECORDED[name] != value for name, value in HERE.items()),
    reason=f"findings.md records {', '.join(RECORDED[name] for name in HERE)}; this is {', '.join(HERE.values())}",
)
