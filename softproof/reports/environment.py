"""Where and when something was judged: versions, the time, the machine."""

from __future__ import annotations

import platform
import re
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..candidates.plain_text import plain
from .odd_files import read_file


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the verdict depends on, as they were before any candidate ran."""
    return dict(_VERSIONS)


def _versions() -> dict[str, str]:
    installed = {"python": platform.python_version()}
    for name in ("softproof", "numpy", "torch", "hypothesis", "python-flint"):
        try:
            installed[name] = plain(version(name), 40)  # which stands in a file
        except PackageNotFoundError:
            installed[name] = "not installed"
    return installed


_VERSIONS = _versions()  # a candidate may change the files that they are read from


def now() -> str:
    """The time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def machine() -> str:
    """The system and the processor."""
    return plain(f"{platform.system()} {platform.release()}, {platform.machine()}, {_processor()}")


def _processor() -> str:
    return _line(Path("/proc/cpuinfo"), "model name") or platform.processor() or "unknown processor"


def gpus() -> list[str]:
    """The names of NVIDIA's GPUs and their driver, as the system tells them."""
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    driver = _line(Path("/proc/driver/nvidia/version"), "NVRM version")
    return [*(_line(card, "Model") for card in cards), *([f"driver: {driver}"] if driver else [])]


def _line(file: Path, key: str) -> str:
    """What a line of a file of the system says, or nothing."""
    try:
        found = re.search(rf"^{key}\s*:\s*(.+)$", read_file(file).decode(errors="replace"), re.MULTILINE)
    except (OSError, ValueError):
        return ""
    return plain(" ".join(found[1].split())) if found else ""
