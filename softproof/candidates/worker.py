"""``python -m softproof.candidates.worker``: the process that an isolated candidate lives in.

It computes and nothing else: no truth, no bound and no verdict is imported here, and all that it sends is data.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
import time
import warnings
from typing import Any

from .candidate import Candidate
from .channel import Parent
from .description import described
from .frames import Message
from .guard import Guard
from .isolation.system import PR_SET_DUMPABLE, prctl
from .plain_text import plain
from .preparation import prepare
from .protocol import answer, decoded, problem_of
from .source_only import from_source_only


def main() -> None:
    """Prepare a candidate, and answer until nobody asks."""
    faulthandler.enable(all_threads=False)  # the place of a crash is in the thread that crashed
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    warnings.simplefilter("ignore")
    parent = Parent()
    first = parent.question()
    if first.body["closes"]:
        _close()
    candidate, body = _prepared(decoded(first.body["prepare"]))
    parent.answer(Message(first.nonce, body))
    while candidate is not None:
        parent.answer(_answer(candidate, parent.question()))


def _close() -> None:
    """Let no other process of this user look into this one, where a system has a way to say so."""
    if sys.platform == "linux":
        prctl(PR_SET_DUMPABLE, 0)


def _end_with(parent: int) -> None:
    """End soon after the process that asks, in the middle of a question too."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _prepared(arguments: dict[str, Any]) -> tuple[Candidate | None, dict[str, Any]]:
    """The candidate with its description, or what is wrong with the arguments."""
    from_source_only()
    guard = Guard()
    try:
        candidate = prepare(**arguments)
    except (ValueError, TypeError) as error:
        return None, {
            "refused": "TypeError" if isinstance(error, TypeError) else "ValueError",
            "words": plain(str(error)),
        }
    if replaced := guard.replaced():
        words = f"target {arguments['target']!r}: importing it replaced {', '.join(replaced)}"
        return None, {"refused": "ValueError", "words": words}
    return candidate, {"description": described(candidate)}


def _answer(candidate: Candidate, question: Message) -> Message:
    """What a directive makes of the arrays of a question."""
    body, problem = question.body, problem_of(question)
    return answer(question.nonce, candidate.tell(problem, body["device"], body["ask"], tuple(body["arguments"])))


if __name__ == "__main__":
    with contextlib.suppress(EOFError):  # which says that the parent has ended
        main()
