"""A real browser, driven over its DevTools protocol through a pipe: Debian's `chromium`, no more to install."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 60  # a browser's first start on a loaded machine is slow


def find_browser() -> str | None:
    """Find the program of a browser."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab of a headless browser, for as long as it is entered as a context.

    `problems` are the errors that the page had: of its script, of its Content-Security-Policy, of what it loaded.
    `loaded` is what it asked for, but for what stands in the page itself.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self.problems: list[str] = []
        self.loaded: list[str] = []
        self._command = [
            program,
            *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-sync"),
            *("--disable-component-update", f"--user-data-dir={profile}", "about:blank"),
        ]
        self._number = 0
        self._buffer = b""
        self._is_loaded = False
        self._session: str | None = None

    def __enter__(self) -> Browser:  # noqa: PYI034 - typing.Self is newer than Python 3.10
        """Start the browser, and take its first tab."""
        there, self._out = os.pipe()
        self._in, back = os.pipe()
        # The browser reads from 3 and writes to 4: neither may be one of ours.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (there, back)]
        null = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, to) for to in (0, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, end, to) for end, to in zip(ends, (3, 4), strict=True)]
        self._process = os.posix_spawn(self._command[0], self._command, dict(os.environ), file_actions=actions)
        for end in (there, back, *ends, null):
            os.close(end)
        tabs = self._wait_for_tab()
        self._session = self.call("Target.attachToTarget", targetId=tabs[0], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the browser."""
        os.close(self._out)  # it ends by itself when nobody can talk to it any more
        deadline = time.monotonic() + 5
        while os.waitpid(self._process, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)
                break
            time.sleep(0.02)
        os.close(self._in)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and note the events that come before its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self._is_loaded = False
        self.call("Page.navigate", url=url)
        while not self._is_loaded:
            self._note(self._read())

    def run(self, script: str) -> Any:
        """Give the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Wait until an expression in the page is true, and give its value."""
        deadline = time.monotonic() + TIMEOUT_S
        while (value := self.run(script)) in (None, False, 0, ""):  # an element comes as an empty object
            assert time.monotonic() < deadline, f"never true: {script}\n{self.run('document.body?.innerText')}"
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def look(self, *, width: int, height: int, scheme: str = "light") -> None:
        """Look at the page through a window of a size, in light or in dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _wait_for_tab(self) -> list[str]:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            targets = self.call("Target.getTargets")["targetInfos"]
            if tabs := [one["targetId"] for one in targets if one["type"] == "page"]:
                return tabs
            time.sleep(0.05)
        raise TimeoutError("the browser has opened no tab")

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], TIMEOUT_S)
            part = os.read(self._in, 1 << 16) if ready else b""
            if not part:
                raise ConnectionError("the browser does not answer")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, message: Mapping[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Page.loadEventFired":
            self._is_loaded = True
        elif message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif message.get("method") == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(
            "data:"
        ):
            self.loaded.append(parameters["request"]["url"])
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
