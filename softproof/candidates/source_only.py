"""Modules of a target are compiled from their source, and never taken from a cache that may hold something else.

Python trusts a file in `__pycache__` that says it need not be compared with its source. What a certificate digests is
the source. What is installed, and this package, stay as they are.
"""

from __future__ import annotations

import site
import sys
import sysconfig
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_NAMES = ("stdlib", "platstdlib", "purelib", "platlib")
_INSTALLED = {Path(__file__).resolve().parents[1], Path(site.getusersitepackages()), *map(Path, site.getsitepackages()),
              *(Path(path) for name, path in sysconfig.get_paths().items() if name in _NAMES)}  # fmt: skip


class _SourceOnly(SourceFileLoader):
    """Without a time of its file nothing is read from a cache, and nothing written."""

    def path_stats(self, path: Any) -> Any:
        raise OSError(f"no cache is used for {path}")


class _OfTargets(MetaPathFinder):
    """What the others find, as those of editable installs, and is not installed, has that loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """That of the first that finds it, with another loader."""
        others = (each for each in sys.meta_path if each is not self and hasattr(each, "find_spec"))
        spec = next(filter(None, (each.find_spec(fullname, path, target) for each in others)), None)
        if spec is not None and type(spec.loader) is SourceFileLoader and not is_installed(str(spec.origin)):
            spec.loader = _SourceOnly(spec.loader.name, spec.loader.path)
        return spec


def is_installed(path: str) -> bool:
    """Whether a file is one of the standard library, of an installed package, or of this one.

    >>> import numpy
    >>> is_installed(numpy.__file__), is_installed("/home/me/kernel.py")
    (True, False)
    """
    return any(Path(path).is_relative_to(folder) for folder in _INSTALLED)


def from_source_only() -> None:
    """From here on, in this process."""
    if not any(isinstance(each, _OfTargets) for each in sys.meta_path):
        sys.meta_path.insert(0, _OfTargets())
