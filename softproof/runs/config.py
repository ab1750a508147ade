"""What is verified again and again: the table [tool.softproof] of a pyproject.toml, and a first one, commented."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..problem.arrangements import ARRANGEMENTS
from ..problem.interface import InterfaceArguments
from ..problem.validation import did_you_mean, shown
from ..reports.odd_files import read_file

INTERFACE = tuple(InterfaceArguments.__annotations__)
CRITERIA = (
    "dtypes",
    "examples",
    "arithmetic",
    "accuracy",
    "baseline",
    "factor",
    "in-process",
    "time-limit",
    "startup-limit",
    "sandbox",
    "sandbox-read",
    "sandbox-env",
    "require",
)  # of `verify`
OF_A_TARGET = ("target", "operation", "adapter", "devices", *CRITERIA, *(each.replace("_", "-") for each in INTERFACE))
OF_ALL = ("targets", "devices", *CRITERIA, "seed", "expected-failures", "database")
_TEXT, _TEXTS, _TABLE = "a text", "a list of texts", "a table"
_NUMBER, _WHOLE, _NUMBERS = "a number", "a whole number", "a list of numbers"
_PLACE = "a whole number or a name"
KINDS = {  # what the value of each key is
    **dict.fromkeys(("operation", "adapter", "arithmetic", "accuracy", "baseline", "database", "sandbox"), _TEXT),
    **dict.fromkeys(("devices", "dtypes", "supports", "without", "writes", "transposed", "keepdim", "require"), _TEXTS),
    **dict.fromkeys(("sandbox-read", "sandbox-env"), _TEXTS),
    **dict.fromkeys(("names", "fixed", "extra", "gradients"), _TABLE),
    **dict.fromkeys(("factor", "time-limit", "startup-limit"), _NUMBER),
    **dict.fromkeys(("examples", "seed"), _WHOLE),
    "output": _PLACE,
    "ndim": _NUMBERS,
    **dict.fromkeys(("in-process", "negative", *(each.replace("_", "-") for each in ARRANGEMENTS)), "true or false"),
    "expected-failures": "a list of texts, or the name of a file",
    "target": "the name of one",
    "targets": "a list of tables",
}


@dataclass(frozen=True)
class Settings:
    """The targets, each with the arguments that `softproof.verify` is called with, and what holds of the whole run."""

    targets: tuple[dict[str, Any], ...]  # each with "target" and "device"
    seed: int | None = None
    expected: tuple[str, ...] = ()
    database: str | None = None
    file: Path = field(default=Path("pyproject.toml"), compare=False)
    inputs: tuple[tuple[str, str], ...] = ()  # the files that were read, and the SHA-256 of each

    def expecting(self, file: Path) -> Settings:
        """With the expected failures of a file."""
        text, digest = _read(file)
        return replace(self, expected=_expected(file, text), inputs=(*self.inputs, (str(file), digest)))


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
    text, digest = _read(file)
    table = _tools(text, file).get("softproof")
    if table is None:
        raise ValueError(f"no TARGET, and {file} has no table [tool.softproof]; `softproof init` writes one")
    _check(table, OF_ALL, "[tool.softproof]")
    targets = table.get("targets", [])
    if not targets:
        raise ValueError(f"{file}: expected at least one [[tool.softproof.targets]] with a target")
    common = {key: value for key, value in table.items() if key in OF_A_TARGET}
    entries: list[dict[str, Any]] = []
    for number, entry in enumerate(targets, start=1):
        where = f"[[tool.softproof.targets]], number {number}"
        _check(entry, OF_A_TARGET, where)
        _check_kind(where, "target", entry.get("target"))
        entries += _by_device({**common, **entry, **_overrides(entry, targets, overrides or {})})
    entries = [entry for entry in entries if entry.get("dtypes") != []]  # of which overrides leave nothing
    expected = table.get("expected-failures", [])
    inputs = ((str(file), digest),)
    plain = Settings(tuple(entries), table.get("seed"), (), table.get("database"), file, inputs)
    if isinstance(expected, str):
        return plain.expecting(file.parent / expected)
    return replace(plain, expected=tuple(expected))


def _overrides(entry: Mapping[str, Any], entries: Sequence[Any], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """What holds instead in one entry: of several entries of a target each keeps to its own dtypes."""
    wanted, of_target = overrides.get("dtypes"), [each for each in entries if each.get("target") == entry["target"]]
    if wanted is None or len(of_target) < 2 or not all("dtypes" in each for each in of_target):
        return overrides
    known = {dtype for each in of_target for dtype in each["dtypes"]}
    own = [dtype for dtype in wanted if dtype in entry["dtypes"]]
    others = [dtype for dtype in wanted if dtype not in known] if entry is of_target[0] else []
    return {**overrides, "dtypes": own + others}


def _by_device(entry: dict[str, Any]) -> list[dict[str, Any]]:
    devices = entry.pop("devices", ["cpu"])
    arguments = {key.replace("-", "_"): value for key, value in entry.items()}
    return [{**arguments, "device": device} for device in devices]


def _check(table: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} is {table!r}; expected a table")
    if unknown := set(table) - set(known):
        raise ValueError(f"{where} has {', '.join(sorted(unknown))}; expected some of {', '.join(known)}"
                         + did_you_mean(min(unknown), known))  # fmt: skip
    for key, value in table.items():
        _check_kind(where, key, value)
    if table.get("devices") == []:
        raise ValueError(f"{where}: devices is []; expected at least one name")


def _check_kind(where: str, key: str, value: Any) -> None:
    """ValueError for a value of another kind than its key has; true and false are no numbers."""
    kind, whole = KINDS[key], isinstance(value, int) and not isinstance(value, bool)
    fits = {
        _TEXT: isinstance(value, str),
        _TEXTS: _is_list(value, str),
        _TABLE: isinstance(value, Mapping),
        _NUMBER: whole or isinstance(value, float),
        _WHOLE: whole,
        _PLACE: whole or isinstance(value, str),
        _NUMBERS: _is_list(value, int),
        "true or false": isinstance(value, bool),
        KINDS["expected-failures"]: isinstance(value, str) or _is_list(value, str),
        KINDS["target"]: isinstance(value, str),
        KINDS["targets"]: isinstance(value, list),
    }
    if not fits[kind]:
        raise ValueError(f"{where}: {key} is {value!r}; expected {kind}")


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(each, kind) and not isinstance(each, bool) for each in value)


def _read(file: Path) -> tuple[str, str]:
    """The text of a file, read once, and its SHA-256."""
    data = read_file(file)
    try:
        return data.decode(), sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not in UTF-8: {error}") from error


def read_expected(file: Path) -> tuple[str, ...]:
    """The names of rows that are expected not to agree: a line each, "implementation operation dtype device".

    Empty lines are skipped, and so is what follows a #. Raises: ValueError where a name stands there twice.
    """
    return _expected(file, _read(file)[0])


def _expected(file: Path, content: str) -> tuple[str, ...]:
    names = [text for line in content.splitlines() if (text := line.partition("#")[0].strip())]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{file} names {twice[0]!r} twice")
    return tuple(names)


HEAD = """\
[tool.softproof]
# `softproof verify` without a target asks what stands here. Whatever is commented has its default value.
# devices = ["cpu"]                     # "cuda", "cuda:1", "mps", …; one that is not there is an error
# dtypes = ["float64", "float32"]       # also "float16", "bfloat16"
# examples = 100                        # problems for each operation, dtype and device
# arithmetic = "any-order"              # what the bounds assume: "fused" for a kernel that reads a row once; found
                                        # out in each run if there is none; name it, and the check stays as strict
