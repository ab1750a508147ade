"""The table of a report, and the notes below it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite

from ..candidates.isolation.protections import Protection
from ..candidates.plain_text import plain
from ..diagnosis.record import MATRICES_ALONE
from ..problem.operations import OPERATIONS
from ..properties.checks import CHECKS
from .row import NOTHING, Row


def printable(text: str) -> str:
    r"""Text of several lines without anything that a terminal obeys, or that cannot be encoded.

    >>> printable("one\x1b\ntwo\U000e0001 three")
    'one\\x1b\ntwo\\U000e0001 three'
    """
    return "\n".join(plain(line, LONGEST_ESCAPE * len(line)) for line in text.split("\n"))


LONGEST_ESCAPE = 10  # characters that one is written as


ULPS = "worst ulp"  # a column of the table in full
COLUMNS = ("value", "gradient", "jvp", "hvp")  # the worst error of each, as a share of its bound
NUMERIC = ("problems", ULPS, *COLUMNS)
HEADERS = ("implementation", "operation", "dtype", "device", *NUMERIC, "verdict")


def cells(row: Row) -> tuple[str, ...]:
    """A row as text; a verdict that is not agreement is in capitals."""
    verdict = row.verdict if row.ok else row.verdict.upper()
    verdict += under(row)
    if row.failure is not None and row.failure.diagnosis.finding:
        verdict += f": as in finding {row.failure.diagnosis.finding}"
    verdict += "".join(f", but for finding {each}" for each in row.outcome.findings)
    problems = row.coverage.problems
    numbers = (str(problems), f"{row.errors.ulps:.3g}" if problems else NOTHING, *map(_share, shares(row).values()))
    return (plain(row.implementation), row.operation, row.dtype, row.device, *numbers, verdict)


def shares(row: Row) -> dict[str, float | None]:
    """The worst error of what was judged, as a share of its bound: above 1 it disagrees. None where nothing was.

    >>> from softproof.reports.row import Errors, Outcome
    >>> errors = Errors(ratios={"value": 0.5, "grad_logits": 2.0})
    >>> row = Row("mine", "softmax", "float32", "cpu", Outcome("disagrees"), errors=errors)
    >>> shares(row)
    {'value': 0.5, 'gradient': 2.0, 'jvp': None, 'hvp': None}
    """
    worst: dict[str, float | None] = dict.fromkeys(COLUMNS)
    failed = [each.verdict for each in row.failures if each.verdict.output]
    for output, ratio in [*row.errors.ratios.items(), *((each.output, each.ratio) for each in failed)]:
        column = "gradient" if output.startswith("grad_") else output.partition("_")[0]
        if column in worst:
            worst[column] = max(worst[column] or 0.0, ratio)
    return worst


def _share(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.3f}" if ratio < 1000 else f"{ratio:.3g}"


def under(row: Row) -> str:
    """The model that a row has come to, and how far its answers are outside a narrower one.

    >>> from softproof.reports.row import Basis, Errors, Outcome
    >>> errors = Errors(beyond={"any-order": 743.2, "stored-logsumexp": 2.0})
    >>> row = Row("mine", "softmax", "float32", "cpu", Outcome("disagrees"), errors=errors, basis=Basis("fused"))
    >>> under(row)
    ' under fused (any-order: 743 × its bound, stored-logsumexp: 2 × its bound)'
    """
    if not row.errors.beyond:
        return ""
    tried = (
        f"{name}: {ratio:.3g} × its bound" if isfinite(ratio) else f"{name}: an error where its bound is 0"
        for name, ratio in row.errors.beyond.items()
    )
    return f" under {row.basis.arithmetic} ({', '.join(tried)})"


def table(rows: Iterable[Row], *, full: bool = False) -> str:
    """The rows under their headers, numbers to the right; in `full` with the worst error in ulps."""
    lines = [HEADERS, *map(cells, rows)]
    shown = [place for place, header in enumerate(HEADERS) if full or header != ULPS]
    widths = {place: max(len(line[place]) for line in lines) for place in shown}
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Mapping[int, int]) -> str:
    padded = (
        line[place].rjust(width) if HEADERS[place] in NUMERIC else line[place].ljust(width)
        for place, width in widths.items()
    )
    return "  ".join(padded).rstrip()


def notes(rows: Sequence[Row]) -> list[str]:
    """What was not asked, said once for each operation, and what to know of what agrees."""
    notes = []
    for name in sorted({row.operation for row in rows}):
        told: dict[str, list[str]] = {}  # by what is not tested, the formats
        for row in rows:
            if row.operation == name:
                told.setdefault(not_asked(row), []).append(row.dtype)
        formats = [each for dtypes in told.values() for each in set(dtypes)]
        by_format = len(told) > 1 and len(formats) == len(set(formats))  # and not by who is asked
        for text, dtypes in sorted(told.items()):
            where = f" in {', '.join(dict.fromkeys(dtypes))}" if by_format else ""
            notes += [f"not tested of {name}{where}: {text}"] if text else []
    notes += [f"warning: {text}" for text in dict.fromkeys(hint for row in rows for hint in row.asked.hints)]
    notes += [f"{row.name}: {rest}" for row in rows if (rest := _rest(row))]
    numbers = sorted({number for row in rows for number in row.outcome.unspecified})
    if numbers:
        notes.append(f"accepted as unspecified behaviour: {_rows_of(numbers)} of docs/theory/semantics.md")
    return notes + _counted("no guarantee by the arithmetic, nor counted", rows, lambda row: row.coverage.uncounted)


def _rest(row: Row) -> str:
    """What agrees without what failed, or but for a finding, and how to judge that alone; empty of other rows."""
    if row.outcome.findings:
        cited = ", ".join(row.outcome.findings)
        return f"as torch's own function does in finding {cited} (softproof findings), and right in all else"
    if not row.outcome.rest:
        return ""
    advice, ndim = _advice(row)
    options = [f"--without {shlex.quote(','.join(sorted(advice)))}"] if advice else []
    options += [MATRICES_ALONE] if ndim else []
    how = f"; that alone is judged with {' '.join(options)}" if all(advice) else ""
    return f"without what failed it agrees in {row.outcome.rest} problems{how}"


def _advice(row: Row) -> tuple[set[str], bool]:
    """What leaves out each failure, empty where nothing does; and whether some are of more than two dimensions."""
    told = [failure.diagnosis for failure in row.failures]
    left = {each.without for each in told if MATRICES_ALONE not in each.next}
    return left, any(MATRICES_ALONE in each.next for each in told)


def leaving_out(row: Row) -> set[str]:
    """The names that leave out all that failed of a row, where the rest agrees; empty where no names do."""
    left, ndim = _advice(row)
    return left if row.outcome.rest and all(left) and not ndim else set()


def details(rows: Sequence[Row]) -> list[str]:
    """What else is known of the rows: what was not promised, how sums are made, what was printed or vacuous."""
    notes = _counted("no derivative promised, nor asked", rows, lambda row: row.coverage.unbounded)
    return notes + _sums(rows) + _reported(rows) + _printed(rows) + _vacuous(rows) + _reproducibility(rows)


def _counted(words: str, rows: Sequence[Row], count: Callable[[Row], int]) -> list[str]:
    """On how many problems of each operation."""
    counts = Counter[str]()
    for row in rows:
        counts[row.operation] += count(row)
    return [f"{words}: {name} in {found} problems" for name, found in counts.items() if found]


def _sums(rows: Sequence[Row]) -> list[str]:
    """How deep sums are where that was measured, for the number of classes at which it tells most."""
    notes = []
    for row in rows:
        if row.basis.sums:
            n, depth = max(row.basis.sums.items(), key=lambda each: (int(each[0]) - 1) / each[1])
            told = f"{depth} deep at n = {n}, as measured; any order would allow {int(n) - 1}"
            notes.append(f"sums of {row.operation} in {row.dtype}: {told}")
        if row.basis.unmeasured:
            told = ", ".join(f"{why} ({count} kinds of problem)" for why, count in row.basis.unmeasured.items())
            notes.append(f"sums of {row.operation} in {row.dtype} in any order: {told}")
    return notes


def _rows_of(numbers: Sequence[int]) -> str:
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _reported(rows: Sequence[Row]) -> list[str]:
    """What is believed of each implementation since it says so itself."""
    said: dict[str, dict[str, None]] = {}
    for row in rows:
        said.setdefault(row.implementation, {}).update(dict.fromkeys(row.basis.reported))
    return [f"reported by the candidate: {name}: {'; '.join(words)}" for name, words in said.items() if words]


def _printed(rows: Sequence[Row]) -> list[str]:
    """How much each operation has printed."""
    printed = Counter[str]()
    for row in rows:
        printed[row.operation] += row.outcome.printed
    return [f"printed by {name}, not shown: {count:,} bytes" for name, count in printed.items() if count]


def _vacuous(rows: Sequence[Row]) -> list[str]:
    """Of each operation, on how many problems the bound of an output would have let a wrong answer pass."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for output, wrong in row.errors.vacuous.items():
            counts.setdefault(row.operation, Counter())[output] += max(wrong.values())
    problems = Counter[str]()
    for row in rows:
        problems[row.operation] += row.coverage.problems
    return [
        f"vacuous here: {name}: {', '.join(f'{output} in {count}' for output, count in found.most_common())} "
        f"of {problems[name]} problems: an all-zero answer, or another that is wrong altogether, would also pass"
        for name, found in counts.items()
    ]


