"""The document about the findings."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from .environment import versions
from .finding import FIXED, NOT_JUDGED, PATIENCE, REPRODUCES, Finding, FindingStatus, ask
from .findings import FINDINGS


def ask_all(
    findings: Iterable[Finding] | None = None,
    device: str = "cpu",
    progress: Callable[[FindingStatus, int, int], None] | None = None,
) -> list[FindingStatus]:
    """Every finding on the installed version; `progress` is called for each, once that takes longer than PATIENCE."""
    chosen, start = list(FINDINGS if findings is None else findings), time.monotonic()
    asked: list[FindingStatus] = []
    for number, finding in enumerate(chosen, start=1):
        asked.append(ask(finding, device))
        if progress is not None and time.monotonic() - start >= PATIENCE:
            progress(asked[-1], number, len(chosen))
    return asked


_HEAD = """\
# Findings

Here torch's answer exceeds its bound, or is not what torch documents. Each cause has a minimal witness, its verdict,
and what would be right. `make findings` runs all of them again and writes this file.

*reproduces*: the witness disagrees on the versions below. *fixed*: it agrees. *not judged*: this torch lacks the
function, raised an error, the judge cannot tell, or it shows on another device or CPU alone. [On GPUs](gpu.md) has what
became of all of them on CUDA. Findings are expected failures by name. The judge makes no exception for them, and no
bound is wider because of them. Of a row that fails by `gradient-of-an-ignored-row-of-nan` alone, `verify` says that it
*agrees, but for* that.

The bound is that of the model `float32-inside`: float32 from the inputs on, and one rounding to the format of the
result at the end ([bounds.md](../theory/bounds.md), A5); for float32 itself it is the usual one. torch promises no
accuracy in float16 and bfloat16. A finding there says where that expectation is wrong, and by how much.
"""


def findings_report(asked: Sequence[FindingStatus] | None = None, device: str = "cpu") -> str:
    """The findings as Markdown: versions, a table with the status of each, and the witnesses."""
    asked = ask_all(device=device) if asked is None else asked
    return "\n".join([_HEAD, *_versions(device), "", *_table(asked), *(_section(each, device) for each in asked)])


def summary(asked: Sequence[FindingStatus]) -> str:
    """How many findings have which status.

    >>> summary([])
    '0 findings: 0 reproduce, 0 fixed, 0 not judged'
    """
    counts = {status: sum(each.status == status for each in asked) for status in (REPRODUCES, FIXED, NOT_JUDGED)}
    return (
        f"{len(asked)} findings: {counts[REPRODUCES]} reproduce, {counts[FIXED]} fixed, {counts[NOT_JUDGED]} not judged"
    )


def _versions(device: str) -> list[str]:
    """What was asked, as a table; a local version such as +cpu says nothing that the device does not."""
    found = {name: number.split("+")[0] for name, number in versions().items() if name in ("torch", "softproof")}
    found |= {"device": device, "platform": f"{platform.system()} {platform.machine()}"}
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in found.items())]


def _table(asked: Sequence[FindingStatus]) -> list[str]:
    rows = [f"| [{each.finding.name}](#{each.finding.name}) | {_dotted(each.finding)} | {each.finding.problem.dtype} "
            f"| {each.status} |" for each in asked]  # fmt: skip
    return [f"{summary(asked)}.", "", "| finding | function | format | status |", "|---|---|---|---|", *rows]


def _dotted(finding: Finding) -> str:
    """The target as its users write it."""
    return f"`{finding.target.replace(':', '.')}`"


def _section(asked: FindingStatus, device: str) -> str:
    finding = asked.finding
    lines = [f"\n## {finding.name}\n", f"{_dotted(finding)} in {finding.problem.dtype}: **{asked.status}**.\n"]
    lines += [_wrapped(f"{finding.happens} {finding.right}"), ""]
    if finding.link:
        lines += [f"Related report: [{'#' + PurePosixPath(finding.link).name}]({finding.link}).\n"]
    snippet = finding.snippet(finding.device or device)
    return "\n".join([*lines, "```python", snippet, "```\n", "```text", asked.text, "```"])


def _wrapped(text: str, width: int = 120) -> str:
    """The text in lines of at most `width` characters."""
    lines = [""]
    for word in text.split():
        fits = len(lines[-1]) + 1 + len(word) <= width
        lines = [*lines[:-1], f"{lines[-1]} {word}".lstrip()] if fits else [*lines, word]
    return "\n".join(lines)
