"""The GPU pack, rehearsed on the CPU: a crash or a deadline is a row, and a run goes on where it ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from audits import gpu, record
from audits.document import PAGE, RECORDS
from audits.record import CRASHED, DONE, FAILED, LATE, NOT_IN_TORCH, MissingError, Part, Record, Step, Where, read
from audits.steps import STEPS, verify

WHERE = Where("cpu", 60.0, Path())


def _nothing(_where: Where) -> Record:
    return {"rows": []}


def _missing(_where: Where) -> Record:
    raise MissingError(NOT_IN_TORCH, "torch 2.11 has none")


def _fails(_where: Where) -> Record:
    raise RuntimeError("no such kernel")


def _ends(_where: Where) -> Record:
    print("an illegal access", file=sys.stderr, flush=True)
    os._exit(9)


def _hangs(_where: Where) -> Record:
    time.sleep(600)
    return {}


PARTS = {"good": _nothing, "missing": _missing, "fails": _fails, "ends": _ends, "good too": _nothing}


def _step(name: str, parts: dict[str, Any]) -> Step:
    return Step(name, name, 1.0, lambda _kind: [Part(*each) for each in parts.items()], lambda _: [], lambda _: "told")


PROBES = {"probe": _step("probe", PARTS), "hanging": _step("hanging", {"hangs": _hangs})}

CHILD = """
import sys
from audits import running, steps
from tests.test_gpu_pack import PROBES
steps.STEPS.update(PROBES)
sys.exit(running.main())
"""


@pytest.fixture
def _probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step whose processes know it."""
    real = subprocess.Popen

    def start(command: list[str], **more: Any) -> Any:
        of_a_step = command[1:3] == ["-m", "audits.running"]
        return real([command[0], "-c", CHILD, *command[3:]] if of_a_step else command, **more)

    monkeypatch.setattr(subprocess, "Popen", start)
    for name, step in PROBES.items():
        monkeypatch.setitem(STEPS, name, step)


@pytest.mark.usefixtures("_probe")
def test_a_crash_is_a_row(tmp_path: Path) -> None:
    """And what follows is asked in a fresh process; a second run asks nothing again."""
    where = Where("cpu", 120.0, tmp_path)
    found = gpu.run([PROBES["probe"]], where)[0]["parts"]

    assert {part["part"]: part["status"] for part in found} == {
        "good": DONE, "missing": NOT_IN_TORCH, "fails": FAILED, "ends": CRASHED, "good too": DONE,
    }  # fmt: skip
    told = {part["part"]: part["why"] for part in found}
    assert told["ends"] == "exit status 9: an illegal access"
    assert told["fails"] == "RuntimeError: no such kernel"

    gpu.run([PROBES["probe"]], where)
    assert [record["part"] for record in read(tmp_path) if "begun" in record] == list(PARTS)

    whole = json.loads((tmp_path / "record.json").read_text())
    assert whole["machine"]["device"] == "cpu"
    assert [part["part"] for part in whole["steps"][0]["parts"]] == list(PARTS)
    table = (tmp_path / "table.txt").read_text()
    assert re.search(r"^probe  told  +5 +2 ", table, re.MULTILINE)
    assert "probe: 1 not in this torch: torch 2.11 has none" in table


@pytest.mark.usefixtures("_probe")
def test_a_deadline_is_a_row(tmp_path: Path) -> None:
    """Its process is ended; the part is asked again in another run."""
    start = time.monotonic()
    found = gpu.run([PROBES["hanging"]], Where("cpu", 5.0, tmp_path))[0]["parts"]

    assert [part["status"] for part in found] == [LATE]
    assert time.monotonic() - start < 300
    assert gpu.unfinished(PROBES["hanging"], Where("cpu", 5.0, tmp_path)) == ["hangs"]


def test_a_step_that_cannot_begin_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its parts are rows, and nothing is tried for ever."""
    monkeypatch.setitem(STEPS, "unknown to its process", _step("unknown to its process", PARTS))
    found = gpu.run([STEPS["unknown to its process"]], Where("cpu", 60.0, tmp_path))[0]["parts"]

    assert [part["status"] for part in found] == [CRASHED] * len(PARTS)
    assert "invalid choice" in found[0]["why"]


def test_a_torn_line_is_not_read(tmp_path: Path) -> None:
    """It is that of a run that was ended while it wrote."""
    (tmp_path / "gpu.jsonl").write_text('{"step": "verify"}\n{"step": "ver')

    assert read(tmp_path) == [{"step": "verify"}]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_names_its_parts_once(name: str) -> None:
    """On either kind of device; and says nothing where nothing was found."""
    for kind in ("cpu", "cuda"):
        names = [part.name for part in STEPS[name].parts(kind)]
        assert names
        assert len(set(names)) == len(names)
    assert STEPS[name].tell([]) == []


def test_a_device_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Before anything is written."""
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cuda:99"])
    with pytest.raises(SystemExit):
        gpu.main()

    assert "--device is cuda:99; torch" in capsys.readouterr().err


# ---- step 1 ---------------------------------------------------------------------------------------------------------


def test_verdicts_are_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each operation, with a witness where one disagrees."""
    good = verify.ask("tests.helpers.pack_candidates:softmax", "torch-cpu", "float32", (), 10, WHERE)
    bad = verify.ask("tests.helpers.pack_candidates:softmax", "torch-cpu", "float16", (), 10, WHERE)

    assert [row["verdict"] for row in good["rows"]] == ["agrees"]
    assert [row["verdict"] for row in bad["rows"]] == ["disagrees"]
    assert "To see it again" in bad["witnesses"]["softmax"]
    found = [{"part": "good", "found": good}, {"part": "bad", "found": bad}]
    assert verify.headline(found) == "1 of 2 rows agree"
    assert "To see it again" in "\n".join(verify.tell(found))

    monkeypatch.delattr("torch.nn.LinearCrossEntropyOptions", raising=False)
    with pytest.raises(MissingError, match="has no LinearCrossEntropyOptions"):
        verify.needs("examples.candidates.torch_chunked")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/home/me/pack/tests/test_gpu_pack.py:149: in test", "…/test_gpu_pack.py:149: in test"),
        ('File "/opt/x/lib/python3.12/site-packages/a/b.py", line 3', 'File "site-packages/a/b.py", line 3'),
        ("args=['/tmp/site/bin/python', '-m']", "args=['…/python', '-m']"),
        ("/proc/self/task and /dev/null", "/proc/self/task and /dev/null"),
        (
            "1/2 of tests/test_gpu_pack.py; https://example.org/d/e",
            "1/2 of tests/test_gpu_pack.py; https://example.org/d/e",
        ),
    ],
)
def test_what_is_written_has_no_place_of_the_machine(said: str, kept: str, tmp_path: Path) -> None:
    """In no text, however deep; the rest stays."""
    record.write(tmp_path, {"why": said, "found": {"failures": [{"text": f"line\n{said}", "at": 3}]}})

    (found,) = record.read(tmp_path)
    assert found == {"why": kept, "found": {"failures": [{"text": f"line\n{kept}", "at": 3}]}}


def test_records_of_this_repository_have_none() -> None:
    """Nor has the page."""
    for path in (*RECORDS.glob("*.json"), PAGE):
        text = path.read_text()
        assert record.placeless(text) == text, path
