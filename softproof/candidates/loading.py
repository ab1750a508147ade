"""From the name of a target, or the target, to a candidate: what it has, which arrays it takes, how it is called."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, Unpack

from ..problem.interface import Interface, InterfaceArguments
from ..problem.operations import OPERATIONS
from ..problem.validation import check_flag, check_name
from .adapters import onnx_model, process
from .backward_passes import of_forward_pass
from .callables import by_name, function_of, member
from .candidate import Candidate
from .chosen_passes import with_backward_passes
from .directives import NAMES_OF_CHECKS
from .frameworks import ADAPTERS, FRAMEWORKS, arrays_of
from .layers import layer_of
from .places import place_of
from .results import BY_NAME
from .signature import named_by

PART = r"[\w-]+"  # of the name of a module: what the name of a file can be, spelled by `import` or not
Target = str | ModuleType | Callable[..., Any] | Candidate


def load(
    target: Target,
    operation: str | None = None,
    adapter: str | None = None,
    *,
    tried: bool = True,
    **interface: Unpack[InterfaceArguments],
) -> Candidate:
    """A candidate from a module, a callable, or a name such as ``"manual"`` or ``"package.module:function"``.

    Args:
        target: a module with functions named after the operations, a callable, a class of such, a layer with the
            methods `forward` and `backward` or its class, the class of an autograd function, or the name of any of
            these; for the adapter ``"onnx"`` the path of a model or a session of ONNX Runtime, for ``"process"`` a
            command.
        operation: what a callable computes, a key of `softproof.OPERATIONS`; by default what it is named after.
        adapter: the arrays that it takes: ``"numpy"``, ``"torch"``, ``"jax"``, ``"onnx"`` or ``"process"``. By default
            a NumPy array is tried first, then a tensor of torch unless its module imports NumPy alone and asks an
            array for nothing that it lacks, then an array of JAX where its module imports that, and what it answers in
            kind is used; where its module imports torch, and no NumPy, a tensor is tried first.
            A file that ends in ``.onnx`` is a model.
        tried: whether it may be asked harmless questions. One that may not takes tensors if its module imports torch,
            and has no derivatives in a direction but its own functions.
        interface: how it is called, where that differs from torch: `supports`, `without`, `names`, `fixed`, `extra`,
            `ndim`, `writes`, `output`, `gradients`, `negative`, `transposed`, `keepdim`, `shifted`, `row_by_row`,
            `summed` and `columns` of `softproof.Interface`.
    Returns: a `Candidate`.
    Raises: ValueError or TypeError naming an argument that does not fit.

    >>> load(lambda logits, dim: logits, operation="softmax").adapter
    'numpy'
    >>> load("scipy.special:softmax").supports("softmax") >= {"dim"}  # which it calls axis
    True
    """
    if adapter is not None:
        check_name("adapter", adapter, ADAPTERS)
    if operation is not None:
        check_name("operation", operation, OPERATIONS)
    check_flag("tried", tried)
    how = Interface().but(interface)
    if isinstance(target, Candidate):
        candidate = target if operation is None else target.only(operation)
        return _checked(replace(candidate, interface=candidate.interface.but(interface)))
    is_model = adapter == "onnx" or (isinstance(target, str) and target.endswith(".onnx"))
    if how.gradients and (is_model or adapter == "process"):
        raise ValueError(f"gradients is {dict(how.gradients)}; expected none, of a model or a program")
    if is_model:
        return _checked(onnx_model.load(target, operation, how))
    if adapter == "process":
        return _checked(process.load(target, operation, how))
    return _checked(_functions(target, operation, adapter, tried, how))


def _checked(candidate: Candidate) -> Candidate:
    """The candidate, whose interface fits its operations, their signatures and the behaviour checks."""
    named = [named_by(each) for each in candidate.functions.values()]
    taken = None if None in named else {name for each in named if each for name in each}
    candidate.interface.check(candidate.operations, NAMES_OF_CHECKS, taken, candidate.name)
    beside = {name: function for name, function in candidate.functions.items() if candidate.interface.beside(name)}
    return replace(candidate, backwards={**candidate.backwards, **beside})


def _functions(
    target: Target, operation: str | None, adapter: str | None, tried: bool, interface: Interface
) -> Candidate:
    """A candidate of functions that are called."""
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    loaded = _resolve(target) if isinstance(target, str) else target
    layer = layer_of(loaded)
    loaded = loaded if layer is None else layer.forward
    if isinstance(loaded, ModuleType):
        names = [operation] if operation else list(OPERATIONS)
        found = {each: getattr(loaded, each) for each in names if callable(getattr(loaded, each, None))}
        functions = {each: function_of(by_name(function), each) for each, function in found.items()}
        called_by = {each: (each, _own_name(function)) for each, function in functions.items()}
        modules: list[Any] = [loaded]
        if not functions:
            raise ValueError(f"target: module {name} has no function named {' or '.join(names)}")
    elif callable(loaded):
        loaded = by_name(loaded)
        called = (name_of(target) if isinstance(target, str) else "", _own_name(loaded))
        operation = operation or next((each for each in called if each in OPERATIONS), None)
        if operation not in OPERATIONS:
            raise ValueError(f"target: {NO_NAME} {name}; pass operation= or --operation: {', '.join(OPERATIONS)}")
        functions, called_by = {operation: function_of(loaded, operation)}, {operation: called}
        modules = [_resolve(target.partition(":")[0])] if isinstance(target, str) else []
        modules += [inspect.getmodule(loaded)]
    else:
        raise TypeError(f"target is a {type(loaded).__name__}; expected a module, a callable, or the name of one")
    interface = _with_axis(interface, functions)
    backwards, jvps, hvps = (_beside(called_by, modules, suffix) for suffix in ("backward", "jvp", "hvp"))
    adapter = adapter or _guess_adapter(functions, tried, interface)
    if layer is not None:
        backwards = dict.fromkeys(functions, layer.backward) | backwards
    candidate = Candidate(name, functions, backwards, adapter, _source(target, loaded), interface, jvps, hvps, tried)
    if layer is not None or FRAMEWORKS[adapter].differentiates:
        return candidate
    of_forward = {each: tuple(map(of_forward_pass, names)) for each, names in called_by.items()}
    return with_backward_passes(candidate, _beside(of_forward, modules, "backward"))


NO_NUMPY = "'numpy.ndarray' object has no attribute"  # in an error of what takes other arrays
NO_NAME = "cannot infer the operation of"


def _with_axis(interface: Interface, functions: Mapping[str, Callable[..., Any]]) -> Interface:
    """NumPy's name for `dim`, where functions have it and nobody says otherwise."""
    along = [function for name, function in functions.items() if "dim" in OPERATIONS[name].options]
    parameters = [named_by(function) or set() for function in along]
    if "dim" in interface.names or not any("axis" in each and "dim" not in each for each in parameters):
        return interface
    return replace(interface, names={**interface.names, "dim": "axis"})


