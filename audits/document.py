"""docs/generated/gpu.md, of any number of records of the GPU pack.

python -m audits.document FILE.json … --write docs/generated/gpu.md

A record is what ``python -m audits.gpu`` leaves in DIR/record.json. Those of this repository stand in
docs/generated/gpu/, and are read where no file is named.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .record import DONE, Record, pipe_table
from .steps import STEPS

ROOT = Path(__file__).parents[1]
RECORDS, PAGE = ROOT / "docs/generated/gpu", ROOT / "docs/generated/gpu.md"
TITLE = "# On GPUs"
NOWHERE = "The GPU pack (`python -m audits.gpu`) has not run on a GPU anywhere yet."
HEAD = """\
`python -m audits.gpu --minutes 8 --out DIR` asked these machines, and left a record of each. `make gpu-document` writes
this page of all records in docs/generated/gpu/. Add yours: copy DIR/record.json there under another name, and write
into its list `notes` what a reader has to know besides. `make offline` packs what a machine without a network needs."""


def document(records: Sequence[Record]) -> str:
    """The page: one section for each machine with a GPU."""
    own = [record for record in records if "gpu" in record["machine"]]
    if not own:
        return f"{TITLE}\n\n{NOWHERE}\n"
    lines = [TITLE, "", HEAD, ""]
    for record in own:
        lines += section(record)
    return "\n".join(lines).rstrip() + "\n"


def section(record: Record) -> list[str]:
    """Machine and versions; a summary; what each step found, and why it did not."""
    machine = record["machine"]
    lines = [f"## {machine['gpu']}, {record['day']}", ""]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    facts = [(name, value) for name, value in machine.items() if name not in ("gpu", "packages")]
    lines += pipe_table(("machine", ""), [*facts, ("packages", packages)])
    lines += [line for note in record.get("notes", ()) for line in (note, "")]
    rows = []
    for step in record["steps"]:
        done = [part for part in step["parts"] if part["status"] == DONE]
        told = STEPS[step["step"]].headline(done) if done else "-"
        rows.append((step["title"], told, f"{len(done)} of {len(step['parts'])}", step["seconds"]))
    lines += pipe_table(("step", "found", "parts done", "seconds"), rows)
    for step in record["steps"]:
        lines += [f"### {step['title']}", "", *_found(step)]
    return lines


def _found(step: Record) -> list[str]:
    """The tables of a step, and one line for each reason why something is not in them."""
    lines = STEPS[step["step"]].tell([part for part in step["parts"] if part["status"] == DONE])
    reasons: dict[tuple[str, str], list[str]] = {}
    for part in step["parts"]:
        if part["status"] != DONE:
            reasons.setdefault((part["status"], part["why"]), []).append(part["part"])
    count = Counter(part["status"] for part in step["parts"])
    for (status, why), parts in reasons.items():
        named = ", ".join(parts[:6]) + (f" and {len(parts) - 6} more" if len(parts) > 6 else "")
        lines += [f"- *{status}*: {named}" + (f": {' '.join(why.split())}" if why else "")]
    return [*lines, ""] if reasons or lines else [f"Nothing was asked ({len(count)} kinds of parts).", ""]


def read(paths: Sequence[Path]) -> list[Record]:
    """Records, each of which says that it is one."""
    found = []
    for path in paths:
        record = json.loads(path.read_text())
        if not isinstance(record, dict) or record.get("softproof gpu record") != 1:
            raise ValueError(f"{path} is no record of the GPU pack; expected the record.json that audits.gpu writes")
        found.append(record)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page, or print it."""
    parser = argparse.ArgumentParser(prog="python -m audits.document", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("records", type=Path, nargs="*", help="record.json of any number of runs")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page")
    options = parser.parse_args(arguments)
    page = document(read(options.records or sorted(RECORDS.glob("*.json"))))
    if options.write is None:
        print(page)
    else:
        options.write.write_text(page)


if __name__ == "__main__":
    main()
