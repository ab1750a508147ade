"""The document about the mutants, and the table that is printed."""

from __future__ import annotations

import statistics

from ..reports.environment import versions
from .catalogue import CORRECT, MUTANTS, NOT_COVERED
from .peers import PEERS
from .published import SUITES, asked_by_suites
from .record import Mutant
from .suites import Suite
from .trial import Trial, Tried


def table(trial: Trial) -> str:
    """One line for each mutant, by group, and what came of it all."""
    lines: list[str] = []
    width, group = max(len(tried.name) for tried in trial.tried), ""
    for tried in trial.tried:
        if tried.group != group:
            group = tried.group
            lines += ["", f"{group:{width}}  problems  killed by"]
        lines.append(f"{tried.name:{width}}  {_examples(tried):>8}  {_end(tried)}")
    lines += ["", _outcome(trial), "in the same run:", *(f"  {line}" for line in _peers(trial))]
    lines.append(f"right implementations beside them: {', '.join(trial.innocent)}: " + (
        "REJECTED\n" + "\n".join(trial.rejected) if trial.rejected else "all survived"))  # fmt: skip
    return "\n".join(lines).lstrip("\n")


def _outcome(trial: Trial) -> str:
    killed = sum(each.killed for each in trial.tried)
    counts = sorted(kill.problems for each in trial.tried for kill in each.kills if kill.check)
    text = f"{killed} of {len(trial.tried)} mutants killed from {_count(len(trial.seeds), 'seed')}"
    if not counts:
        return text
    most = counts[int(0.95 * (len(counts) - 1))]
    return f"{text}; problems to the first failure: median {statistics.median_low(counts)}, 95th percentile {most}"


def _peers(trial: Trial) -> list[str]:
    """How many mutants each peer kills, how many each public suite of those it could concern, and how many nobody."""
    counts = [(name, sum(name in each.peers for each in trial.tried), len(trial.tried)) for name in PEERS]
    counts += [_of_suite(suite, trial) for suite in SUITES]
    counts.append(("none of these", sum(not each.peers + each.suites for each in trial.tried), len(trial.tried)))
    width = max(len(name) for name, _, _ in counts)
    return [f"{name:{width}}  {count:>3} of {total}" for name, count, total in counts if total]


def _of_suite(suite: Suite, trial: Trial) -> tuple[str, int, int]:
    """Its name, how many mutants it kills, and how many have an operation that it asks about."""
    concerned = [each for each in trial.tried if suite.name in asked_by_suites(MUTANTS[each.name])]
    return suite.name, sum(suite.name in each.suites for each in concerned), len(concerned)


def _examples(each: Tried) -> str:
    median, most = each.examples(0.5), max(kill.problems for kill in each.kills)
    return str(median) if len(each.kills) == 1 else f"{median}-{most}"


def _end(tried: Tried) -> str:
    if tried.killed:
        return ", ".join(tried.checks)
    survived = sum(not kill.check for kill in tried.kills)
    return f"SURVIVED {_count(survived, 'seed')} of {len(tried.kills)}" + (
        f"; else {', '.join(tried.checks)}" if tried.checks else "")  # fmt: skip


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


INTRODUCTION = """# Mutants

These implementations are wrong in known ways. Most were reported by somebody. `softproof mutants` judges all of them,
beside right implementations of the same operations (`softproof/mutants/correct.py`), which must agree. Each mutant
replaces one step of these by a wrong one, in torch. We read the reports for what went wrong; the code is ours. If a
defect needs several machines or 2³¹ elements, the story says what is simulated.

*Problems* is the number of problems until the first disagreement, in the default profile of `softproof verify`: the
median over the seeds and the most. *Killed by* names the wrong output, what came in its place, or the check or
relation of [behaviour.md](../theory/behaviour.md) that failed. *Smallest witness* is the smallest problem found,
from the first seed. There g is the upstream gradient and v a direction; arrays of more than 8 numbers are shown by
their shape. `--json` has all of them in Python.

`make mutants` writes this file.
"""


