"""Semantics: the edge cases put to implementations, and docs/theory/semantics.md, which shows what each does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..candidates.candidate import Candidate
from ..generation.edge_cases import EDGE_CASES as EDGE_CASES
from ..generation.edge_cases import SECTIONS
from ..generation.edges.edge_case import ERROR, UNSPECIFIED, EdgeCase
from ..problem.kinds import SHAPES
from ..problem.losses import is_labels, kept
from ..problem.operations import DEFAULTS, OPERATIONS
from ..problem.problem import Array, Problem, Result
from ..problem.rows import main_input
from ..verdicts.judgement import judge_refusal, judge_result
from ..verdicts.verdict import Verdict
from .environment import versions


@dataclass(frozen=True)
class Seen:
    """What an implementation did: its answer, and the verdict where the judge can be asked."""

    result: Result
    verdict: Verdict | None


def see(edge_case: EdgeCase, candidate: Candidate, device: str = "cpu") -> Seen | None:
    """Ask one edge case; None where the candidate does not have the operation, or does not take what is asked.

    >>> from softproof import load
    >>> see(EDGE_CASES[0], load("torch.nn.functional:softmax")).verdict.outcome
    'agrees'
    """
    problem = _without_defaults(candidate, edge_case.problem)
    if not _takes(candidate, problem) or (edge_case.demanded == ERROR and not device.startswith("cpu")):
        return None  # a failed assertion on a CUDA device ends the process
    if not candidate.differentiates(problem.operation):
        problem = replace(problem, grad_output=None)
    problem = candidate.interface.part(problem)
    device = device if candidate.capabilities.by_framework else "cpu"
    with warnings.catch_warnings(action="ignore"):  # what a candidate warns about shows in its answer
        directive = ("answer",) if edge_case.labels == "int64" else ("labels cast", edge_case.labels)
        result = candidate.ask(problem, device, *directive)
    if edge_case.demanded == ERROR:
        return Seen(result, judge_refusal(problem, result))
    return Seen(result, judge_result(problem, result, device=device) if edge_case.judged else None)


def _takes(candidate: Candidate, problem: Problem) -> bool:
    """Whether the candidate has the operation, the format, and what the problem asks of them."""
    if problem.operation not in candidate.operations or problem.dtype not in candidate.dtypes:
        return False
    if not candidate.takes(problem):
        return False
    kinds = {"unbatched"} if "target" in problem.inputs and next(iter(problem.inputs.values())).ndim == 1 else set()
    if "target" in problem.inputs and not is_labels(problem):
        kinds.add("probabilities")
    if "target" in problem.inputs and is_labels(problem) and not kept(problem).all():
        kinds.add("ignore_index")  # which verify does not ask either of who lacks it
    if problem.tangent is not None:
        kinds.add("jvp")
    known = OPERATIONS[problem.operation].kinds
    kinds |= {kind for kind, is_of_kind in SHAPES.items() if kind in known and is_of_kind(problem)}
    asked = (set(problem.inputs) | set(problem.options)) & set(OPERATIONS[problem.operation].extras) | kinds
    return asked <= candidate.supports(problem.operation)


def _without_defaults(candidate: Candidate, problem: Problem) -> Problem:
    """The same question without options that have their default value and that the candidate does not take."""
    if problem.operation not in candidate.operations:
        return problem
    taken, given = candidate.supports(problem.operation), problem.options.items()
    return replace(
        problem, options={name: value for name, value in given if name in taken or not _is_default(problem, name)}
    )


def _is_default(problem: Problem, name: str) -> bool:
    """Whether an option says what holds without it: the last axis is that of an implementation without a `dim`."""
    value = problem.options[name]
    if name == "dim":
        return value in (-1, main_input(problem).ndim - 1)
    return bool(value == DEFAULTS[name])


# ---- the document ---------------------------------------------------------------------------------------------------


def semantics_report(candidates: Sequence[Candidate], device: str = "cpu") -> str:
    """docs/theory/semantics.md: every edge case of the operations that there are, and what each candidate does."""
    names = ", ".join(f"`{candidate.name}`" for candidate in candidates)
    lines = [_PREFACE.format(names=names), *_versions(device)]
    had = {operation for candidate in candidates for operation in candidate.operations}
    for title, edge_cases in SECTIONS.items():
        if asked := [edge_case for edge_case in edge_cases if edge_case.problem.operation in had]:
            lines += ["", f"## {title}", "", *_demands(asked), "", *_answers(asked, candidates, device)]
    if had == set(OPERATIONS):
        lines += ["", NETWORKS]
    return "\n".join(lines)


_PREFACE = """\
# Semantics

