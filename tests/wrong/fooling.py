"""Implementations that could fool a judge who lives in the same process, or end it; the last ones are harmless.

All answer a problem of one row rightly, so that what they do happens in the middle of a run.
"""

from __future__ import annotations

import builtins
import itertools
import os
import signal
import sys
import time
from typing import Any

import numpy as np

import softproof.verdicts.misfits
from manual.arrays import Array


def _softmax(logits: Array) -> Array:
    with np.errstate(all="ignore"):
        e = np.exp(logits - logits.max(-1, keepdims=True, initial=-np.inf))
        return np.asarray(e / e.sum(-1, keepdims=True))


def _one_row(logits: Any) -> bool:
    return logits.ndim < 2 or len(logits) < 2


# ---- the process ----------------------------------------------------------------------------------------------------


def exits(logits: Array) -> Array:
    """Ends the process, which nothing in it can prevent."""
    if not _one_row(logits):
        os._exit(0)
    return _softmax(logits)


_CALLS = itertools.count(1)


def exits_at_the_eighth_call(logits: Array) -> Array:
    """Ends the process whatever it is asked, once it has answered seven times."""
    if next(_CALLS) >= 8:
        os._exit(0)
    return _softmax(logits)


def quits(logits: Array) -> Array:
    """Ends the program."""
    if not _one_row(logits):
        sys.exit("out of patience")
    return _softmax(logits)


def crashes(logits: Array) -> Array:
    """Reads where there is nothing."""
    if not _one_row(logits):
        os.kill(os.getpid(), signal.SIGSEGV)
    return _softmax(logits)


def grows(logits: Array) -> Array:
    """Is killed, as by a system without memory."""
    if not _one_row(logits):
        os.kill(os.getpid(), signal.SIGKILL)
    return _softmax(logits)


def hangs(logits: Array) -> Array:
    """Waits for something that never comes."""
    while not _one_row(logits):
        time.sleep(0.1)
    return _softmax(logits)


def crashes_when_tried(_logits: Array) -> Array:
    """Ends the process whatever it is asked."""
    os._exit(7)


def interrupts(logits: Array) -> Array:
    """Raises what nobody catches."""
    if not _one_row(logits):
        raise KeyboardInterrupt
    return _softmax(logits)


def complains(logits: Array) -> Array:
    """Says why it ends."""
    if not _one_row(logits):
        print("no kernel image is available", file=sys.stderr, flush=True)
        os._exit(1)
    return _softmax(logits)


_BROKEN: list[str] = []


def breaks_its_device(logits: Array) -> Array:
    """Reads beyond a tensor, after which the device computes nothing more for this process."""
    if not _one_row(logits):
        _BROKEN.append("CUDA error: an illegal memory access was encountered")
    if _BROKEN:
        raise RuntimeError(_BROKEN[0])
    return _softmax(logits)


# ---- what everybody shares ------------------------------------------------------------------------------------------


def hides_what_it_writes(logits: Array) -> Array:
    """Writes its input, and replaces the function that would tell."""
    found = _softmax(logits)
    if not _one_row(logits):
        np.array_equal = lambda *_arguments, **_options: True
        logits[...] = 0
    return found


def replaces_the_judge(logits: Array) -> Array:
    """Makes every answer one."""
    if not _one_row(logits):
        softproof.verdicts.misfits.not_an_answer = lambda *_arguments: ""
    return np.zeros_like(logits) if not _one_row(logits) else _softmax(logits)


def replaces_a_builtin(logits: Array) -> Array:
    """Makes everything true."""
    if not _one_row(logits):
        builtins.all = lambda _: True
    return _softmax(logits)


def leaves_its_error_state(logits: Array) -> Array:
    """Silences the warnings of everybody after it."""
    if not _one_row(logits):
        np.seterr(all="ignore")
    return _softmax(logits)


# ---- the answer -----------------------------------------------------------------------------------------------------

_EARLIER: list[Array] = []


def remembers(logits: Array) -> Array:
    """Answers what it was asked before, if the shape is the same."""
    kept = next((each for each in _EARLIER if each.shape == logits.shape), None)
    _EARLIER[:] = [_softmax(logits), *_EARLIER][:8]
    return _EARLIER[0] if kept is None or _one_row(logits) else kept.astype(logits.dtype)


def right_where_it_is_small(logits: Array) -> Array:
    """Wrong on more than a thousand numbers, which nobody looks at."""
    found = _softmax(logits)
    return found * 1.001 if logits.size > 1000 else found


def writes(logits: Array) -> Array:
    """Works in the array that it is given."""
    found = _softmax(logits)
    if logits.flags.writeable and not _one_row(logits):
        logits -= logits.max(-1, keepdims=True, initial=0)
    return found


class _Shaped(np.ndarray[Any, Any]):
    """An array that says it has the shape of another."""

    shape = property(lambda self: self.said)
    said: tuple[int, ...]


def lies_about_its_shape(logits: Array) -> Array:
    """One number too many in every row."""
    found = _softmax(logits)
    if _one_row(logits):
        return found
    wrong = np.concatenate([found, found[..., :1]], -1).view(_Shaped)
    wrong.said = logits.shape
    return wrong


# ---- and who is right -----------------------------------------------------------------------------------------------


def prints(logits: Array) -> Array:
    """A progress bar, a megabyte in all, on both standard streams and past Python."""
    print("#" * 10_000)
    print("#" * 10_000, file=sys.stderr)
    os.write(1, b"#" * 10_000)
    return _softmax(logits)


def reads(logits: Array) -> Array:
    """Asks whether to go on, and nobody is there."""
    try:
        input("go on? ")
    except EOFError:
        return _softmax(logits)
    return logits
