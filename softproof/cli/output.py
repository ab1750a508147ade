"""The report of a command, on standard output and in the files that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..reports.files import ReportFile
from ..runs.rows import fault
from .console import note, say

JUDGE_ITSELF = 4  # exit status


def tell(text: str, files: Mapping[str, ReportFile], contents: Mapping[str, Callable[[], str | bytes]]) -> int:
    """Print a report, and then write the files that were asked for: 0, or 4 where that cannot be done whole."""
    whole = say(text)
    for option, file in files.items():
        whole &= _written(file, contents[option])
    return 0 if whole else JUDGE_ITSELF


def _written(file: ReportFile, content: Callable[[], str | bytes]) -> bool:
    """Whether a file could be written."""
    try:
        made = content()
        digest = file.write(made if isinstance(made, bytes) else made + "\n")
    except OSError as error:
        note(f"softproof: {file.said}: {error.strerror or error}")
    except Exception as error:  # of the report, as it is made: a fault of the judge's own
        note(f"softproof: {file.said}: {fault(error)}")
    else:
        note(f"{file.said} is written, SHA-256 {digest}")
        return True
    return False
