"""What cannot be called as it is comes with a function to fill in, which can be judged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import softproof
from softproof import load
from softproof.problem.operations import OPERATIONS
from softproof.runs.wrapping import wrapper

ODD = '''
import torch.nn.functional as F

def fused_linear_ce(batch, head):
    """Of what a trainer holds."""
    return F.cross_entropy(F.linear(batch["hidden"], head.weight), batch["labels"])
'''
FILLED = '({"hidden": input, "labels": target}, SimpleNamespace(weight=linear_weight))'


def test_what_is_filled_in_is_judged(tmp_path: Path) -> None:
    """By the command that is told."""
    (tmp_path / "odd.py").write_text(ODD)
    command = [sys.executable, "-m", "softproof", "verify"]
    told = subprocess.run(
        [*command, "odd.py:fused_linear_ce"], cwd=tmp_path, capture_output=True, text=True, check=False
    ).stdout

    code = re.search(r"with the dots filled in:\n\n(.*?)\n\n  and then: softproof verify ([^\n]*)\n", told, re.DOTALL)
    assert code is not None, told
    text = "\n".join(line.removeprefix("    ") for line in code[1].splitlines())
    filled = "from types import SimpleNamespace\n" + text.replace("(...)", FILLED)
    (tmp_path / "judged.py").write_text(filled)
    more = ["--dtype", "float32", "--seed", "1", "--without", "empty"]
    again = subprocess.run(
        [*command, *code[2].split(), *more], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout
    assert "1 of 1 rows agree" in again.stdout


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_has_one(operation: str) -> None:
    """Which is Python, but for its dots, and has the inputs in order."""
    text = wrapper(load(f"manual:{operation}"), operation)
    code = re.search(r"filled in:\n\n(.*?)\n\n  and then", text, re.DOTALL)

    assert code is not None
    made: dict[str, object] = {}
    exec("\n".join(line.removeprefix("    ") for line in code[1].splitlines()).split("\n\ndef ")[0] + "\n", made)
    assert f"def {operation}({', '.join(OPERATIONS[operation].inputs)}):" in code[1]
    assert callable(made.get(operation) or made["manual"])
    assert f"softproof verify judged.py:{operation} --ndim 2" in text


def test_an_object_of_a_class_is_called() -> None:
    """After it is made."""

    class KDLoss:
        """Of its own."""

        def __init__(self, students: object) -> None:
            self.students = students

        def __call__(self, batch: object) -> object:
            """Nothing that can be asked."""
            raise RuntimeError(batch, self.students)

    (row,) = softproof.verify(KDLoss, operation="softmax_entropy", dtypes=["float32"], seed=0).rows
    assert "KDLoss(...)(...)  # gives one number for each row, (N,)" in row.outcome.reason
