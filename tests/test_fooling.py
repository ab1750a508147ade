"""Nobody fools the judge from a process of its own, and nobody ends the run: each is told in a row of the report."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import softproof
from softproof import Report, verify
from softproof.candidates.channel import Child, LostError
from softproof.candidates.guard import OWN, Guard
from softproof.cli import commands

from .wrong import fooling, fooling_torch

FOOLING = {  # the first words of the explanation, and what is said to have failed
    "exits": ("its process ended with exit status 0", "process ended"),
    "quits": ("raised SystemExit at fooling.py:", "error"),
    "crashes": ("its process ended with SIGSEGV at fooling.py:", "process ended"),
    "grows": ("its process ended with SIGKILL, as where memory is short", "process ended"),
    "hangs": ("it gave no answer within 1 s", "time limit"),
    "interrupts": ("its process ended with SIGINT", "process ended"),
    "complains": ("its process ended with exit status 1; it printed 'no kernel image is available'", "process ended"),
    "crashes_when_tried": ("its process ended with exit status 7", "process ended"),
    "hides_what_it_writes": ("the call changed numpy.array_equal", "library changed"),
    "replaces_torch": ("the call changed torch.softmax, torch.Tensor.exp", "library changed"),
    "replaces_the_judge": ("the call changed softproof.verdicts.misfits.not_an_answer", "library changed"),
    "replaces_a_builtin": ("the call changed builtins.all", "library changed"),
    "leaves_its_error_state": ("the call changed numpy.geterr()", "library changed"),
    "leaves_its_dtype": ("the call changed torch.Storage, torch.get_default_dtype()", "library changed"),
    "leaves_gradients_off": ("the call changed torch.is_grad_enabled()", "library changed"),
    "flushes": ("the call changed the mode of floating-point arithmetic", "library changed"),
    "breaks_its_device": ("raised RuntimeError at fooling.py:", "error"),
    "remembers": ("value[", "value"),
    "right_where_it_is_small": ("value[", "value"),
    "writes": ("the call changed its input logits", "input written"),
    "lies_about_its_shape": ("raised TypeError: the answer is a _Shaped; expected a NumPy array", "error"),
    "lives_elsewhere": ("device meta", "error"),
}
REFUSES = ("quits", "lies_about_its_shape", "lives_elsewhere")  # an error for all arrays of several rows
TWICE = ("exits", "hangs", "breaks_its_device", "remembers", "replaces_torch")  # asked in two dtypes


def _verified(name: str, **arguments: object) -> Report:
    limit = 1.0 if name == "hangs" else 60.0
    module = "fooling_torch" if hasattr(fooling_torch, name) else "fooling"
    return verify(f"tests.wrong.{module}:{name}", operation="softmax", seed=0, time_limit=limit, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FOOLING)
def test_nobody_fools_the_judge(name: str) -> None:
    """Each is told in its row, and the next row is asked in a process that lives."""
    dtypes = ["float64", "float32"] if name in TWICE else ["float32"]
    report = _verified(name, shrink=False, dtypes=dtypes)

    words, check = FOOLING[name]
    assert [row.dtype for row in report.rows] == dtypes
    for row in report.rows:
        assert row.verdict == ("cannot ask" if name in REFUSES else "disagrees")
        assert row.failure is not None
        assert words in row.failure.verdict.explanation
        assert row.failure.check == check or row.failure.check.startswith(("check: ", "relation: "))
        assert "Problem(" in row.failure.snippet


@pytest.mark.parametrize("name", ["breaks_its_device", "crashes"])
def test_the_problem_that_broke_it_is_the_one_that_is_told(name: str) -> None:
    """Not one of those asked afterwards, of a process that answers nothing."""
    report = _verified(name, dtypes=["float64"])

    for row in report.rows:
        assert row.failure is not None
        assert row.failure.verdict.problem is not None
        assert row.failure.question is not None or len(row.failure.verdict.problem.inputs["logits"]) > 1


@pytest.mark.parametrize("name", ["prints", "reads", "softmax"])
def test_nobody_is_accused_of_what_is_harmless(name: str) -> None:
    """Printing, asking an empty standard input, gradients that require gradients."""
    _verified(name, examples=10, dtypes=["float32"]).check()


def test_what_is_printed_is_counted_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """Whichever way it is printed."""
    status = commands.main(["verify", "tests.wrong.fooling:prints", "--operation", "softmax", "--dtype", "float32",
                       "--examples", "5", "-v"])  # fmt: skip

    printed, errors = capfd.readouterr()
    assert status == 0
    assert "###" not in printed + errors
    (line,) = (line for line in printed.splitlines() if line.startswith("printed by softmax, not shown: "))
    assert int(line.split()[-2].replace(",", "")) >= 150_000


def test_the_next_target_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever became of the first."""
    lost = "tests.wrong.fooling:exits_at_the_eighth_call"
    status = commands.main(["verify", lost, "manual:softmax", "--operation", "softmax",
                       "--dtype", "float64", "--examples", "5", "--seed", "0"])  # fmt: skip

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " float64 " in line and " cpu " in line]
    assert [(row[0], row[-1]) for row in rows] == [(lost, "DISAGREES"), ("manual:softmax", "agrees")]
    assert status == 3


def test_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    """For a debugger: what is printed is shown, and nothing is counted."""
    target = "tests.wrong.fooling:prints"
    commands.main(["verify", target, "--operation", "softmax", "--dtype", "float32", "--examples", "5", "--in-process"])

    printed = capsys.readouterr().out
    assert "###" in printed
    assert "not shown" not in printed


