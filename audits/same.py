"""What a change of form must leave as it was: the problems, outcomes and figures of two commits, one beside the other.

python -m audits.same write before.json     in a checkout of the commit before
python -m audits.same write after.json      in one of the commit after
python -m audits.same compare before.json after.json [--names names.json]

Digests of the problems that a seed draws, every row of `softproof verify manual reference --seed 0` without its
seconds, its exit status, and the table of the mutants. --names is a JSON object from a text in the first file to what
the second calls it: keys, rows and words that were renamed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis

from softproof import OPERATIONS, problems
from softproof.problem.formats import FORMATS

DRAWN = 40  # problems of an operation and dtype
UNSTEADY = ("seconds", "elapsed", "time", "date", "sources", "commit")  # keys that differ from run to run, or by files


def digests(operation: str, dtype: str) -> list[str]:
    """The digests of the problems that one seed draws."""
    found: list[str] = []

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=DRAWN, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(problems(operation, dtype))
    def ask(problem: Any) -> None:
        found.append(problem.digest())

    ask()
    return found


def command(*words: str) -> dict[str, Any]:
    """What a command of softproof writes as JSON, and its exit status."""
    from softproof.__main__ import start

    with TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        sys.argv = ["softproof", *words, "--json", str(file)]
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                status: Any = start()
            except SystemExit as end:
                status = end.code
        return {"exit status": status, "report": json.loads(file.read_text())}


def drawn() -> dict[str, list[str]]:
    """The digests of all operations and dtypes."""
    return {f"{operation} {dtype}": digests(operation, dtype) for operation in OPERATIONS for dtype in FORMATS}


PARTS: dict[str, Callable[[], Any]] = {
    "problems": drawn,
    "verify": lambda: command("verify", "manual", "reference", "--seed", "0"),
    "mutants": lambda: command("mutants"),
}


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """The leaves of a JSON value by their places, without times."""
    if isinstance(value, dict):
        parts = [(f"{place}/{key}", each) for key, each in value.items() if key not in UNSTEADY]
    elif isinstance(value, list):
        parts = [(f"{place}/{index}", each) for index, each in enumerate(value)]
    else:
        return {place: re.sub(r"\d+(\.\d+)? (m?s|seconds)\b", "some s", value) if isinstance(value, str) else value}
    return {key: leaf for name, each in parts for key, leaf in flat(each, name).items()}


def differences(before: Any, after: Any, names: dict[str, str]) -> list[str]:
    """The places where two records differ, once the names of the first are those of the second."""
    text = json.dumps(before)
    for old, new in names.items():
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    one, two = flat(json.loads(text)), flat(after)
    places = [place for place in {**one, **two} if repr(one.get(place, "-")) != repr(two.get(place, "-"))]
    return [f"{place}: {one.get(place, 'absent')!r} before, {two.get(place, 'absent')!r} after" for place in places]


def main() -> int:
    """Write a record, or compare two."""
    parser = argparse.ArgumentParser(prog="python -m audits.same", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--names", type=Path, help="a JSON object from old names to new ones")
    parser.add_argument("--part", action="append", choices=PARTS, help="write this part alone; may be repeated")
    options = parser.parse_args()
    if options.action == "write":
        options.files[0].write_text(json.dumps({part: PARTS[part]() for part in options.part or PARTS}))
        return 0
    before, after = (json.loads(file.read_text()) for file in options.files)
    names = json.loads(options.names.read_text()) if options.names else {}
    found = differences(before, after, names)
    print("\n".join(found[:50]))
    print(f"{len(flat(after)):,} values compared, {len(found)} differ")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
