"""What was kept from a candidate, as far as its error tells, and the option that allows it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator

from .compilers import is_in, is_shared
from .environment import is_secret, listed
from .landlock import READ_FILE
from .protections import CALLS, NETWORK, READING, WRITING, Protections
from .reading import hidden_in_home, rules
from .start import Place

_REFUSED = r"(?:[Pp]ermission denied|Read-only file system|Operation not permitted)"
_PATHS = (
    re.compile(rf"{_REFUSED}:? (?:b?(['\"])(?P<path>.+?)\1|\[(?P<other>/[^\]]+)\])"),  # as Python and C++ say it
    re.compile(rf"(?P<path>/[^'\":\n]+)['\"]?:(?: [\w ]+:)? {_REFUSED}"),  # as a shell, a compiler and the loader do
)
_CALL = re.compile(r"Operation not permitted")
_CONNECTION = re.compile(
    r"Connection\w*Error|ConnectError|urlopen error|gaierror|Max retries exceeded|Network is unreachable|"
    r"name resolution|Name or service not known|[Cc]ould not resolve host"
)
_VARIABLE = re.compile(r"\b[A-Za-z_]\w+\b")
_OF_VARIABLES = re.compile(r"KeyError|environ|variable", re.IGNORECASE)


def advice(error: str, place: Place, protections: Protections) -> str:
    """What was kept from a candidate that raised this error, and what to do; empty where nothing was."""
    active = {each.name for each in protections if each.active}
    for path in _paths(error):
        if READING in active and os.path.exists(path) and not _may_read(path, place):
            return f"The sandbox does not let it read {path}: {_allowing(path, place)}"
        if WRITING in active:
            return f"The sandbox does not let it write {path}: it writes in its scratch folder alone (HOME, TMPDIR)"
    if NETWORK in active and _CONNECTION.search(error):
        return "The sandbox has no network: download what it needs before, and allow the folder: --sandbox-read DIR"
    if CALLS in active and _CALL.search(error):
        return "The sandbox has no network, and refuses system calls that programs do not need"
    return _of_a_variable(error, place)


def _paths(error: str) -> Iterator[str]:
    """Files that an error says were refused, as absolute paths; a program without a folder is looked up."""
    for pattern in _PATHS:
        for match in pattern.finditer(error):
            path: str = match["path"] or match["other"]
            path = path if os.path.exists(path) else path[path.rfind(" /") + 1 :]  # the last of several words
            found = None if os.sep in path else shutil.which(path)
            yield os.path.abspath(found or path)


def _may_read(path: str, place: Place) -> bool:
    """Whether the rules of a sandbox allow it."""
    allowed = rules([*filter(None, sys.path), *place.reads], os.getcwd(), place.hidden)
    name = os.path.realpath(path)
    return any(right & READ_FILE and is_in(name, os.path.realpath(each)) for each, right in allowed)


def _allowing(path: str, place: Place) -> str:
    """The option that lets it read a file, with the folder of the file, or of the installation that it is in."""
    if os.path.realpath(path) in map(os.path.realpath, place.hidden):
        return "it is a file of this run"
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    if os.path.basename(folder) == "bin" and not is_shared(os.path.dirname(folder)):
        folder = os.path.dirname(folder)
    if is_shared(folder) or any(is_in(os.path.realpath(path), each) for each in hidden_in_home()):
        return "copy it to a folder that holds nothing else: --sandbox-read DIR"
    return f"--sandbox-read {shlex.quote(folder)}"


def _of_a_variable(error: str, place: Place) -> str:
    """That a variable which the judge has is not handed over; this is so without a sandbox, too."""
    kept = os.environ.keys() - listed(os.environ, place.names).keys() if _OF_VARIABLES.search(error) else set[str]()
    for name in _VARIABLE.findall(error):
        if name in kept:
            secret = ", if it is no secret" if is_secret(name) else ""
            return f"It is not given the variable {name}{secret}: --sandbox-env {name}"
    return ""
