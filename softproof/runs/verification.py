"""The question that users ask: is it right? One row for each operation and dtype, and the report of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Unpack

from hypothesis.database import ExampleDatabase

from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model, model
from ..candidates.candidate import Candidate
from ..candidates.isolated import SECONDS, STARTUP_SECONDS
from ..candidates.isolation.protections import weakest
from ..candidates.loading import Target
from ..candidates.preparation import dtypes_of as dtypes_of
from ..candidates.preparation import prepare as prepare
from ..diagnosis.diagnose import Diagnosing
from ..generation.seeded import fresh_seed
from ..problem.interface import InterfaceArguments
from ..problem.validation import check_flag, check_kind, check_whole, shown
from ..properties.measured import Measured
from ..reports.report import Report
from ..reports.required import OR_HUGE, check_required
from ..reports.row import Row
from ..reports.target_record import TargetRecord
from ..verdicts.stagewise import NEEDED
from .criteria import Criteria, check_baseline, check_criteria, name_of
from .drawing import BY_STAGES
from .failures import FORMS
from .failures import database as opened
from .ladder import check_ladder, is_auto, is_measured, named
from .opening import open_baseline, open_candidate
from .rows import all_rows
from .search import EXAMPLES


def verify(
    target: Target,
    *,
    operation: str | None = None,
    adapter: str | None = None,
    device: str = "cpu",
    dtypes: Sequence[str] | None = None,
    examples: int = EXAMPLES,
    seed: int | None = None,
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
    baseline: Target | None = None,
    factor: float = 1.0,
    shrink: bool = True,
    diagnose: bool = False,
    max_failures: int = 1,
    in_process: bool | None = None,
    time_limit: float = SECONDS,
    startup_limit: float = STARTUP_SECONDS,
    sandbox: str = "off",
    sandbox_read: Sequence[str] = (),
    sandbox_env: Sequence[str] = (),
    require: Sequence[str] = (),
    only: Sequence[tuple[str, str]] | None = None,
    database: ExampleDatabase | str | Path | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
    **interface: Unpack[InterfaceArguments],
) -> Report:
    """Judge an implementation on drawn problems, and shrink the first disagreement of each row.

    Args:
        target: a module with functions named after the operations, a callable, or the name of one such as
            ``"manual"`` or ``"torch.nn.functional:cross_entropy"``.
        operation: what a callable computes, a key of `softproof.OPERATIONS`; a module is judged on all that it has.
        adapter: the arrays that the target takes, as in `softproof.load`; by default it is tried out.
        device: where tensors live, such as ``"cpu"`` or ``"cuda"``.
        dtypes: names of formats; by default float64 and float32.
        examples: how many problems for each operation and dtype; from 100 on, some more where these miss a region.
        seed: makes the problems the same in every run; by default a new one is drawn, and reported.
        arithmetic: the model that the bounds are theorems about: a name from `softproof.MODELS`, an `Arithmetic`, or a
            function from a problem to one; by default sums in any order. With ``"auto"`` an answer that disagrees is
            judged again under stored-logsumexp, then fused, then fused-flush-to-zero and folded-logsumexp, or in half
            precision eager and on CUDA eager-cuda, each also with "-through-maximum", and the row tells which it
            needed. With ``"measured"`` it is that of `softproof.Measured`.
        accuracy: the class that is asked for, "A" to "D" (`softproof.bounds.accuracy`).
        baseline: for class D, the target whose error counts; `factor`: how many times that error is allowed.
        shrink: whether to look for a smaller problem that disagrees; if not, the number of problems of a row is how
            many it took to find the first.
        diagnose: whether to say more about each failure: under which models it would agree, and what to do next. This
            changes no verdict, and takes a few questions more.
        max_failures: how many failures of a row are looked for, each of another cause: after one the row goes on
            without what failed. A row that agrees takes no longer for it.
        in_process: whether the target runs in this process. By default one that is given by its name has a process of
            its own: where it ends, hangs or changes the libraries, the report says so, and the run goes on.
        time_limit: seconds that such a target may take over one question.
        startup_limit: seconds that its process may take to start, to import it and to try it out, together.
        sandbox: ``"on"`` confines such a target as far as this system can: it writes in a scratch folder alone, reads
            what is installed and its own folder, and has no network. ``"strict"`` refuses to run where a protection is
            absent; docs/guides/isolation.md lists them.
        sandbox_read, sandbox_env: folders that it may read besides, and variables of the environment that it may know.
        require: which of ``"value"``, ``"gradient"``, ``"jvp"`` and ``"hvp"`` have to be judged where an operation has
            them: a row of which one was not *cannot be asked*, and does not agree.
        only: the rows to judge, each by its operation and dtype, as a report has them; by default all. A row is the
            same with or without others.
        database: where Hypothesis keeps what failed, to be asked first the next time; one of its own, or what
            `softproof.database` takes.
        progress: called with each row as it is finished, its number and the number of rows.
        interface: how the target is called, where that differs from torch: `supports`, `without`, `names`, `fixed`,
            `extra`, `ndim`, `writes`, `output`, `gradients`, `negative`, `transposed`, `keepdim`, `shifted`,
            `row_by_row`, `summed` and `columns` of `softproof.Interface`. `without` names what is not to be asked, such
            as ``"label_smoothing"``, or ``"probabilities"`` for a loss of labels alone.
    Returns: a `Report` with `ok`, `rows` and `check()`.
    Raises: ValueError or TypeError naming an argument that does not fit. A row in which the judge itself fails says so,
        and the others are asked all the same.

    >>> from torch.nn.functional import softmax
    >>> verify(softmax, dtypes=["float32"], examples=10, seed=0).ok
    True
    """
    check_run(seed, shrink, in_process, database, progress, diagnose)
    check_baseline(accuracy, baseline, factor)
    check_ladder(arithmetic, accuracy)
    check_required(require, OR_HUGE)
    chosen = model(named(arithmetic))
    arguments = operation, adapter, device, dtypes, examples, interface
    limits: dict[str, Any] = {"time_limit": time_limit, "startup_limit": startup_limit, "sandbox": sandbox,
                              "sandbox_read": sandbox_read, "sandbox_env": sandbox_env}  # fmt: skip
    with ExitStack() as stack:
        other, candidate = _opened(stack, baseline, target, *arguments, **limits, in_process=in_process)
        diagnosing = stack.enter_context(closing(Diagnosing(device, accuracy)))
        criteria = Criteria(
            device,
            Measured(candidate, device) if is_measured(arithmetic) else chosen,
            name_of(None if is_auto(arithmetic) else arithmetic),
            accuracy,
            other,
            factor,
            dtypes_of(candidate, dtypes),
            shrink=shrink,
            database=opened(database) if isinstance(database, str | Path) else database,
            require=check_required(require, OR_HUGE),
            diagnosing=diagnosing if diagnose else None,
            auto=is_auto(arithmetic),
            max_failures=check_whole("max_failures", max_failures, "a whole number of at least 1", 1),
        )
        check_criteria(candidate, other, criteria.model, criteria.dtypes)
        seed = fresh_seed() if seed is None else seed
        names = rows_of(candidate, criteria.dtypes)
        names = names if only is None else check_only(only, names)
        rows = all_rows(candidate, criteria, names, examples, seed, progress)
        protections = weakest([*candidate.process.protections, *(() if other is None else other.process.protections)])
        asked = {"operation": operation, "adapter": adapter, "device": device, "dtypes": criteria.dtypes,
                 "examples": examples, "arithmetic": name_of(arithmetic) or None}  # fmt: skip
        record = TargetRecord(candidate.name, _how(candidate, criteria, asked, limits))
        return Report(rows, seed, protections=protections, targets=(record,))


def _opened(
    stack: ExitStack, baseline: Target | None, target: Target, *arguments: Any, **limits: Any
) -> tuple[Candidate | None, Candidate]:
    """The baseline, before any code of the candidate runs, and the candidate; the stack closes both."""
    other = open_baseline(baseline, arguments[0], **limits)
    if other is not None:
        stack.enter_context(closing(other))
    return other, stack.enter_context(closing(open_candidate(target, *arguments, **limits)))


def _how(candidate: Candidate, criteria: Criteria, asked: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """What the report says of how a candidate was called, asked, judged and confined."""
    other = criteria.baseline
    return {**vars(candidate.interface), **asked, "accuracy": criteria.accuracy,
            "baseline": None if other is None else other.name, "factor": criteria.factor, "require": criteria.require,
            **limits, "in_process": not candidate.process.elsewhere, "shrink": criteria.shrink,
            "diagnose": criteria.diagnosing is not None, "max_failures": criteria.max_failures}  # fmt: skip


def rows_of(candidate: Candidate, dtypes: Sequence[str]) -> list[tuple[str, str]]:
    """The rows of a candidate: each of its operations in each dtype."""
    return [(name, dtype) for name in _questions(candidate) for dtype in dtypes]


def check_only(only: Sequence[tuple[str, str]], rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that are named, in their order; TypeError or ValueError for what is none of the rows."""
    if isinstance(only, str) or not isinstance(only, Sequence):
        raise TypeError(f"only is {shown(only)}; expected pairs of an operation and a dtype, or None")
    named = [tuple(each) if isinstance(each, list | tuple) else each for each in only]
    for each in named:
        if each not in rows:
            raise ValueError(f"only names {shown(each)}; expected some of {', '.join(map(str, rows))}")
    return [row for row in rows if row in named]


def _questions(candidate: Candidate) -> tuple[str, ...]:
    """The operations of a candidate, and its classifier by stages when it has the stages."""
    network = "linear_cross_entropy"
    alike = not candidate.interface.fixed and not candidate.interface.ndim
    whole = alike and {network, *NEEDED} <= set(candidate.operations)
    return candidate.operations + ((network + BY_STAGES,) if whole else ())


def check_run(
    seed: int | None = None,
    shrink: bool = True,
    in_process: bool | None = None,
    database: ExampleDatabase | str | Path | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
    diagnose: bool = False,
) -> None:
    """ValueError or TypeError for an argument of `verify` that concerns neither the target nor its bounds."""
    if seed is not None:
        check_whole("seed", seed, "a whole number or None")
        check_whole("seed", seed, "a whole number of 64 bits", -(2**63), 2**64 - 1)
    check_flag("shrink", shrink)
    check_flag("diagnose", diagnose)
    if in_process is not None:
        check_flag("in_process", in_process)
    check_kind("database", database, (str, Path, ExampleDatabase, type(None)), f"{FORMS}, or None")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is {shown(progress)}; expected a function, or None")
