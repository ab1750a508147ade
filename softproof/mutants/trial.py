"""The trial: every mutant before the judge, who has to kill it, and right implementations, which have to survive."""

from __future__ import annotations

import json
import statistics
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from ..problem.problem import Array, Problem
from ..reports.environment import versions
from ..reports.row import Failure
from ..runs.search import EXAMPLES
from ..runs.verification import verify
from .catalogue import CORRECT, MUTANTS, NOT_COVERED
from .correct import Operation
from .peers import PEERS, killed_by_peers
from .published import SUITES, asked_by_suites, killed_by_suites
from .record import Mutant, left_out
from .suites import Suite


@dataclass(frozen=True)
class Kill:
    """How one seed ended for a mutant: what failed, after how many problems; nothing for a survivor."""

    seed: int
    check: str
    problems: int


@dataclass(frozen=True)
class Tried:
    """A mutant and how each seed ended; which peers and which public suites kill it as well; the smallest problem that
    was found to kill it, in short and in Python.
    """

    name: str
    group: str
    kills: tuple[Kill, ...]
    peers: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    smallest: str = ""
    witness: str = ""

    @property
    def killed(self) -> bool:
        """From every seed."""
        return all(kill.check for kill in self.kills)

    @property
    def checks(self) -> tuple[str, ...]:
        """What failed, the most frequent first."""
        found = [kill.check for kill in self.kills if kill.check]
        return tuple(sorted(set(found), key=lambda check: (-found.count(check), check)))

    def examples(self, share: float) -> int:
        """The number of problems within which this share of the seeds has killed it."""
        counts = sorted(kill.problems for kill in self.kills)
        return counts[int(share * (len(counts) - 1))]


