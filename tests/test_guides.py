"""Each guide is followed to the letter in an empty folder: files are saved, commands run, and their output compared.

A block below "Save this as `name`:" is saved, and one below "Add this to the end of `name`:" is added. In a `console`
block each line that begins with "$ " is a command; one bash runs all of a guide. The lines below a command are what it
prints, errors included; "..." stands for anything. A command ends with status 0, or with 1 where the guide shows
DISAGREES. A block below `<!-- long -->` takes more than 3 seconds and runs with --thorough. A block of `sh` does not
run, and NOT_RUN says why.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
ADDRESS = "https://github.com/OWNER/softproof"  # of which the checkout takes the place

TOOLS = ("git", "cc", "node")  # which a reader may lack, and a machine that tests

NOT_RUN = {
    "python3 -m venv .venv": "installs from the network; CI does the same by make",
    "softproof verify my_kernels:fused_loss --device cuda": "needs a CUDA device; tests/test_devices.py has one",
    "softproof grade candidates --operation softmax": "needs a Dask cluster; tests/test_dask.py starts one",
    "softproof verify model.onnx": "needs a model; tests/test_programs.py makes some",
}
BLOCK = re.compile(
    r"(?P<long><!-- long -->\n+)?"
    r"(?:(?P<how>Save this as|Add this to the end of) `(?P<file>[^`]+)`:\n+)?"
    r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MARK = "=== end of a step ==="


@dataclass(frozen=True)
class Step:
    """A command of a guide, and what it is to print, if anything is shown."""

    command: str
    shown: str = ""

    def differs(self, printed: str, status: int) -> str:
        """What is wrong with what came, or nothing."""
        pattern = re.escape(self.shown.strip()).replace(re.escape("..."), ".*?")
        if self.shown.strip() and not re.fullmatch(pattern, printed.strip(), re.DOTALL):
            return f"$ {self.command}\nprinted\n{printed}\nand the guide shows\n{self.shown}"
        if status != ("DISAGREES" in self.shown):
            return f"$ {self.command}\nended with status {status} and printed\n{printed}"
        return ""


def steps_of(console: str) -> list[Step]:
    """The commands of a block; a line that ends in a backslash goes on."""
    parts = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    found = (re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL) for part in parts)
    return [Step(*each.groups()) for each in found if each]


def steps(guide: str, thorough: bool) -> list[Step]:
    """What a reader does, one after the other: files that are saved, and commands."""
    listed = list[Step]()
    for block in BLOCK.finditer(guide):
        if block["long"] and not thorough:
            continue
        if block["file"]:
            into = ">>" if block["how"].startswith("Add") else ">"
            listed.append(Step(f"cat {into} {block['file']} <<'END OF FILE'\n{block['text']}END OF FILE"))
        elif block["kind"] == "console":
            listed += steps_of(block["text"])
    return listed


def follow(listed: list[Step], folder: Path) -> list[str]:
    """All of them in one bash, and what was not as shown."""
    end = f'__status=$?; echo "{MARK}$__status"; (exit $__status)'  # which is $? for the next command
    script = "exec 2>&1\n" + "".join(f"{step.command}\n{end}\n" for step in listed)
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{ROOT}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        timeout=600, check=False)  # fmt: skip
    ended = re.findall(rf"(.*?){MARK}(\d+)\n", done.stdout, re.DOTALL)
    assert len(ended) == len(listed), done.stdout
    found = (step.differs(printed, int(status)) for step, (printed, status) in zip(listed, ended, strict=True))
    return [each for each in found if each]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_can_be_followed(guide: Path, tmp_path: Path, thorough: bool) -> None:
    """From its first command to the last."""
    text = guide.read_text()
    if ADDRESS in text and not (ROOT / ".git").exists():
        pytest.skip("a copy without its history cannot be cloned")
    listed = steps(text, thorough)
    missing = {tool for tool in TOOLS for step in listed if f"{tool} " in step.command and which(tool) is None}
    if missing:
        pytest.skip(f"this machine has no {', '.join(sorted(missing))}")

    assert any(step.shown for step in listed)
    assert follow(listed, tmp_path) == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_what_is_not_run_has_its_reason(guide: Path) -> None:
    """And a guide begins with a command, before its second heading."""
    text = guide.read_text()
    untold = [block["text"] for block in BLOCK.finditer(text) if block["kind"] in ("sh", "bash")]

    assert [each for each in untold if not each.startswith(tuple(NOT_RUN))] == []
    assert "```console\n$ " in text.split("\n## ")[0]


def test_no_reason_is_left_over() -> None:
    """Each is that of some block."""
    blocks = [block["text"] for guide in GUIDES for block in BLOCK.finditer(guide.read_text())]

    assert [start for start in NOT_RUN if not any(each.startswith(start) for each in blocks)] == []


@pytest.mark.parametrize(
    ("console", "wrong"),
    [
        ("$ echo one\nanother\n", "printed\none"),
        ("$ echo one\n$ false\n", "ended with status 1"),
        ("$ echo DISAGREES\n...\nDISAGREES\n", "printed\nDISAGREES"),
        ("$ echo DISAGREES\nDISAGREES\n", "ended with status 0"),
        ("$ nothing-of-this-name\n", "ended with status 127"),
        ("$ echo DISAGREES; false\nDISAGREES\n$ echo $?\n0\n", "printed\n1"),
        ("$ echo one \\\n    two >&2\none\n", "printed\none two"),
    ],
)
def test_the_test_can_fail(console: str, wrong: str, tmp_path: Path) -> None:
    """By what is printed, by the status of any command, and by one that does not exist."""
    (found,) = follow(steps_of(console), tmp_path)

    assert wrong in found


def test_a_guide_that_is_followed(tmp_path: Path) -> None:
    """A file with quotes in it, a folder that is entered, a command over two lines, and one that takes long."""
    guide = """
Save this as `a.txt`:

```text
it's $HOME
```

```console
$ mkdir -p b && cd b
$ cat ../a.txt
it's $HOME
$ echo one \\
    two >&2
one ...
```

<!-- long -->
```console
$ echo three
three
```
"""
    assert follow(steps(guide, thorough=True), tmp_path) == []
    assert [len(steps(guide, thorough)) for thorough in (False, True)] == [4, 5]
