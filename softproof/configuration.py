"""What is verified again and again: the table [tool.softproof] of a pyproject.toml, and a first one, commented."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .interface import InterfaceArguments

INTERFACE = tuple(InterfaceArguments.__annotations__)
TERMS = (
    "dtypes",
    "examples",
    "arithmetic",
    "accuracy",
    "baseline",
    "factor",
    "in-process",
    "time-limit",
)  # of `verify`
OF_A_TARGET = ("target", "operation", "adapter", "devices", *TERMS, *INTERFACE)
OF_ALL = ("targets", "devices", *TERMS, "seed", "expected-failures", "database")
LISTS = ("devices", "dtypes", "supports", "without", "ndim", "writes", "expected-failures")


@dataclass(frozen=True)
class Settings:
    """The targets, each with the arguments that `softproof.verify` is called with, and what holds of the whole run."""

    targets: tuple[dict[str, Any], ...]  # each with "target" and "device"
    seed: int | None = None
    expected: tuple[str, ...] = ()
    database: str | None = None
    file: Path = field(default=Path("pyproject.toml"), compare=False)


def settings(file: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    r"""Read [tool.softproof] of a pyproject.toml.

    Args:
        file: the pyproject.toml; a file of expected failures is looked up beside it.
        overrides: what holds instead of what the table says, by its keys, of every target.
    Returns: one entry per target and device.
    Raises: ValueError naming the key that is unknown or does not fit; FileNotFoundError.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "pyproject.toml")
    ...     _ = file.write_text("[tool.softproof]\ndevices = ['cpu', 'cuda']\n"
    ...                         "[[tool.softproof.targets]]\ntarget = 'mine:softmax'\n")
    ...     [each["device"] for each in settings(file).targets]
    ['cpu', 'cuda']
    """
    try:
        table = tomllib.loads(file.read_text()).get("tool", {}).get("softproof")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: {error}") from error
    if table is None:
        raise ValueError(f"no TARGET, and {file} has no table [tool.softproof]; `softproof init` writes one")
    _check(table, OF_ALL, "[tool.softproof]")
    targets = table.get("targets", [])
    if not isinstance(targets, list) or not targets:
        raise ValueError(f"{file}: expected at least one [[tool.softproof.targets]] with a target")
    common = {key: value for key, value in table.items() if key in OF_A_TARGET}
    found: list[dict[str, Any]] = []
    for number, each in enumerate(targets, start=1):
        where = f"[[tool.softproof.targets]], number {number}"
        _check(each, OF_A_TARGET, where)
        if not isinstance(each.get("target"), str):
            raise ValueError(f"{where}: target is {each.get('target')!r}; expected the name of one")
        found += _by_device({**common, **each, **(overrides or {})})
    expected = table.get("expected-failures", [])
    if isinstance(expected, str):
        expected = read_expected(file.parent / expected)
    return Settings(tuple(found), table.get("seed"), tuple(expected), table.get("database"), file)


def _by_device(entry: dict[str, Any]) -> list[dict[str, Any]]:
    devices = entry.pop("devices", ["cpu"])
    arguments = {key.replace("-", "_"): value for key, value in entry.items()}
    return [{**arguments, "device": device} for device in devices]


def _check(table: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} is {table!r}; expected a table")
    if unknown := set(table) - set(known):
        raise ValueError(f"{where} has {', '.join(sorted(unknown))}; expected some of {', '.join(known)}")
    for key, kind in (("seed", int), ("database", str)):
        if key in table and type(table[key]) is not kind:
            what = "whole number" if kind is int else "text"
            raise ValueError(f"{where}: {key} is {table[key]!r}; expected a {what}")
    for key in set(table) & set(LISTS):
        value = table[key]
        if key == "expected-failures" and isinstance(value, str):
            continue
        if key == "devices" and not value:
            raise ValueError(f"{where}: devices is []; expected at least one name")
        kind = int if key == "ndim" else str
        if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
            what = "numbers" if key == "ndim" else "texts"
            raise ValueError(f"{where}: {key} is {value!r}; expected a list of {what}")


def read_expected(file: Path) -> tuple[str, ...]:
    """The names of rows that are expected not to agree: a line each, "implementation operation dtype device".

    Empty lines are skipped, and so is what follows a #. Raises: ValueError where a name stands there twice.
    """
    names = [text for line in file.read_text().splitlines() if (text := line.partition("#")[0].strip())]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{file} names {twice[0]!r} twice")
    return tuple(names)


TEMPLATE = """\
[tool.softproof]
# `softproof verify` without a target asks what stands here. Whatever is commented has its default value.
# devices = ["cpu"]                     # "cuda", "cuda:1", "mps", …; one that is not there is an error
# dtypes = ["float64", "float32"]       # also "float16", "bfloat16"
# examples = 100                        # problems for each operation, dtype and device
# arithmetic = "any-order"              # what the bounds assume: "fused" for a kernel that reads a row once
# accuracy = "C"                        # "A" correctly rounded, "B" forward-accurate, "C" backward-stable
# seed = 0                              # new problems in each run if there is none
# time-limit = 120                      # seconds for one question
# expected-failures = "expected.txt"    # or a list: rows by name, "mine:softmax softmax float32 cpu"
# database = ".softproof"               # where failures are kept; or "redis://…", "github:owner/repository"

[[tool.softproof.targets]]
target = "my_kernels:softmax"           # a module, or one function of it
# operation = "softmax"                 # if the function has another name
# adapter = "torch"                     # or "numpy", "jax", "onnx", "process"; tried out if there is none
# supports = ["weight", "ignore_index"] # options that it has; by default those of its signature
# without = ["nonfinite"]               # options, and kinds of input, that it is not to be asked
# names = { label_smoothing = "smoothing" }
# fixed = { reduction = "none" }        # values of options that it does not take
# extra = { chunk = 256 }               # arguments of its own
# ndim = [2]                            # dimensions of the logits that it takes
# writes = ["logits"]                   # inputs that it is documented to overwrite
# output = 0                            # which of several results is the value
# Every key above [[tool.softproof.targets]] but seed, expected-failures and database may stand here as well.
"""


def write_first(file: Path) -> bool:
    """Add a commented [tool.softproof] to a pyproject.toml, or make one; whether the file is new.

    Raises: ValueError, and nothing is written, where there is such a table, or the file is no TOML.
    """
    text = file.read_text() if file.exists() else ""
    try:
        table = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: {error}") from error
    if "softproof" in table:
        raise ValueError(f"{file} has a table [tool.softproof]; it is left as it is")
    new = not text
    file.write_text(text + ("" if new else "\n" if text.endswith("\n") else "\n\n") + TEMPLATE)
    return new
