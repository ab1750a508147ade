"""Grades: right candidates have the whole score, wrong ones less, and whatever a candidate does is one line."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import manual
import reference
import softproof
from softproof import Bank, Grade, grade, judge
from softproof.cli import commands
from softproof.generation.coverage import regions
from softproof.grading.compiling import build
from softproof.grading.executors import Processes, _Worker
from softproof.grading.grades import least
from softproof.grading.many import Results, graded, key_of, line
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL, REFERENCE


@pytest.fixture(scope="module")
def bank() -> Bank:
    """Two operations in two formats, under two models."""
    return build(["softmax", "cross_entropy"], ["float64", "float32"], ["any-order", "fused"], seed=3, examples=12)


@pytest.mark.parametrize("half", [MANUAL, REFERENCE], ids=["manual", "reference"])
def test_right_halves_have_the_whole_score(half: Any, bank: Bank) -> None:
    """Every question is asked and passed, each output of each."""
    found = grade(half, bank, arithmetic="any-order")
    asked = [each for each in bank.questions if each.arithmetic == "any-order"]
    assert (found.verdict, found.score, found.ok, found.failure) == ("agrees", 1.0, True, "")
    assert found.questions == found.asked == found.passed == len(asked) > 30
    assert 0 < found.worst <= 1
    for name in ("value", "grad_logits", "jvp", "hvp_logits"):
        count = found.outputs[name]
        assert count["questions"] == count["asked"] == count["passed"] > 0
        assert count["questions"] == sum(name in each.outputs for each in asked)
    assert found.judge_seconds > 0
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["score"] == 1.0


def test_the_score_is_the_share_that_the_judge_would_pass(bank: Bank) -> None:
    """Of a softmax that is wrong for wide rows alone, and whose gradient is right."""

    class Wrong:
        """Wrong for more than two classes."""

        @staticmethod
        def softmax(logits: Array, dim: int = -1) -> Array:
            right = manual.softmax(logits, dim)
            return right if logits.ndim == 0 or logits.shape[dim] <= 2 else right * 1.01

    candidate = type(MANUAL)("wrong", {"softmax": Wrong.softmax}, {"softmax": manual.softmax_backward}, "numpy")
    found = grade(candidate, bank, arithmetic="any-order")
    asked = [each for each in bank.questions if (each.arithmetic, each.problem.operation) == ("any-order", "softmax")]
    passed = [judge(candidate, each.problem, arithmetic="any-order").ok for each in asked]

    assert (found.verdict, found.passed, found.questions) == ("disagrees", sum(passed), len(asked))
    assert 0 < found.score == sum(passed) / len(passed) < 1
    assert found.outputs["value"]["passed"] == sum(passed)
    assert found.outputs["grad_logits"]["passed"] == found.outputs["grad_logits"]["asked"] == len(asked)
    assert found.worst > 1
    assert found.target == "wrong"
    assert found.failure.startswith("softmax float64: disagrees: value[")
    assert "arithmetic='any-order'" in found.failure
    assert "Problem(" in found.failure
    secret = grade(candidate, bank, arithmetic="any-order", secret=True)
    assert secret.failure.startswith("softmax float64: disagrees: value ")
    assert "Problem(" not in secret.failure
    assert "got" not in secret.failure
    assert (secret.score, secret.regions, secret.diagnosis) == (found.score, {}, "")


def test_the_score_by_region(bank: Bank) -> None:
    """All questions count, those after the first that failed, too; the least is told in a line."""

    def softmax(logits: Array, dim: int = -1) -> Array:
        return manual.softmax(logits, dim) * (1.5 if logits.ndim < 2 else 1.0)

    found = grade(softmax, bank, arithmetic="any-order", adapter="numpy", require=["value"], diagnose=False)
    asked = [each for each in bank.questions if (each.arithmetic, each.problem.operation) == ("any-order", "softmax")]
    wrong = [each for each in asked if each.problem.inputs["logits"].ndim < 2]
    assert found.passed == len(asked) - len(wrong) < found.questions - 1
    assert found.regions.keys() == {name for each in asked for name in regions(each.problem)}
    for name, count in found.regions.items():
        there = [each for each in asked if name in regions(each.problem)]
        assert count["questions"] == count["asked"] == len(there) > 0
        assert count["passed"] == len([each for each in there if each not in wrong])
        assert (count["ratio"] > 1) == (count["passed"] < count["asked"])
    assert found.regions["no batch"]["passed"] < found.regions["no batch"]["questions"]
    assert found.diagnosis == ""
    assert least(found.outputs).startswith("value 0.")


def test_a_failure_has_a_diagnosis(bank: Bank) -> None:
    """Which features the failures have in common, over all questions, and whether it is a matter of rounding."""

    def softmax(logits: Array, dim: int = -1) -> Array:
        return manual.softmax(logits, dim) * (1.5 if dim not in (-1, logits.ndim - 1) else 1.0)

    found = grade(softmax, bank, arithmetic="any-order", adapter="numpy", require=["value"])
    lines = found.diagnosis.splitlines()
    for words in (
        "pattern    fails only with ",
        "pattern    the answer is the right one times 1.5: ",
        "models     wrong under all ",
    ):
        assert any(each.startswith(words) for each in lines), lines
    counts = re.search(r"\d+ of (\d+) with it, 0 of (\d+) without", found.diagnosis)
    assert counts is not None
    assert sum(map(int, counts.groups())) > found.asked  # of the bank, and of the interview
    assert found.to_dict()["diagnosis"] == found.diagnosis
    right = grade(manual, bank, arithmetic="any-order", operation="softmax")
    assert (right.ok, right.diagnosis) == (True, "")


def test_what_is_not_asked_is_not_passed(bank: Bank) -> None:
    """A candidate without a gradient, or without an option, has no score for it, however right it is."""

    def softmax(logits: Array, dim: int = -1) -> Array:
        return manual.softmax(logits, dim)

    found = grade(softmax, bank, arithmetic="any-order", adapter="numpy")
    assert (found.verdict, found.passed, found.score) == ("cannot ask", 0, 0.0)
    assert found.failure == "softmax: no gradient, which was required; --require value asks for values alone"
    assert found.asked == found.questions == found.outputs["value"]["passed"]
    by_value = grade(softmax, bank, arithmetic="any-order", adapter="numpy", require=["value"])
    assert (by_value.verdict, by_value.score) == ("agrees", 1.0)

    narrow = grade(softmax, bank, arithmetic="any-order", adapter="numpy", require=["value"], ndim=[2])
    assert narrow.verdict == "cannot ask"
    assert 0 < narrow.passed == narrow.asked < narrow.questions
    assert narrow.score == narrow.passed / narrow.questions


def test_options_that_have_their_defaults_are_left_out(bank: Bank) -> None:
    """A loss that takes no option is asked what needs none."""

    def cross_entropy(logits: Array, target: Array) -> Array:
        return manual.cross_entropy(logits, target)

    found = grade(cross_entropy, bank, arithmetic="any-order", adapter="numpy", require=["value"])
    assert 0 < found.passed == found.asked < found.questions
    assert found.verdict == "cannot ask"
    assert found.failure.startswith("cross_entropy takes no ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "arithmetic is None, and the bank has bounds under any-order, fused; expected one"),
        ({"arithmetic": "auto"}, "arithmetic is 'auto'; expected one of any-order"),
        ({"arithmetic": "numpy"}, "arithmetic is 'numpy'; the bank has bounds under any-order, fused"),
        ({"arithmetic": "fused", "operation": "linear"}, "operation is 'linear'; the bank asks about softmax, cross"),
        ({"arithmetic": "fused", "dtypes": ["float16"]}, "dtypes has 'float16'; the bank asks in float32, float64"),
        ({"arithmetic": "fused", "budget": 0}, "budget is 0; expected a positive number of seconds"),
        ({"arithmetic": "fused", "require": ["all"]}, "require names 'all'; expected some of value"),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, Any], words: str, bank: Bank) -> None:
    """Is an error, whoever is graded."""
    with pytest.raises(ValueError, match=words):
        grade(reference, bank, **arguments)


# ---- many -----------------------------------------------------------------------------------------------------------

KERNELS = """
import os, time
import numpy as np
def right(logits, dim=-1):
    e = np.exp(logits - logits.max(axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)
def wrong(logits, dim=-1): return right(logits, dim) * 1.01
def nothing(logits, dim=-1): return np.full_like(logits, np.nan)
def hanging(logits, dim=-1):
    while not (logits == 0).all(): time.sleep(1)
    return right(logits, dim)
def crashing(logits, dim=-1): return os._exit(3) if logits.size > 4 else right(logits, dim)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kernels, and a bank for them."""
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there\ndef softmax(logits): return logits\n")
    built = build(["softmax"], ["float32"], ["any-order"], seed=3, examples=9, without=["gradient", "jvp", "hvp"])
    (tmp_path / "bank.npz").write_bytes(built.to_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


ARGUMENTS = ("--bank", "bank.npz", "--operation", "softmax", "--adapter", "numpy", "--dtype", "float32")


def _lines(file: Path) -> dict[str, dict[str, Any]]:
    return {each["target"].split(":")[-1]: each for each in map(json.loads, file.read_text().splitlines())}


def test_many_candidates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is a line, whatever it does; and what stands there is not asked again."""
    names = ("right", "wrong", "nothing", "hanging", "crashing", "missing")
    targets = [*(f"kernels:{name}" for name in names), "broken:softmax"]
    results = folder / "results.jsonl"
    arguments = ["grade", *targets, *ARGUMENTS, "--jobs", "3", "--budget", "20", "-o", str(results)]
    assert commands.main([*arguments, "--time-limit", "2"]) == 3
    found = _lines(results)
    assert {name: each["verdict"] for name, each in found.items()} == {
        "right": "agrees", "wrong": "disagrees", "nothing": "disagrees", "hanging": "disagrees",
        "crashing": "disagrees", "missing": "cannot load", "softmax": "cannot load",
    }  # fmt: skip
    assert found["right"]["score"] == 1.0
    assert 0 < found["crashing"]["score"] < 1
    assert "it gave no answer within" in found["hanging"]["failure"]
    assert "its process ended with exit status 3" in found["crashing"]["failure"]
    assert "a_module_that_is_not_there" in found["softmax"]["failure"]
    assert found["wrong"]["protections"]
    assert "models     wrong under all " in found["wrong"]["diagnosis"]
    assert re.search(
        r"kernels:wrong: disagrees, score 0.\d{4}; value 0.\d{4}; [\w ]+ 0.0000\n", capsys.readouterr().err
    )
    assert {each["questions"] for each in found.values()} == {found["right"]["questions"]} != {0}

    before = results.read_bytes()
    results.write_bytes(before + b'{"torn": ')
    capsys.readouterr()
    assert commands.main([*arguments, "--time-limit", "2"]) == 3
    assert results.read_bytes() == before + b'{"torn": \n'
    assert "7 of 7 stand in" in capsys.readouterr().err


def test_a_line_is_found_again(tmp_path: Path) -> None:
    """Of the same target, asked in the same way by the same bank; a torn line is none, and the next begins anew."""
    place, asked = tmp_path / "results.jsonl", {"target": "a:b", "hidden": ["x"], "ndim": frozenset({2, 1})}
    place.write_bytes(b'{"schema": "softproof gra')
    results = Results(place, "digest", "any-order")
    assert results.known == {}
    results.add(line(Grade("a:b", "agrees", 1.0, worst=np.inf, bank="digest", arithmetic="any-order"), key_of(asked)))
    results.close()

    for bank, model, there in (("digest", "any-order", 1), ("other", "any-order", 0), ("digest", "fused", 0)):
        again = Results(place, bank, model)
        again.close()
        assert len(again.known) == there
    again = Results(place, "digest", "any-order")
    again.close()
    assert key_of({**asked, "hidden": []}) in again.known
    assert key_of({**asked, "device": "cuda"}) not in again.known
    assert again.known[key_of(asked)]["worst"] == "Infinity"
    assert len(place.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jobs", "0"], "--jobs is 0; expected a whole number of at least 1"),
        (["--budget", "-1"], "budget is -1.0; expected a positive number of seconds"),
        (["--arithmetic", "fused"], "arithmetic is 'fused'; the bank has bounds under any-order"),
        (["-o", "."], ". is a folder; expected an ordinary file"),
        ([], "TARGET kernels:right is given 2 times; expected each once"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any candidate starts."""
    assert folder
    targets = ["kernels:right"] * (1 if arguments else 2)
    with pytest.raises(SystemExit) as exited:
        commands.main(["grade", *targets, *ARGUMENTS, *arguments])
    assert exited.value.code == 2
    assert words in capsys.readouterr().err


class _Once:
    """An end of a connection whose descriptor may be somebody else's once it is closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        """While which others run."""
        self.closed += 1
        time.sleep(0.01)


def test_a_worker_is_ended_once() -> None:
    """By the thread that has nothing more to do, or by the judge: a second end would close a descriptor of others."""
    worker, end = _Worker(), _Once()
    worker._end = end  # type: ignore[assignment]
    threads = [threading.Thread(target=worker.end) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert end.closed == 1
    with pytest.raises(EOFError):
        worker._started()


def test_a_process_that_ends_is_replaced(tmp_path: Path) -> None:
    """And its call is made again, once; what ends it each time costs one call, and an exception is one of its own."""
    ends_once = ("import os; f = {!r}; n = os.path.exists(f); open(f, 'w').close(); n or os._exit(1)").format(
        str(tmp_path / "there")
    )
    with Processes(1) as executor:
        calls = [executor.submit(exec, text) for text in ("import os; os._exit(1)", "1 / 0", ends_once)]
        whole = executor.submit(divmod, 7, 2)
        assert whole.result() == (3, 1)
        assert [type(each.exception()).__name__ for each in calls] == ["BrokenExecutor", "RuntimeError", "NoneType"]
        assert "ZeroDivisionError" in str(calls[1].exception())


def test_any_executor_will_do(folder: Path) -> None:
    """A line for each target, from whatever has the interface."""
    path = folder / "bank.npz"
    built = softproof.bank(path)
    targets = [{"target": f"kernels:{name}", "operation": "softmax", "adapter": "numpy", "diagnose": False}
               for name in ("right", "wrong")]  # fmt: skip
    with ThreadPoolExecutor(2) as executor:
        lines = [*graded(targets, path, "any-order", built.digest, executor=executor)]
    assert {each["target"]: each["verdict"] for each in lines} == {
        "kernels:right": "agrees", "kernels:wrong": "disagrees",
    }  # fmt: skip
