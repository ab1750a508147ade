"""Where the compilers are that kernels call when they first run, as those of Triton and of torch.compile do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping

NAMES = ("cc", "c++", "gcc", "g++", "clang", "clang++", "icx", "icpx", "hipcc", "nvcc", "ptxas", "ccache", "as", "ld",
         "ninja")  # fmt: skip
VARIABLES = ("CC", "CXX", "CUDAHOSTCXX", "TRITON_PTXAS_PATH")  # of the environment, that name one, perhaps with options
PARTS = ("bin", "include", "lib", "lib32", "lib64", "libexec")  # of a folder that holds more than one installation


def installations(environment: Mapping[str, str], own: Iterable[str]) -> list[str]:
    """Where compilers are installed: the folders above their bin, by their names and by where links lead.

    What lies in the candidate's `own` folders may be its author's, links to other folders included: it does not count.
    """
    own = list(map(os.path.realpath, own))
    compilers = [each for each in _compilers(environment) if not any(is_in(each, folder) for folder in own)]
    named = (name for each in compilers for name in (each, os.path.realpath(each)))
    return list(dict.fromkeys(place for each in named for place in _places(each)))


def is_shared(folder: str) -> bool:
    """Whether a folder holds more than one installation, or what is no installation.

    >>> [is_shared(each) for each in ("/", "/opt", "/tmp", "/usr/local", "/opt/gcc", "/usr/local/cuda")]
    [True, True, True, True, False, False]
    """
    home = os.path.realpath(os.path.expanduser("~"))
    parent, name = os.path.split(folder)
    if parent == home and name.startswith("."):  # such as ~/.local
        return True
    return (
        parent in ("/", "/home")
        or folder in ("/usr/local", "/var/tmp")
        or any(is_in(each, folder) for each in (home, os.path.realpath(tempfile.gettempdir())))
    )


def is_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or inside it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _compilers(environment: Mapping[str, str]) -> Iterator[str]:
    """All that are found on PATH, and those that variables name."""
    folders = [path for path in environment.get("PATH", "").split(os.pathsep) if os.path.isabs(path)]
    words = [word for name in VARIABLES for word in environment.get(name, "").split()]
    for path in (os.path.join(folder, name) for folder in ("", *folders) for name in (*words, *NAMES)):
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def _places(compiler: str) -> list[str]:
    """What is read with a compiler: all of its installation, or the parts of a folder that others share, or itself."""
    folder = os.path.dirname(compiler)
    above = os.path.dirname(folder) if os.path.basename(folder) == "bin" else folder
    if not is_shared(above):
        return [above]
    return [f"{above.rstrip(os.sep)}/{part}" for part in PARTS] if above != folder else [compiler]
