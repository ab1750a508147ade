"""Commands that exit with 2; the text is on stderr."""

from __future__ import annotations

from softproof.cli.commands import main

from .inputs import Call, Table

WORDS = {
    "verify manual --dtype float8": "dtype is 'float8'; expected one of",
    "verify manual --without x": "without names x; expected some of all_ignored, bias, dim",
    "verify ..nowhere": "names no module",
    "semantics :softmax": "it names no module",
    "verify manual --json nowhere/report.json": "there is no folder",
    "verify manual --examples 0": "examples is 0; expected a whole number of at least 1",
    "semantics manual --write nowhere/semantics.md": "there is no folder",
    "semantics manual --operation argmax": "invalid choice: 'argmax'",
    "findings --write nowhere/findings.md": "there is no folder",
    "findings --device nowhere": "device is 'nowhere'; torch cannot use it",
}


def _command(line: str) -> Call:
    return lambda _: main(line.split())


COMMANDS: Table = {line: (_command(line), SystemExit, words) for line, words in WORDS.items()}
