"""Versions of what a verdict depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from ..candidates.plain_text import plain


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the verdict depends on, as they were before any candidate ran."""
    return dict(_VERSIONS)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("softproof", "numpy", "torch", "hypothesis", "python-flint"):
        try:
            found[name] = plain(version(name), 40)  # which stands in a file
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


_VERSIONS = _versions()  # a candidate may change the files that they are read from
