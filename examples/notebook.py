"""Runs examples/backprop.ipynb in Jupyter's own kernel and compares what it prints with what is committed.

Run from the repository root: python -m examples.notebook, or make notebook. It needs the extra [notebook]. Where other
outputs are meant, --write puts them into the notebook.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "backprop.ipynb"
SECONDS = 120  # for one cell

Notebook = dict[str, Any]  # as nbformat 4.5 writes it: cells, each with its source and outputs


def code_cells(notebook: Notebook) -> list[Notebook]:
    """Those that are run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(cell: Notebook) -> str:
    """All that a cell put out, as text: an output that is no text counts by its whole content."""
    outputs = cell["outputs"]
    return "".join("".join(each["text"]) if each.get("name") == "stdout" else f"{each}\n" for each in outputs)


def differences(committed: Notebook, executed: Notebook) -> list[str]:
    """A comparison of each code cell whose outputs differ."""
    pairs = zip(code_cells(committed), code_cells(executed), strict=True)
    found = []
    for before, after in pairs:
        lines = printed(before).splitlines(), printed(after).splitlines()
        if lines[0] != lines[1]:
            found.append("\n".join(unified_diff(*lines, f"{before['id']} as committed", "as executed", lineterm="")))
    return found


def execute(notebook: Notebook) -> Notebook:
    """The same notebook with the outputs of a fresh kernel; an error in a cell is raised."""
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    node = nbformat.reads(json.dumps(notebook), as_version=4)
    config = Config(KernelManager={"transport": "ipc"})  # which no other user of the machine can reach
    NotebookClient(
        node, kernel_name="python3", timeout=SECONDS, record_timing=False, coalesce_streams=True, config=config
    ).execute()
    executed: Notebook = json.loads(nbformat.writes(node))
    return executed | {"metadata": notebook["metadata"]}  # and not the version of the Python that ran it


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if every cell prints what is committed, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the new outputs into the notebook")
    options = parser.parse_args(arguments)
    committed: Notebook = json.loads(NOTEBOOK.read_text())
    executed = execute(committed)
    found = differences(committed, executed)
    if options.write:
        NOTEBOOK.write_text(json.dumps(executed, indent=1, ensure_ascii=False) + "\n")
    print("\n\n".join([*found, f"{NOTEBOOK.name}: {len(code_cells(executed))} cells, {len(found)} with other outputs"]))
    return 0 if options.write or not found else 1


if __name__ == "__main__":
    sys.exit(main())