def _reproducibility(rows: Sequence[Row]) -> list[str]:
    """Whether answers had the same bits when asked again, and whether those of a row depend on its batch."""
    notes = []
    for title, of_rows in (("asked again", False), ("batch invariance", True)):
        of_kind = {check for check, about in CHECKS.items() if about.of_rows == of_rows}
        asked = {row.operation: None for row in rows if of_kind & set(row.asked.checks)}
        if not asked:
            continue
        within = [text for name in asked if (text := _differing(rows, name, of_rows))]
        notes.append(f"{title}: " + (f"within bounds: {'; '.join(within)}" if within else "bitwise"))
    return notes


def _differing(rows: Sequence[Row], operation: str, of_rows: bool) -> str:
    """An operation with the checks in which it had other bits."""
    seen = {check: None for row in rows if row.operation == operation for check in row.asked.differ}
    checks = [check for check in seen if CHECKS[check].of_rows == of_rows]
    return f"{operation} ({', '.join(checks)})" if checks else ""


def not_asked(row: Row) -> str:
    """What an operation has, and this row was not asked."""
    return ", ".join(left_out(row))


def left_out(row: Row) -> list[str]:
    """The same, one by one."""
    if row.operation == NOTHING:
        return []
    judged = row.asked.gradients or not OPERATIONS[row.operation.split(",")[0]].gradients
    return [*row.asked.unsupported, *([] if judged else ["gradients (no backward pass)"])]


def by_state(protections: Iterable[Protection]) -> dict[str, str]:
    """Those that are active and those that are absent, together where one thing is how, or why not.

    >>> found = [("no reading", True, "Landlock"), ("no writing", True, "Landlock"), ("no network", False, "?")]
    >>> by_state([Protection(*each) for each in found])
    {'active': 'no reading, no writing (Landlock)', 'absent': 'no network (?)'}
    """
    states: dict[str, dict[str, list[str]]] = {}
    for each in protections:
        states.setdefault("active" if each.active else "absent", {}).setdefault(each.how, []).append(each.name)
    return {
        state: "; ".join(f"{', '.join(names)} ({how})" for how, names in group.items())
        for state, group in states.items()
    }


def isolation(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The implementations that ran in a process of their own, and those that did not, each once."""
    implementations: dict[str, dict[str, None]] = {}
    for row in rows:
        isolated = row.basis.isolated
        words = "isolated, in a process of its own" if isolated else "not isolated, in the process of the judge"
        implementations.setdefault(words, {})[plain(row.implementation)] = None
    return {words: list(names) for words, names in implementations.items()}
