"""ONNX models as candidates: one operation, its value alone, run by ONNX Runtime on the CPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...problem.interface import Interface
from ...problem.operations import OPERATIONS
from ...problem.problem import Array
from ..candidate import Candidate

_FLOATS = {"tensor(double)": "float64", "tensor(float)": "float32", "tensor(float16)": "float16"}
_LABELS = {"tensor(int64)": "int64", "tensor(int32)": "int32"}

_SHAPES = {"empty_classes", "several_dims", "k_dimensional"}  # that a graph is not asked about


def load(target: Any, operation: str | None, interface: Interface) -> Candidate:
    """A candidate from the path of a model, or from an `onnxruntime.InferenceSession`.

    The inputs of the graph are those of the operation in this order, then optional ones, by their names or by
    `interface.names`. Its attributes are part of the graph: `interface.fixed` says what they are, where they are not
    the defaults of torch. Dtype and number of dimensions are those that the graph declares.

    Raises: ValueError where there is no such file, or the graph does not fit the operation.
    """
    if operation is None:
        raise ValueError(
            f"target: cannot infer the operation of {target}; pass operation= or --operation: {', '.join(OPERATIONS)}"
        )
    session = _session(target) if isinstance(target, str) else target
    if not hasattr(session, "get_inputs") or isinstance(session, type):
        raise TypeError(f"target is a {type(target).__name__}; expected the path of a model, or a session")
    declared = session.get_inputs()
    names = _inputs(declared, operation, interface)
    kinds = {each.name: each.type for each in declared}
    floats = {_FLOATS.get(kinds[theirs]) for name, theirs in names.items() if kinds[theirs] not in _LABELS}
    if len(floats) != 1 or None in floats:
        raise ValueError(f"{_name(target)} takes {', '.join(kinds.values())}; expected one of {', '.join(_FLOATS)}")
    main = declared[0].shape
    if sizes := [size for size in main if isinstance(size, int)]:
        raise ValueError(
            f"{_name(target)} takes {declared[0].name} of shape {main}; expected no fixed sizes, has {sizes}"
        )
    if "target" in names and kinds[names["target"]] not in _LABELS:
        raise ValueError(
            f"{_name(target)} takes a target of {kinds[names['target']]}; expected labels, {', '.join(_LABELS)}"
        )
    if interface.extra:
        raise ValueError(f"extra is {interface.extra!r}; a model takes the inputs of its graph alone")
    source = repr(target) if isinstance(target, str) else "session"
    function, outputs = _run(session, kinds, names, operation), [each.name for each in session.get_outputs()]
    output = outputs.index(str(interface.output)) if interface.output in outputs else interface.output or 0
    if isinstance(output, str) or output >= len(outputs):
        raise ValueError(f"output is {output}; counted from 0, the model has {', '.join(outputs)}")
    interface = replace(
        interface,
        supports=frozenset(names) & frozenset(OPERATIONS[operation].optional),
        without=interface.without
        | (_SHAPES & set(OPERATIONS[operation].kinds))
        | ({"probabilities", "unnormalised"} if "target" in names else set()),
        names=names,
        ndim=interface.ndim or frozenset({len(main)} if main else ()),
        output=output,
    )
    return Candidate(
        _name(target), {operation: function}, {}, "onnx", source, interface, formats=tuple(filter(None, floats))
    )


def _name(target: Any) -> str:
    return Path(target).name if isinstance(target, str) else "session"


def _session(path: str) -> Any:
    if not Path(path).is_file():
        raise ValueError(f"target {path!r}: there is no such file")
    try:
        runtime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ValueError(f"target {path!r}: an ONNX model is run by onnxruntime, which is not installed") from error
    try:
        return runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # of ONNX Runtime's own kinds
        raise ValueError(f"target {path!r}: ONNX Runtime does not load it: {error}") from error


def _inputs(declared: Sequence[Any], operation: str, interface: Interface) -> dict[str, str]:
    """The graph's name of each of our inputs."""
    about, theirs = OPERATIONS[operation], [each.name for each in declared]
    names = dict(zip(about.inputs, theirs, strict=False)) | {n: n for n in about.optional if n in theirs}
    names |= {name: each for name, each in interface.names.items() if name in (*about.inputs, *about.optional)}
    if sorted(names.values()) != sorted(theirs) or not set(about.inputs) <= names.keys():
        raise ValueError(
            f"the model takes {', '.join(theirs) or 'nothing'}; {operation} gives {', '.join(about.inputs)}, "
            f"and by name {', '.join(about.optional) or 'nothing'}; names says which is which"
        )
    return names


def _run(session: Any, kinds: dict[str, str], names: dict[str, str], operation: str) -> Callable[..., list[Array]]:
    def function(**arrays: Array) -> list[Array]:
        arrays = _without_effect(names, operation, arrays) | arrays
        feed = {name: x.astype(_LABELS[kinds[name]]) if kinds[name] in _LABELS else x for name, x in arrays.items()}
        found: list[Array] = session.run(None, feed)
        return found

    return function


def _without_effect(names: dict[str, str], operation: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """Optional inputs, all of which a graph wants: weights of 1 and a bias of 0."""
    about = OPERATIONS[operation]
    first = arrays[names[about.inputs[0]]]
    classes = len(arrays[names[about.inputs[1]]]) if "linear" in operation else first.shape[min(first.ndim - 1, 1)]
    return {
        names[name]: np.full(classes, 0.0 if "bias" in name else 1.0, first.dtype)
        for name in about.optional
        if name in names
    }
