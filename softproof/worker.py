"""``python -m softproof.worker``: the process that an isolated candidate lives in."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .channel import Parent
from .guard import Guard
from .implementation import Candidate
from .isolated import described


def main() -> None:
    """Prepare a candidate, and answer until nobody asks."""
    faulthandler.enable(all_threads=False)  # the place of a crash is in the thread that crashed
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    warnings.simplefilter("ignore")
    parent = Parent()
    candidate, answer = _prepared(*parent.question())
    parent.answer(answer)
    while candidate is not None:
        parent.answer(_answer(candidate, *parent.question()))


def _end_with(parent: int) -> None:
    """End soon after the process that asks, in the middle of a question too."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _prepared(prepare: Callable[..., Candidate], arguments: Sequence[Any]) -> tuple[Candidate | None, Any]:
    """The candidate with its description, or what is wrong with the arguments."""
    guard = Guard()
    try:
        candidate = prepare(*arguments)
    except (ValueError, TypeError) as error:
        return None, error
    if replaced := guard.replaced():
        return None, ValueError(f"target {arguments[0]!r}: importing it replaced {', '.join(replaced)}")
    return candidate, described(candidate)


def _answer(candidate: Candidate, kind: str, what: Any, *more: Any) -> Any:
    """To a problem on a device, or all of a way's to a question."""
    if kind == "answer":
        return candidate.answer(what, *more)
    return [*what(replace(*more, candidate=candidate))]


if __name__ == "__main__":
    with contextlib.suppress(EOFError):  # which says that the parent has ended
        main()