This is what every implementation must return in edge cases: special values, empty inputs, options that meet. Each
row is one small question, and its number never changes.

- *Mathematics* follows from the definition, in extended real numbers where there is a limit.
- *Documented* paraphrases torch.nn.CrossEntropyLoss, torch.nn.functional and torch.special. It is empty where they say
  nothing.
- *Demanded* is what the judge accepts: the exact value within its bound, also if that is an infinity or NaN; an
  error; or, if no document fixes the answer, also what the row names. That holds only for the outputs that the row
  names. The sign of a zero is never compared.

Below each table stands what {names} do, in float32 unless the row says otherwise: the value, and after *∂* the
gradients by name. The upstream gradient is 1, or 1, 2, 3, … where there are several elements. **Bold** is not what
is demanded ([findings.md](../generated/findings.md) has torch's reasons). *Italics* is accepted by an unspecified
row. A dash means that the implementation lacks the operation or does not take the question. Operations that none of
them has are left out.

`softproof semantics TARGET…` prints the same for your own code. `make semantics` writes docs/theory/semantics.md.
"""


NETWORKS = """\
## Networks

`softproof.network` judges a forward and backward pass of your own by this row; nobody else is asked. torch has 0 there.

| | question | mathematics | documented | demanded |
|---:|---|---|---|---|
| 169 | ∂ of a relu at 0, and whatever is made of it | no derivative; 0 from below, 1 from above |  | *unspecified*: \
any slope from 0 to 1; also where rounding may bring what the relu is taken of to 0, or to the other side of it |"""


def _versions(device: str) -> list[str]:
    found = versions() | {"device": device}
    return ["| | |", "|---|---|", *(f"| {name} | {found[name]} |" for name in ("numpy", "torch", "device"))]


def _demands(edge_cases: Sequence[EdgeCase]) -> Iterator[str]:
    yield "| | question | mathematics | documented | demanded |"
    yield "|---:|---|---|---|---|"
    for edge_case in edge_cases:
        demanded = f"*unspecified*: {edge_case.besides}" if edge_case.demanded == UNSPECIFIED else edge_case.demanded
        cells = (str(edge_case.number), edge_case.question, edge_case.mathematics, edge_case.documented, demanded)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _answers(edge_cases: Sequence[EdgeCase], candidates: Sequence[Candidate], device: str) -> Iterator[str]:
    having = [c for c in candidates if any(edge_case.problem.operation in c.operations for edge_case in edge_cases)]
    yield f"| | {' | '.join(f'`{candidate.name}`' for candidate in having)} |"
    yield f"|---:|{'---|' * len(having)}"
    for edge_case in edge_cases:
        cells = [_cell(see(edge_case, candidate, device)) for candidate in having]
        yield f"| {edge_case.number} | {' | '.join(cells)} |"


def _cell(seen: Seen | None) -> str:
    """One answer in a few characters."""
    if seen is None:
        return "–"
    raised = seen.result.raised
    text = _numbers(seen.result) if raised is None else raised.split(" ")[0].removesuffix(":")
    if seen.verdict is None:
        return text
    if not seen.verdict.ok:
        return f"**{text}**"
    return f"*{text}*" if seen.verdict.unspecified else text


def _numbers(result: Result) -> str:
    value = _short(result.outputs["value"].values)
    names = [name for name in result.outputs if name != "value"]
    slopes = [f"∂{name.removeprefix('grad_')} {_short(result.outputs[name].values)}" for name in names]
    return "; ".join([value, *slopes])


def _short(array: Array) -> str:
    """Three digits of each element."""
    if array.ndim:
        return f"[{', '.join(map(_short, array))}]" if array.size else f"empty {array.shape}".replace(",)", ")")
    return f"{float(array) + 0.0:.3g}".replace("inf", "∞").replace("nan", "NaN")
