"""The trial: every mutant before the judge, who has to kill it, and right implementations, which have to survive."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from ..problem.problem import Array, Problem
from ..reports.failure import Failure
from ..runs.search import EXAMPLES
from ..runs.verification import verify
from .catalogue import CORRECT, MUTANTS, NOT_COVERED
from .peers import killed_by_peers
from .published import SUITES, killed_by_suites
from .record import Mutant, left_out
from .steps.operation import Operation
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
    innocent = [right for right in CORRECT if right.operation in {mutant.operation for mutant in mutants}]
    total, tried, rejected = len(mutants) + len(innocent), [], []
    for number, mutant in enumerate(mutants, 1):
        tried.append(_tried(mutant, seeds, examples, witnesses))
        if progress is not None:
            progress(f"{mutant.name}: {'killed' if tried[-1].killed else 'SURVIVED'}", number, total)
    for number, right in enumerate(innocent, len(mutants) + 1):
        rejected += _rejected(right, mutants, seeds, examples)
        if progress is not None:
            progress(f"{right.operation}, right: {'REJECTED' if rejected else 'survived'}", number, total)
    return Trial(tuple(tried), tuple(seeds), tuple(right.operation for right in innocent), tuple(rejected))


def check_names(names: Iterable[str]) -> None:
    """ValueError for names of no mutant."""
    if unknown := set(names) - MUTANTS.keys():
        raise ValueError(f"there is no mutant {', '.join(sorted(unknown))}; known are {', '.join(MUTANTS)}")


def _tried(mutant: Mutant, seeds: Sequence[int], examples: int, witness: bool) -> Tried:
    kills = tuple(hunt(mutant, seed, examples)[0] for seed in seeds)
    smallest = hunt(mutant, seeds[0], examples, shrink=True)[1] if witness and kills[0].check else None
    tried = Tried(mutant.name, mutant.group, kills, killed_by_peers(mutant), killed_by_suites(mutant))
    if smallest is None or smallest.verdict.problem is None:
        return tried
    snippet = replace(smallest, target=f"MUTANTS[{mutant.name!r}].make()").snippet
    snippet = f"from softproof.mutants.catalogue import MUTANTS\n{snippet}"
    return replace(tried, smallest=brief(smallest.verdict.problem), witness=snippet)


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
        problems += row.coverage.problems
        if row.failure is not None:
            return Kill(seed, row.failure.check, problems), row.failure
    return Kill(seed, "", problems), None


def _rejected(
    right: Operation, mutants: Sequence[Mutant], seeds: Sequence[int], examples: int, *, shrink: bool = True
) -> list[str]:
    """What the judge has against a right implementation, in the dtypes that the mutants were asked in."""
    dtypes = sorted({dtype for mutant in mutants if mutant.operation == right.operation for dtype in mutant.dtypes})
    reports = [
        verify(
            type(right)(),
            operation=right.operation,
            adapter="torch",
            dtypes=dtypes,
            examples=examples,
            seed=seed,
            shrink=shrink,
            without=left_out(right.operation),
        )
        for seed in seeds
    ]
    return [f"{right.operation} {row.dtype}, seed {report.seed}: {row.failure or row.verdict}"
            for report in reports for row in report.rows if not row.ok]  # fmt: skip