@pytest.mark.parametrize("name", ["hides_what_it_writes", "replaces_torch", "leaves_its_dtype", "flushes", "quits"])
def test_in_this_process_libraries_are_guarded_too(name: str) -> None:
    """And are as they were afterwards."""
    kept = np.array_equal, torch.softmax, torch.Tensor.exp, torch.get_default_dtype()

    function = getattr(fooling_torch, name, None) or getattr(fooling, name)
    report = verify(function, operation="softmax", dtypes=["float32"], seed=0, shrink=False)

    assert FOOLING[name][0] in str(report)
    assert kept == (np.array_equal, torch.softmax, torch.Tensor.exp, torch.get_default_dtype())
    assert torch.tensor(2.0**-149) * 1 > 0


# ---- wrong usage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import os; os._exit(3)", "when it was imported, its process ended with exit status 3"),
        ("import numpy; numpy.exp = numpy.expm1\ndef softmax(logits): return logits", "it replaced numpy.exp"),
    ],
)
def test_a_target_that_does_not_survive_its_import(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is wrong usage."""
    (tmp_path / "fatal_import.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ValueError, match=f"target 'fatal_import:softmax': .*{words}"):
        verify("fatal_import:softmax")


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), "1"])
def test_the_time_limit_is_a_number_of_seconds(limit: float) -> None:
    """A positive one."""
    with pytest.raises(ValueError, match=f"time_limit is {limit!r}; expected a positive number of seconds"):
        verify("manual:softmax", time_limit=limit)


def test_only_a_name_can_be_sent() -> None:
    """To another process."""
    with pytest.raises(ValueError, match="in_process is False and target is a function; expected its name"):
        verify(fooling.prints, in_process=False)


def test_where_it_runs() -> None:
    """A name in a process of its own, which does not import its module here; an object in this one."""
    sys.modules.pop("tests.wrong.fooling_elsewhere", None)
    softproof.verify("tests.wrong.fooling_elsewhere:softmax", dtypes=["float32"], examples=1).check()

    assert "tests.wrong.fooling_elsewhere" not in sys.modules


# ---- the parts ------------------------------------------------------------------------------------------------------


def test_a_guard_sees_what_is_deleted_and_not_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may grow."""
    guard, kept = Guard(), np.exp
    monkeypatch.delattr(np, "exp")
    monkeypatch.setattr(np, "never_heard_of", max, raising=False)

    assert guard.replaced() == ["numpy.exp"]
    assert np.exp is kept
    assert guard.changed() == ()


def test_a_wrapper_is_nobodys_fault_where_it_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file of torch, around the function that was there; from elsewhere it is a replacement."""
    wraps = "def wrapper(*arguments): return arguments\nwrapper.__wrapped__ = kept"
    found = []
    for file in (torch.__file__, __file__):
        guard, space = Guard(), {"kept": torch.manual_seed}
        exec(compile(wraps, file, "exec"), space)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "manual_seed", space["wrapper"])
            found.append(guard.changed())

    assert found == [(), ("torch.manual_seed",)]


def test_every_module_that_decides_is_guarded() -> None:
    """All of the truth and of the verdicts, whichever files they are in."""
    package = Path(softproof.__file__).parent
    files = [each for part in ("truth", "verdicts") for each in (package / part).glob("[a-z]*.py")]

    assert {f"{each.parent.name}.{each.stem}" for each in files} <= set(OWN)
    assert len(files) > 10


@pytest.mark.thorough
def test_what_torch_wraps_itself_is_nobodys_fault() -> None:
    """Its compiler, when it is loaded in the middle of a call, wraps torch.manual_seed."""
    code = (
        "import torch; from softproof.candidates.guard import Guard\n"
        "guard, kept = Guard(), torch.manual_seed; import torch._dynamo\n"
        "assert torch.manual_seed is not kept and guard.changed() == (), guard.changed()"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_process_that_ends_ends_its_own_processes() -> None:
    """Those that it started hold its streams open, and would be waited for."""
    child = Child("tests.helpers.forking")
    with pytest.raises(LostError, match=r"it gave no answer within 0\.5 s"):
        child.ask({}, {}, 0.5, 0)


def test_a_process_that_hangs_ends_with_the_one_that_asks() -> None:
    """Even if that is killed."""
    code = (
        "import threading; from softproof import Problem; from softproof.candidates.isolated import isolated\n"
        "found = isolated('tests.wrong.fooling:hangs', 'softmax', 'numpy')\n"
        "told = threading.Timer(1, lambda: print(found.handle.child._process.pid, flush=True)); told.start()\n"
        "found.answer(Problem('softmax', 'float32', {'logits': [[0.0], [0.0]]}))"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert asking.stdout is not None
    with asking.stdout as printed:
        answering = int(printed.readline())
    os.kill(answering, 0)

    asking.kill()
    asking.wait()

    for _ in range(100):
        if not _lives(answering):
            return
        time.sleep(0.1)
    pytest.fail(f"process {answering} lives on")


def _lives(process: int) -> bool:
    """Whether there is such a process that is more than an entry in a table."""
    status = Path(f"/proc/{process}/stat")
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_nothing_is_left_of_a_run() -> None:
    """No thread, and no process, of what agreed and of what was lost; but for those from which others are forked."""
    children: set[str] = set()
    for again in (False, True):
        threads = threading.active_count()  # of other tests, as of those that grade
        for name, ok in (("manual:softmax", True), ("tests.wrong.fooling:exits_at_the_eighth_call", False)):
            assert verify(name, operation="softmax", dtypes=["float32"], examples=5, seed=0).ok == ok
        assert not again or _children() <= children
        children = _children()

    assert threading.active_count() <= threads


def _children() -> set[str]:
    """The numbers of this process's own, also of those that have ended and were not taken note of."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # of one that has gone meanwhile
            parent = each.read_bytes().rpartition(b")")[2].split()[1]
            found |= {each.parent.name} if int(parent) == os.getpid() else set()
    return found
