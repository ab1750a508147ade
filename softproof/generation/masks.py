"""Masks that come in runs: as padding, prompts, packed sequences and tiles leave places out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..problem.problem import Array

RUN = 2.0  # in place of the share of labels that are ignored one by one
FEWER_BITS = "a label in 32 bits"  # in place of the label that is ignored
CHUNKS = (16, 17, 33, 65)  # rows around and above chunks, not a multiple of any
BLOCKS = tuple(1 << power for power in range(1, 18))  # places of a warp, a tile, a chunk or a shard
Run = Callable[[np.random.Generator, int], Array]


def _length(rng: np.random.Generator, size: int) -> int:
    """Of a run: a block, or one place more or less, or any, from a log-uniform distribution."""
    fit = [block for block in BLOCKS if block < size]
    if not fit or rng.random() < 0.3:
        return int(min(size - 1, 2.0 ** rng.uniform(0, np.log2(max(2, size)))))
    block = fit[-1 - int(rng.integers(min(len(fit), 3)))]  # not the smallest, where larger ones fit
    return int(np.clip(block + rng.choice((-1, 0, 0, 0, 0, 1)), 1, size - 1))


def _prefix(rng: np.random.Generator, size: int) -> Array:
    return np.asarray(np.arange(size) < _length(rng, size))


def _suffix(rng: np.random.Generator, size: int) -> Array:
    return np.asarray(np.arange(size) >= size - _length(rng, size))


def _blocks(rng: np.random.Generator, size: int) -> Array:
    """Some of the blocks of one size, one at least, and not all."""
    block = np.arange(size) // _length(rng, size)
    chosen = rng.random(block[-1] + 1) < 0.5
    chosen[rng.integers(len(chosen))] ^= chosen.all() or not chosen.any()
    return np.asarray(chosen[block])


def _sequences(rng: np.random.Generator, size: int) -> Array:
    """The first places of each of several sequences, as their prompts."""
    mask = np.zeros(size, bool)
    starts = np.sort(rng.integers(0, size, rng.integers(1, 5)))
    for start, end in zip(starts, [*starts[1:], size], strict=True):
        mask[start : start + int((end - start) * rng.random()) + 1] = True
    return mask


def _all_but_one(rng: np.random.Generator, size: int) -> Array:
    return np.asarray(np.arange(size) != (0, size - 1, int(rng.integers(size)))[rng.integers(3)])


RUNS: dict[str, Run] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "blocks": _blocks,
    "sequences": _sequences,
    "all but one": _all_but_one,
}


def run(rng: np.random.Generator, size: int, kind: str = "") -> Array:
    """Which of so many places in a row are left out, (size,); of two or more some are, and some are not.

    `kind` is one of `RUNS`; by default it is drawn.

    >>> run(np.random.default_rng(2), 9).astype(int).tolist()
    [0, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    if size < 2:
        return np.zeros(size, bool)
    found = RUNS[kind or str(rng.choice(list(RUNS)))](rng, size)
    if found.all():
        found[rng.integers(size)] = False
    return found


def run_of_rows(rng: np.random.Generator, shape: tuple[int, ...], kind: str = "") -> Array:
    """Rows of any shape in one run, in the order of memory; or of several images one as a whole."""
    if not kind and len(shape) > 1 and shape[0] > 1 and rng.random() < 0.3:
        whole = np.zeros(shape, bool)
        whole[rng.integers(shape[0])] = True
        return whole
    return run(rng, int(np.prod(shape)), kind).reshape(shape)


def runs_along(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> Array:
    """A run along one axis: the same in each row, or its own in each."""
    size = shape[axis]
    others = tuple(np.delete(shape, axis))
    if rng.random() < 0.5:
        return np.moveaxis(np.broadcast_to(run(rng, size), (*others, size)), -1, axis).copy()
    own = np.array([run(rng, size) for _ in range(int(np.prod(others)))], bool)
    return np.moveaxis(own.reshape(*others, size), -1, axis).copy()
