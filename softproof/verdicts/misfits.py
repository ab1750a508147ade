"""What is wrong with an answer before any number of it is looked at: shape, dtype, device."""

from __future__ import annotations

from ..candidates.plain_text import plain
from ..problem.formats import FORMATS
from ..problem.outputs import output_shapes
from ..problem.problem import Output, Problem, Result, not_an_output


def not_an_answer(problem: Problem, result: Result, device: str, unasked: frozenset[str] = frozenset()) -> str:
    """What is wrong with an answer before any number of it is looked at; empty when nothing is.

    `unasked` names outputs of the problem that were not asked of this implementation.
    """
    if result.lost is not None:
        return plain(result.lost)
    if result.changed:
        return f"the call changed {plain(', '.join(result.changed))}"
    if result.raised is not None:
        return f"raised {plain(result.raised)}"
    if result.written:
        return f"the call changed its input {', '.join(result.written)}"
    if result.observed:
        return result.observed[0]
    shapes = {name: shape for name, shape in output_shapes(problem).items() if name not in unasked}
    if result.outputs.keys() != shapes.keys():
        return f"gave {', '.join(result.outputs) or 'nothing'}; expected {', '.join(shapes)}"
    faults = (_fault(problem, name, output, shapes[name], device) for name, output in result.outputs.items())
    return next(filter(None, faults), "")


def _fault(problem: Problem, name: str, output: Output, expected: tuple[int, ...], device: str) -> str:
    """What is wrong with one output, before its numbers are compared; empty when nothing is."""
    if text := not_an_output(output):
        return f"{name}: {text}"
    for what, given, wanted in (
        ("shape", output.values.shape, expected),
        ("dtype", output.dtype, problem.dtype),
        ("device", output.device.removesuffix(":0"), device.removesuffix(":0")),
    ):
        if given != wanted:
            return f"{name} has {what} {given}; expected {wanted}"
    strange = FORMATS[problem.dtype].first_not_held(output.values)
    return "" if strange is None else f"{name} holds {strange!r}, which is not a {problem.dtype} number"