# accuracy = "C"                        # "A" correctly rounded, "B" forward-accurate, "C" backward-stable
# seed = 0                              # new problems in each run if there is none, which a nightly run should have;
                                        # a pull request should have --seed 0, so that the change alone decides
# time-limit = 120                      # seconds for one question
# startup-limit = 120                   # seconds for the start of a process, the import and trying it out
# sandbox = "off"                       # "on": no writing, no network; "strict": an error where that cannot be had
# sandbox-read = ["/data"]              # folders that it may read in a sandbox besides
# sandbox-env = ["MY_KERNEL"]           # variables of the environment that it may know besides
# require = ["gradient"]                # what has to be judged: "value", "gradient", "jvp", "hvp", "huge"
# expected-failures = "expected.txt"    # or a list: rows by name, "mine:softmax softmax float32 cpu"
# database = ".softproof"               # where failures are kept; or "redis://…", "github:owner/repository"
"""
TEMPLATE = f"""\
{HEAD}
[[tool.softproof.targets]]
target = "my_kernels:softmax"           # a module, or one function of it
# operation = "softmax"                 # if the function has another name
# adapter = "torch"                     # or "numpy", "jax", "onnx", "process"; tried out if there is none
# supports = ["weight", "ignore_index"] # options that it has; by default those of its signature
# without = ["nonfinite"]               # options, and kinds of input, that it is not to be asked
# names = {{ label_smoothing = "smoothing" }}
# fixed = {{ reduction = "none" }}        # values of options that it does not take
# extra = {{ chunk = 256 }}               # arguments of its own
# ndim = [2]                            # dimensions of the logits that it takes
# writes = ["logits"]                   # inputs that it is documented to overwrite
# output = 0                            # which of several results is the value; or its name, "loss"
# gradients = {{ logits = 1 }}          # which of them are gradients, and of which input
# transposed = ["weight"]               # matrices that it takes as (features, classes)
# keepdim = ["target", "value"]         # what is (N, 1) for it in place of (N,)
# negative = true                       # its result is minus the value, as a log-probability is minus a loss
# shifted = true                        # it compares each position of a sequence with the next label
# row-by-row = true                     # it is given one row at a time, since it gives one number for all of them
# summed = true                         # what it gives is added up, such as a loss of each sequence
# columns = true                        # it takes a row in each column: features (D, N), logits (C, N)
# Every key above [[tool.softproof.targets]] but seed, expected-failures and database may stand here as well.
"""


def _tools(text: str, file: Path) -> dict[str, Any]:
    """The table [tool] of a text; ValueError where that is no TOML, or [tool] no table."""
    try:
        table = tomllib.loads(text).get("tool", {})
    except RecursionError:
        raise ValueError(f"{file}: it is nested too deeply; expected TOML with a table [tool.softproof]") from None
    except ValueError as error:  # of TOML, or of a number with too many digits
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(table, dict):
        raise ValueError(f"{file}: tool is {shown(table)}; expected a table")
    return table


def check_first(file: Path) -> bool:
    """Whether a pyproject.toml has no [tool.softproof], or is not there; ValueError where it is no TOML."""
    return "softproof" not in _tools(_read(file)[0] if os.path.lexists(file) else "", file)


def write_first(file: Path, targets: str = "") -> bool:
    """Add a commented [tool.softproof] to a pyproject.toml, or make one; whether the file is new.

    `targets` are its entries, as TOML; without them there is one to be filled in.

    Raises: ValueError, and nothing is written, where there is such a table, or the file would be no TOML.
    """
    if not check_first(file):
        raise ValueError(f"{file} has a table [tool.softproof]; it is left as it is")
    text = _read(file)[0] if os.path.lexists(file) else ""
    new = not text
    whole = text + ("" if new else "\n" if text.endswith("\n") else "\n\n")
    whole += f"{HEAD}\n{targets}" if targets else TEMPLATE
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: with these entries it would be no TOML: {error}") from error
    file.write_text(whole)
    return new