def name_of(target: str) -> str:
    """What the name of a target says that it is; a method by which anything is called says nothing, and its class does.

    >>> name_of("kernels:fused_ce"), name_of("kernels:FusedCE.apply"), name_of("kernels")
    ('fused_ce', 'FusedCE', '')
    """
    parts = target.partition(":")[2].split(".")
    return next((each for each in reversed(parts) if each not in _CALLED_SO), parts[-1])


_CALLED_SO = ("apply", "forward", "__call__")


def _own_name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "")


def _beside(
    called_by: Mapping[str, tuple[str, ...]], modules: Sequence[Any], suffix: str
) -> dict[str, Callable[..., Any]]:
    """For each operation the first function of the modules that is named ``<name>_<suffix>``.

    A function has the name by which it was found, and one of its own, which others may have if it is wrapped.
    """
    siblings: dict[str, Callable[..., Any]] = {}
    for operation, names in called_by.items():
        for module, name in product(modules, filter(None, names)):
            if callable(sibling := getattr(module, f"{name}_{suffix}", None)):
                siblings.setdefault(operation, sibling)
    return siblings


def check_target_name(name: str, adapter: str | None = None) -> None:
    """ValueError for what cannot be the name of a target, whatever there is to be imported."""
    if adapter in ("onnx", "process") or name.endswith(".onnx"):
        return
    module_name, _, function = name.partition(":")
    if "/" in module_name or module_name.endswith(".py"):
        path = Path(module_name)
        to_do = f"in {path.parent}, ask {path.stem}:{function or 'function'}"
        if "." in path.stem:
            to_do = "a module cannot have a dot in its name: rename it"
        raise ValueError(f"target {name!r} is no file below the working directory that can be imported; {to_do}")
    if not module_name:
        raise ValueError(f"target {name!r}: it names no module; expected package.module or package.module:function")
    if not all(re.fullmatch(PART, part) for part in module_name.split(".")):
        raise ValueError(f"target {name!r}: {module_name!r} names no module; expected package.module")


