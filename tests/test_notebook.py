"""examples/backprop.ipynb prints what is committed; here in plain Python, in `make notebook` in Jupyter's kernel."""

from __future__ import annotations

import copy
import json
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from examples import notebook as program

ROOT = Path(__file__).parent.parent
COMMITTED: dict[str, Any] = json.loads(program.NOTEBOOK.read_text())
SHORT = 20  # lines of a cell


def _run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with what its cells print in this process, as a module of its own."""
    executed, module = copy.deepcopy(notebook), ModuleType("the_notebook")
    sys.modules[module.__name__] = module  # where softproof looks for the backward pass of a function
    try:
        for cell in program.code_cells(executed):
            with redirect_stdout(StringIO()) as out, np.errstate():
                exec("".join(cell["source"]), vars(module))
            text = out.getvalue().splitlines(keepends=True)
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": text}] if text else []
    finally:
        del sys.modules[module.__name__]
    return executed


@pytest.fixture(scope="module")
def executed() -> dict[str, Any]:
    """Once for all tests."""
    return _run(COMMITTED)


def test_every_cell_prints_what_is_committed(executed: dict[str, Any]) -> None:
    """Text, and nothing on the stream of errors."""
    assert program.differences(COMMITTED, executed) == []
    assert len(program.code_cells(COMMITTED)) > 10
    assert sum(bool(cell["outputs"]) for cell in program.code_cells(COMMITTED)) > 10


def test_it_ends_with_the_verdicts_that_it_promises(executed: dict[str, Any]) -> None:
    """The diagonal alone disagrees, all paths disagree far away, p - y agrees."""
    text = "".join(map(program.printed, program.code_cells(executed)))

    assert re.findall(r"\b(agrees|disagrees)\b", text) == [
        *["agrees"] * 2,  # both halves on the article's network
        *["disagrees"] * 2,
        *["agrees", "disagrees", "disagrees"],
        *["agrees"] * 4,
    ]


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ({"name": "stdout", "output_type": "stream", "text": ["L = 0.17\n"]}, "+L = 0.17"),
        ({"name": "stderr", "output_type": "stream", "text": ["a warning\n"]}, "a warning"),
        (
            {"output_type": "display_data", "data": {"text/plain": ["1"]}, "metadata": {}},
            "+{'output_type': 'display_data'",
        ),
        (None, "-L = 0.18"),
    ],
)
def test_other_outputs_are_told(output: dict[str, Any] | None, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A number, a warning, a picture, or nothing, in place of the loss."""
    other = copy.deepcopy(COMMITTED)
    loss = next(cell for cell in program.code_cells(other) if "L = 0.18" in program.printed(cell))
    loss["outputs"] = [] if output is None else [output]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "execute", lambda _: other)
        assert program.main([]) == 1

    out = capsys.readouterr().out
    assert line in out
    assert out.splitlines()[-1].endswith(" 1 with other outputs")


def test_the_same_outputs_are_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    """And the program ends with 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "execute", copy.deepcopy)
        assert program.main([]) == 0

    assert capsys.readouterr().out.endswith(" 0 with other outputs\n")


def test_new_outputs_are_written(tmp_path: Path) -> None:
    """Where that is asked, in the form of the committed file."""
    place = tmp_path / "backprop.ipynb"
    place.write_text(program.NOTEBOOK.read_text().replace("L = 0.18", "L = 0.17"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "NOTEBOOK", place)
        patch.setattr(program, "execute", lambda _: COMMITTED)
        assert program.main(["--write"]) == 0

    assert place.read_text() == program.NOTEBOOK.read_text()


def test_links_and_pictures_of_the_notebook_are_there() -> None:
    """From its folder."""
    text = "".join("".join(cell["source"]) for cell in COMMITTED["cells"] if cell["cell_type"] == "markdown")
    places = re.findall(r"\]\((?!http)([^)]+)\)", text)

    assert len(places) > 5
    assert [place for place in places if not (program.NOTEBOOK.parent / place).is_file()] == []


def test_cells_are_short() -> None:
    """One idea each."""
    assert [cell["id"] for cell in COMMITTED["cells"] if len(cell["source"]) > SHORT] == []
