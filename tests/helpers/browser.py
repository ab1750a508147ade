"""A real browser, by the DevTools protocol over a pipe: it needs no package, and no page is changed for it.

https://chromedevtools.github.io/devtools-protocol describes each method that is asked for here.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any, Self

LIMIT = 30.0  # seconds for an answer
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--disable-background-networking", "--remote-debugging-pipe")  # fmt: skip
PIPED = 'exec "$@" 3<&0 4>&1 >&2'  # the pipe has these numbers


class Browser:
    """One page, what is seen of it, and what happened while it was shown."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder, self.asked, self.received, self.session = folder, 0, b"", ""
        self.events: list[dict[str, Any]] = []
        command = ["sh", "-c", PIPED, "sh", program, *OPTIONS, f"--user-data-dir={folder / 'profile'}"]
        with (folder / "errors.txt").open("wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It ends when nobody is at the other end of the pipe."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        """An empty page, of which everything is told."""
        page = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """What it answers; what happens until then is kept."""
        self.asked += 1
        number, session = self.asked, {"sessionId": self.session} if self.session else {}
        message = json.dumps({"id": number, "method": method, "params": arguments, **session})
        assert self.process.stdin is not None
        self.process.stdin.write(message.encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self._next()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise OSError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        source = self.process.stdout.fileno()
        while b"\0" not in self.received:
            more = os.read(source, 1 << 20) if select.select([source], [], [], LIMIT)[0] else b""
            if not more:
                raise OSError(f"no answer: {(self.folder / 'errors.txt').read_text(errors='replace')[-500:]}")
            self.received += more
        message, _, self.received = self.received.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def show(self, page: str) -> None:
        """Until it is loaded."""
        self.events.clear()
        file = self.folder / "page.html"
        file.write_text(page, encoding="utf-8")
        self.ask("Page.navigate", url=file.as_uri())
        while not self.happened("Page.loadEventFired"):
            self.events.append(self._next())

    def happened(self, *methods: str) -> list[dict[str, Any]]:
        """What is known of such events."""
        return [each["params"] for each in self.events if each.get("method") in methods]

    def evaluate(self, script: str) -> Any:
        """What a script finds in the page, whose own policy does not concern it."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def prefer(self, theme: str, width: int) -> None:
        """What the reader prefers, and how wide the window is."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)

    def click(self, x: float, y: float) -> None:
        """With the left button."""
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
