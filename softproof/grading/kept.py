"""A question of a bank: in memory, and as a record in JSON beside a pool of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..bounds.algebra import Allowed, RowFactor, RowUnknowns
from ..bounds.arithmetic import Arithmetic
from ..bounds.models import MODELS, arithmetic_of
from ..problem.checks import check
from ..problem.kinds import kinds_of
from ..problem.operations import OPERATIONS
from ..problem.outputs import output_shapes
from ..problem.problem import Array, Problem
from ..truth.double_double import DoubleDouble
from ..verdicts.compiled import Compiled, Outputs

KINDS = {"d": "<f8", "f": "<f4", "i": "<i8", "b": "|i1"}  # the arrays of a pool
Reference = list[Any]  # kind, offset, shape
_ROWS: dict[str, tuple[type[RowFactor | RowUnknowns], tuple[str, ...]]] = {
    "factor": (RowFactor, ("limit", "scaled", "fixed")),
    "unknowns": (RowUnknowns, ("slope", "limit", "own", "tilt", "tilt_limit")),
}


@dataclass(frozen=True, eq=False)
class Kept:
    """One question of a bank: a problem, the name of a model, the outputs under it, and the regions that it lies in."""

    problem: Problem
    arithmetic: str
    outputs: Outputs
    regions: tuple[str, ...] = ()  # that the problem lies in

    @cached_property
    def model(self) -> Arithmetic:
        """What the model says of the problem."""
        return arithmetic_of(MODELS[self.arithmetic], self.problem)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The optional inputs, options and kinds of input that it has, which not everybody takes."""
        return frozenset(kinds_of(self.problem).intersection(OPERATIONS[self.problem.operation].extras))


def size_of(problem: Problem) -> int:
    """How many numbers the inputs of a problem have."""
    return sum(each.size for each in problem.inputs.values())


class Pool:
    """Arrays, one after the other in one for each kind of number; the same numbers are kept once."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Array]] = {kind: [] for kind in KINDS}
        self._sizes = dict.fromkeys(KINDS, 0)
        self._known: dict[tuple[str, bytes], int] = {}

    def add(self, array: Any) -> Reference:
        """Where it lies."""
        array = np.asarray(array)
        kind = {"i8": "i", "f8": "d", "f4": "f"}.get(array.dtype.str[1:], "b")
        flat = np.ascontiguousarray(array, KINDS[kind]).reshape(-1)
        key = kind, flat.tobytes()
        if key not in self._known:
            self._known[key] = self._sizes[kind]
            self._pieces[kind].append(flat)
            self._sizes[kind] += flat.size
        return [kind, self._known[key], list(array.shape)]

    def arrays(self) -> dict[str, Array]:
        """All of them."""
        return {kind: np.concatenate([np.zeros(0, KINDS[kind]), *each]) for kind, each in self._pieces.items()}


def _at(reference: Sequence[Any], arrays: Mapping[str, Array]) -> Array:
    """The array that lies there."""
    kind, offset, shape = reference
    size = int(np.prod(shape, dtype=np.int64))
    if kind not in KINDS or not 0 <= offset <= offset + size <= len(arrays[kind]):
        raise ValueError(f"no array at {reference}")
    found = arrays[kind][offset : offset + size].reshape(shape)
    found.flags.writeable = False
    return found


# ---- one question ---------------------------------------------------------------------------------------------------


def record(question: Kept, pool: Pool) -> dict[str, Any]:
    """Of a question, as JSON has it; its arrays go into the pool."""
    problem = question.problem
    vectors = {"grad_output": problem.grad_output, "tangent": problem.tangent}
    return {
        "operation": problem.operation,
        "dtype": problem.dtype,
        "model": question.arithmetic,
        "inputs": {name: pool.add(value) for name, value in problem.inputs.items()},
        "options": {name: _plain(value) for name, value in problem.options.items()},
        "layout": problem.layout if isinstance(problem.layout, str) else dict(problem.layout),
        **{name: pool.add(value) for name, value in vectors.items() if value is not None},
        "outputs": {name: _record_of(value, pool) for name, value in question.outputs.items()},
        "regions": question.regions,
    }


def _plain(value: Any) -> Any:
    """An option as JSON has it."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _record_of(output: Compiled, pool: Pool) -> dict[str, Any]:
    truth, bound = output.truth, output.allowed
    about: dict[str, Any] = {"truth": [pool.add(each) for each in truth.parts], "error": pool.add(bound.error)}
    if np.any(bound.left):
        about["left"] = pool.add(np.asarray(bound.left, np.int8))
    if output.between is not None:
        about["between"] = pool.add(output.between)
    for kind, (row, names) in _ROWS.items():
        if isinstance(bound.row, row):
            given = {name: getattr(bound.row, name) for name in names}
            about["row"] = [kind, {name: pool.add(each) for name, each in given.items() if each is not None}]
            if isinstance(bound.row, RowFactor):
                about["multiplies"] = bound.row.multiplies
    return about


def question(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Kept:
    """The question of a record; an exception of some kind where it is none."""
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in record["options"].items()}
    inputs = {name: _at(value, arrays) for name, value in record["inputs"].items()}
    upstream, tangent = (_at(record[name], arrays) if name in record else None for name in ("grad_output", "tangent"))
    problem = Problem(record["operation"], record["dtype"], inputs, options, upstream, record["layout"], tangent)
    check(problem)
    outputs = {name: _output(value, arrays) for name, value in record["outputs"].items()}
    if outputs.keys() != output_shapes(problem).keys() or record["model"] not in MODELS:
        raise ValueError(f"outputs {', '.join(outputs)} under {record['model']}")
    return Kept(problem, record["model"], outputs, tuple(map(str, record["regions"])))


def _output(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Compiled:
    def parts(references: Iterable[Reference]) -> list[Array]:
        return [_at(each, arrays) for each in references]

    truth, error = DoubleDouble(*parts(record["truth"])), _at(record["error"], arrays)
    row: RowFactor | RowUnknowns | None = None
    if "row" in record:
        kind, references = record["row"]
        given: dict[str, Any] = dict(zip(references, parts(references.values()), strict=True))
        given |= {"multiplies": record["multiplies"]} if kind == "factor" else {}
        row = _ROWS[kind][0](**given)
    left = _at(record["left"], arrays) if "left" in record else 0
    between = _at(record["between"], arrays).astype(bool) if "between" in record else None
    return Compiled(truth, Allowed(truth.high, error, row, left), between)