@dataclass(frozen=True)
class Trial:
    """All mutants, the right implementations beside them, and what the judge has against these, which is nothing."""

    tried: tuple[Tried, ...]
    seeds: tuple[int, ...]
    innocent: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every mutant is killed from every seed, and nobody else."""
        return bool(self.tried) and all(each.killed for each in self.tried) and not self.rejected

    @property
    def score(self) -> float:
        """The share of killed mutants among all seeds."""
        kills = [kill for each in self.tried for kill in each.kills]
        return sum(bool(kill.check) for kill in kills) / len(kills)

    def to_json(self) -> str:
        """For programs; the records of the mutants are in it."""
        return json.dumps({
            "ok": self.ok,
            "score": self.score,
            "seeds": self.seeds,
            "innocent": self.innocent,
            "rejected": self.rejected,
            "not covered": NOT_COVERED,
            "suites": [_record_of_suite(suite) for suite in SUITES],
            "mutants": [_record(MUTANTS[each.name]) | asdict(each) | {"killed": each.killed} for each in self.tried],
        }, indent=2)  # fmt: skip


def _record(mutant: Mutant) -> dict[str, object]:
    return {name: value for name, value in vars(mutant).items() if name != "implementation"}


def _record_of_suite(suite: Suite) -> dict[str, object]:
    return {name: value for name, value in vars(suite).items() if name != "questions"}


def trial(
    names: Iterable[str] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    examples: int = EXAMPLES,
    witnesses: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Trial:
    """Put mutants, and the right implementations of their operations, before the judge.

    Args:
        names: of mutants, keys of `MUTANTS`; by default all.
        seeds: each makes other problems.
        examples: how many problems for each operation and dtype, as for `softproof.verify`.
        witnesses: whether to look for the smallest problem that kills a mutant, from the first seed.
        progress: called with a line of text, its number and the number of lines.
    Raises: ValueError for a name that is not there, or no seed.
    """
    wanted = list(MUTANTS) if names is None else list(names)
    check_names(wanted)
    if not wanted:
        raise ValueError("names is empty; expected at least one, or None for all")
    if not seeds:
        raise ValueError("seeds is empty; expected at least one")
    mutants = [MUTANTS[name] for name in wanted]
    innocent = [each for each in CORRECT if each.operation in {mutant.operation for mutant in mutants}]
    total, tried, rejected = len(mutants) + len(innocent), [], []
    for number, mutant in enumerate(mutants, 1):
        tried.append(_tried(mutant, seeds, examples, witnesses))
        if progress is not None:
            progress(f"{mutant.name}: {'killed' if tried[-1].killed else 'SURVIVED'}", number, total)
    for number, each in enumerate(innocent, len(mutants) + 1):
        rejected += _rejected(each, mutants, seeds, examples)
        if progress is not None:
            progress(f"{each.operation}, right: {'REJECTED' if rejected else 'survived'}", number, total)
    return Trial(tuple(tried), tuple(seeds), tuple(each.operation for each in innocent), tuple(rejected))


def check_names(names: Iterable[str]) -> None:
    """ValueError for names of no mutant."""
    if unknown := set(names) - MUTANTS.keys():
        raise ValueError(f"there is no mutant {', '.join(sorted(unknown))}; known are {', '.join(MUTANTS)}")


def _tried(mutant: Mutant, seeds: Sequence[int], examples: int, witness: bool) -> Tried:
    kills = tuple(hunt(mutant, seed, examples)[0] for seed in seeds)
    smallest = hunt(mutant, seeds[0], examples, shrink=True)[1] if witness and kills[0].check else None
    found = Tried(mutant.name, mutant.group, kills, killed_by_peers(mutant), killed_by_suites(mutant))
    if smallest is None or smallest.verdict.problem is None:
        return found
    snippet = replace(smallest, target=f"MUTANTS[{mutant.name!r}].make()").snippet
    snippet = f"from softproof.mutants.catalogue import MUTANTS\n{snippet}"
    return replace(found, smallest=brief(smallest.verdict.problem), witness=snippet)


FEW = 8  # numbers that are written out


def brief(problem: Problem) -> str:
    """A problem in one line; arrays of more than a few numbers by their shape.

    >>> brief(Problem("softmax", "float32", {"logits": [0.0, -1.5]}, {"dim": 0}, grad_output=[1.0, 0.0]))
    'logits [0, -1.5], dim 0, g [1, 0]'
    """
    vectors = {"g": problem.grad_output, "v": problem.tangent}
    words = [f"{name} {_numbers(array)}" for name, array in problem.inputs.items()]
    words += [f"{name} {value}" for name, value in problem.options.items()]
    words += [f"{name} {_numbers(array)}" for name, array in vectors.items() if array is not None]
    return ", ".join(words)


def _numbers(array: Array) -> str:
    if array.size > FEW:
        return f"({', '.join(map(str, array.shape))})"
    return np.array2string(array.astype(np.float64), separator=", ", formatter={"float_kind": "{:.4g}".format},
                           max_line_width=10**6).replace("\n", "")  # fmt: skip


def hunt(mutant: Mutant, seed: int, examples: int = EXAMPLES, *, shrink: bool = False) -> tuple[Kill, Failure | None]:
    """How one seed ends for a mutant that has not been asked before."""
    with warnings.catch_warnings(action="ignore"):
        report = verify(
            mutant.make(), operation=mutant.operation, adapter="torch", dtypes=mutant.dtypes, examples=examples,
            seed=seed, accuracy=mutant.accuracy, shrink=shrink, without=left_out(mutant.operation),
        )  # fmt: skip
    problems = 0
    for row in report.rows:
        problems += row.problems
        if row.failure is not None:
            return Kill(seed, row.failure.check, problems), row.failure
    return Kill(seed, "", problems), None


def _rejected(
    each: Operation, mutants: Sequence[Mutant], seeds: Sequence[int], examples: int, *, shrink: bool = True
) -> list[str]:
    """What the judge has against a right implementation, in the dtypes that the mutants were asked in."""
    dtypes = sorted({dtype for mutant in mutants if mutant.operation == each.operation for dtype in mutant.dtypes})
    reports = [
        verify(
            type(each)(),
            operation=each.operation,
            adapter="torch",
            dtypes=dtypes,
            examples=examples,
            seed=seed,
            shrink=shrink,
            without=left_out(each.operation),
        )
        for seed in seeds
    ]
    return [f"{each.operation} {row.dtype}, seed {report.seed}: {row.failure or row.verdict}"
            for report in reports for row in report.rows if not row.ok]  # fmt: skip


# ---- in words -------------------------------------------------------------------------------------------------------


def table(trial: Trial) -> str:
    """One line for each mutant, by group, and what came of it all."""
    lines: list[str] = []
    width, group = max(len(each.name) for each in trial.tried), ""
    for each in trial.tried:
        if each.group != group:
            group = each.group
            lines += ["", f"{group:{width}}  problems  killed by"]
        lines.append(f"{each.name:{width}}  {_examples(each):>8}  {_end(each)}")
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


def _end(each: Tried) -> str:
    if each.killed:
        return ", ".join(each.checks)
    survived = sum(not kill.check for kill in each.kills)
    return f"SURVIVED {_count(survived, 'seed')} of {len(each.kills)}" + (
        f"; else {', '.join(each.checks)}" if each.checks else "")  # fmt: skip


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


def _entry(mutant: Mutant, each: Tried) -> str:
    dtypes = "" if mutant.dtypes == ("float32",) else f", {' and '.join(mutant.dtypes)}"
    accuracy = "" if mutant.accuracy == "C" else f", class {mutant.accuracy}"
    lines = [
        f"**{each.name}** ({mutant.operation}{dtypes}{accuracy}; {mutant.place}). {mutant.story} {mutant.effect}",
        f"- trigger: {mutant.trigger}; source: {mutant.source}",
        f"- problems: {_examples(each)}; killed by: {_end(each)}",
        f"- others that kill it: {'; '.join(each.peers) or 'none'}",
        f"- {_suites(mutant, each)}",
    ]
    return "\n".join([*lines, f"- smallest witness: {each.smallest}"] if each.smallest else lines)


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