PEERS_INTRODUCTION = """Others try the same mutants in the same run (`softproof/mutants/peers.py`):
`torch.testing.assert_close` with its default tolerances, against torch.nn.functional, on normal logits (32, 40);
`torch.autograd.gradcheck` with its defaults on (4, 5) in float64; *with options* with one option after the other:
ignored rows, class weights, smoothing, probabilities, each reduction, another `dim`, a bias. The public suites below
try the mutants of the operations that they test."""

BY_OPERATION = "Mutants by operation, and how many of the public suites ask about it:"

SUITES_INTRODUCTION = """Inputs, dtypes, upstream gradients and tolerances are those of the tests named. Code and random
streams are ours, and torch.nn.functional on a CPU replaces the reference (`softproof/mutants/published.py`). Right
implementations pass all of them."""


def document(trial: Trial) -> str:
    """docs/generated/mutants.md."""
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    parts = [
        INTRODUCTION.rstrip(),
        f"{used}; seeds {', '.join(map(str, trial.seeds))}: {_outcome(trial)}.",
        PEERS_INTRODUCTION,
    ]
    parts.append("\n".join(["```text", *_peers(trial), "```"]))
    parts += [BY_OPERATION, "\n".join(["```text", *_by_operation(trial), "```"])]
    for group in dict.fromkeys(each.group for each in trial.tried):
        parts.append(f"## {group[0].upper()}{group[1:]}")
        parts += [_entry(MUTANTS[each.name], each) for each in trial.tried if each.group == group]
    parts += ["## Public suites", SUITES_INTRODUCTION, *(_entry_of_suite(suite, trial) for suite in SUITES)]
    parts += ["## Not covered", *(f"- {what}: {why}." for what, why in NOT_COVERED.items())]
    return "\n\n".join(parts) + "\n"


def _entry(mutant: Mutant, tried: Tried) -> str:
    dtypes = "" if mutant.dtypes == ("float32",) else f", {' and '.join(mutant.dtypes)}"
    accuracy = "" if mutant.accuracy == "C" else f", class {mutant.accuracy}"
    lines = [
        f"**{tried.name}** ({mutant.operation}{dtypes}{accuracy}; {mutant.place}). {mutant.story} {mutant.effect}",
        f"- trigger: {mutant.trigger}; source: {mutant.source}",
        f"- problems: {_examples(tried)}; killed by: {_end(tried)}",
        f"- others that kill it: {'; '.join(tried.peers) or 'none'}",
        f"- {_suites(mutant, tried)}",
    ]
    return "\n".join([*lines, f"- smallest witness: {tried.smallest}"] if tried.smallest else lines)


def _suites(mutant: Mutant, each: Tried) -> str:
    """Which public suites kill a mutant, of those that it could concern."""
    asked = len(asked_by_suites(mutant))
    killed = f"of {asked} public suites kill it: {'; '.join(each.suites) or 'none'}"
    return killed if asked else "no public suite below asks about its operation"


def _by_operation(trial: Trial) -> list[str]:
    """How many mutants each operation has, how many are killed from every seed, and how many suites ask about it."""
    lines = [f"{'':26}  mutants  killed  suites that ask"]
    for operation in dict.fromkeys(each.operation for each in CORRECT):
        tried = [each for each in trial.tried if MUTANTS[each.name].operation == operation]
        asked = sum(operation in suite.operations for suite in SUITES)
        if tried:
            lines.append(f"{operation:26}  {len(tried):>7}  {sum(each.killed for each in tried):>6}  {asked:>15}")
    return lines


def _entry_of_suite(suite: Suite, trial: Trial) -> str:
    _, count, total = _of_suite(suite, trial)
    return "\n".join([
        f"**{suite.name}** kills {count} of {total}. {suite.source}.",
        f"- operations: {', '.join(suite.operations)}",
        f"- inputs: {suite.inputs}",
        f"- upstream gradient: {suite.upstream}",
        f"- tolerance: {suite.tolerance}",
        f"- left out: {suite.left_out}",
    ])  # fmt: skip