def _resolve(name: str) -> Any:
    """The object that ``module`` or ``module:attribute`` names."""
    check_target_name(name)
    module_name, _, attribute = name.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        where = place_of(error)
        raise ValueError(
            f"target {name!r}: there is no module {error.name!r}{where and f', imported{where}'}"
        ) from error
    except (Exception, SystemExit) as error:  # whatever its module does
        where = "" if isinstance(error, SyntaxError) else place_of(error)  # which tells its own
        raise ValueError(f"target {name!r}: importing it raised {type(error).__name__}{where}: {error}") from error
    for part in attribute.split(".") if attribute else ():
        if not hasattr(value, part):
            raise ValueError(f"target {name!r}: {getattr(value, '__name__', value)} has no {part!r}")
        value = member(value, part)
    return value


def _source(target: Target, found: Any) -> str:
    """How to write the target in Python: a name that can be imported, or the bare name of a local function."""
    if isinstance(target, str):
        return repr(target)
    if isinstance(found, ModuleType):
        return repr(found.__name__)
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", type(found).__name__)
    local = module in (None, "__main__") or "<" in name or not hasattr(found, "__qualname__")  # an object has no name
    return name.split(".")[-1] if local else repr(f"{module}:{name}")


def _packages(function: Callable[..., Any]) -> set[str]:
    """The packages of which a function's file has modules or functions, under whatever name."""
    while isinstance(function, functools.partial):
        function = function.func
    found = getattr(inspect.unwrap(function), "__globals__", {}).values()
    names = (each.__name__ if isinstance(each, ModuleType) else getattr(each, "__module__", None) for each in found)
    return {name.partition(".")[0] for name in names if isinstance(name, str)}


def _guess_adapter(functions: Mapping[str, Callable[..., Any]], tried: bool, interface: Interface) -> str:
    """The framework whose arrays the first function answers in kind; failing both, the one its module imports."""
    operation, function = next(iter(functions.items()))
    imported = _packages(function)
    asked = [
        "numpy",
        *(["torch"] if importlib.util.find_spec("torch") else []),
        *(["jax"] if "jax" in imported else []),
    ]
    if "torch" in imported and "numpy" not in imported:
        asked.sort(key=lambda adapter: adapter != "torch")  # an operator works for both, and torch differentiates it
    first = [interface, *([replace(interface, output=0)] if interface.output is None else [])]  # of several results
    may_take_tensors = "torch" in imported or "numpy" not in imported
    for how, adapter in product(first, asked if tried else ()):
        if adapter == "torch" and not may_take_tensors:
            continue  # whose import takes longer than all else here
        candidate = Candidate("probe", {operation: function}, {}, adapter, interface=how)
        question = candidate.capabilities.question(operation)
        raised = [candidate.answer(question, device).raised for device in arrays_of(adapter).devices()]
        if any(each is None or BY_NAME in each for each in raised):
            return adapter
        may_take_tensors |= any(NO_NUMPY in each for each in raised if each)
    return next((each for each in ("torch", "jax") if each in imported), "numpy")
