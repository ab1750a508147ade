"""Problems as JAX arrays, answers as JAX arrays; derivatives by the transformations of JAX.

Numbers of 64 bits are switched on for the process, without which float64 is float32. JAX compiles each operation anew
for each shape, which takes seconds a question; a question that is not small is compiled as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...problem.formats import FORMATS
from ...problem.problem import Array, Output

DTYPES = tuple(FORMATS)
LAYOUTS = ("contiguous",)  # an array of JAX has no strides

jax.config.update("jax_enable_x64", True)


def check_device(device: str) -> None:
    """Raise ValueError for a device that this machine does not have."""
    _device(device)


def _device(device: str) -> Any:
    kind, _, index = device.partition(":")
    try:
        return jax.devices(kind)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError) as error:
        raise ValueError(f"device is {device!r}; JAX cannot use it: {str(error).splitlines()[0]}") from error


def devices() -> tuple[str, ...]:
    """Where something can be tried out."""
    return ("cpu",) if jax.default_backend() == "cpu" else ("cpu", jax.default_backend())


def make(values: Array, dtype: str, _layout: str, device: str) -> jax.Array:
    """An array of `dtype` with these values; integers stay int64."""
    return jax.device_put(jnp.asarray(values, dtype if values.dtype.kind == "f" else "int64"), _device(device))


def like(array: jax.Array, values: Array) -> jax.Array:
    """Numbers in the type of an array."""
    return jnp.asarray(values, array.dtype)


def join(parts: list[jax.Array]) -> jax.Array:
    """Arrays one after the other."""
    return jnp.concatenate(parts)


def copy(array: jax.Array) -> jax.Array:
    """The array itself, which nobody can write to."""
    return array


def cast(array: jax.Array, dtype: str) -> jax.Array:
    """The same numbers in another type."""
    return array.astype(dtype)


@cache
def _own_type() -> type[jax.Array]:
    """Of what JAX gives; another class may call itself an array, and give other numbers to who asks."""
    return type(jnp.zeros(()))


def take(answer: Any) -> Output:
    """A copy of what came back, in float32 or float64, without loss."""
    if not isinstance(answer, jax.Array):
        raise TypeError(f"the answer is a {type(answer).__name__}; expected a jax.Array")
    if type(answer) is not _own_type():
        raise TypeError(f"the answer is a {type(answer).__name__}; expected a jax.Array itself")
    narrow = answer.dtype.name in ("float32", "float16", "bfloat16")
    device = next(iter(answer.devices()))
    place = f"{_NAMES.get(device.platform, device.platform)}:{device.id}"
    return Output(np.array(answer, np.float32 if narrow else np.float64), answer.dtype.name, place)


_NAMES = {"gpu": "cuda"}
Call = Callable[[Mapping[str, Any]], jax.Array]
Arrays = Mapping[str, jax.Array]
SMALL = 4  # numbers of a question that is asked operation by operation, so that a state is seen that a kernel keeps
EAGER = 16  # of so many larger questions one is, for the same reason
KEPT = 128  # questions that stay compiled, for when they are asked again


def _of(call: Call, inputs: Arrays, wanted: tuple[str, ...]) -> Callable[..., jax.Array]:
    """`call` as a function of the arrays that are differentiated."""
    return lambda *some: call({**inputs, **dict(zip(wanted, some, strict=True))})


def _asked(derivative: Callable[..., Any], call: Call, wanted: tuple[str, ...], *arrays: Any) -> Any:
    """A derivative of arrays: compiled as one; operation by operation if it is small, cannot be compiled, or its turn
    comes, and then each time that it is asked again.
    """
    key, eager = getattr(call, "key", None), partial(derivative, call, wanted)
    if key is None or sum(each.size for each in arrays[0].values()) <= SMALL:
        return eager(*arrays)
    function, form = key
    key = derivative, id(function), form, wanted
    if key not in _kept:  # with its function, whose number is no other's while it is kept
        _kept[key] = function, jax.jit(_with_constants(eager)) if next(_turns) % EAGER else eager
        _kept.pop(next(iter(_kept))) if len(_kept) > KEPT else None
    try:
        return _kept[key][1](*arrays)
    except Exception:  # whatever it does with numbers that are not there while it is compiled
        _kept[key] = function, eager
        return eager(*arrays)


_kept: dict[Any, tuple[Any, Callable[..., Any]]] = {}
_turns = count(1)


def _with_constants(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, in which what does not depend on its arguments has numbers while it is compiled, and may be cached."""

    def called(*arrays: Any) -> Any:
        with jax.ensure_compile_time_eval():
            return function(*arrays)

    return called


def differentiate(
    call: Call, inputs: Arrays, wanted: tuple[str, ...], grad_output: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The value of `call` and its vector-Jacobian product with `grad_output`."""
    found: tuple[jax.Array, dict[str, jax.Array]] = _asked(_differentiated, call, wanted, inputs, grad_output)
    return found


def differentiate_twice(
    call: Call, inputs: Arrays, wanted: tuple[str, ...], before: jax.Array, grad_output: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """As `differentiate`, after a product with the gradient `before` on the same linearisation."""
    found: tuple[jax.Array, dict[str, jax.Array]] = _asked(_differentiated, call, wanted, inputs, grad_output, before)
    return found


def _differentiated(
    call: Call, wanted: tuple[str, ...], inputs: Arrays, grad_output: jax.Array, before: jax.Array | None = None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    value, back = jax.vjp(_of(call, inputs, wanted), *(inputs[name] for name in wanted))
    if value.shape != grad_output.shape or value.dtype != grad_output.dtype:  # which is reported, and no error of JAX
        return value, {name: jnp.zeros_like(inputs[name]) for name in wanted}
    if before is not None:
        back(before)
    return value, dict(zip(wanted, back(grad_output), strict=True))


def jvp(call: Call, inputs: Arrays, tangent: jax.Array) -> jax.Array:
    """The derivative of `call` in the direction `tangent` of the logits."""
    found: jax.Array = _asked(_jvp, call, ("logits",), inputs, tangent)
    return found


def _jvp(call: Call, wanted: tuple[str, ...], inputs: Arrays, tangent: jax.Array) -> Any:
    return jax.jvp(_of(call, inputs, wanted), (inputs["logits"],), (tangent,))[1]


def hvp(call: Call, inputs: Arrays, grad_output: jax.Array, tangent: jax.Array) -> jax.Array:
    """The Hessian with respect to the logits of Σ grad_output·call times `tangent`: forward over reverse mode."""
    found: jax.Array = _asked(_hvp, call, ("logits",), inputs, grad_output, tangent)
    return found


def _hvp(call: Call, wanted: tuple[str, ...], inputs: Arrays, grad_output: jax.Array, tangent: jax.Array) -> Any:
    def gradient(logits: jax.Array) -> Any:
        return jax.vjp(_of(call, inputs, wanted), logits)[1](grad_output)[0]

    return jax.jvp(gradient, (inputs["logits"],), (tangent,))[1]


def sees(_kind: str, *_arguments: object) -> bool:
    """Whether JAX has a number for a derivative that is 0: it does not tell one from a constant."""
    return False


def share_memory(_one: jax.Array, _two: jax.Array) -> bool:
    """Arrays of JAX cannot be written to, so it does not matter."""
    return False


def may_be_written(_array: jax.Array) -> bool:
    """Arrays of JAX cannot be written to."""
    return False


def overwrite(_array: jax.Array) -> None:
    """Arrays of JAX cannot be written to."""
