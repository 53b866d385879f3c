"""A headless Chromium for tests, driven over its debugging pipe: no port, no driver, no package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 60.0


def program() -> str | None:
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """One browser process. `open` gives a page; whatever a page asks for, logs or breaks is in its lists."""

    def __init__(self, path: str, folder: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        # The browser reads commands from descriptor 3 and writes to 4.
        command = (
            f'exec "$0" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --remote-debugging-pipe '
            f'--disable-background-networking --disable-component-update --no-first-run --user-data-dir="$1" about:blank '
            f"3<&{to_browser} 4>&{from_browser}"
        )
        self._process = subprocess.Popen(
            ["bash", "-c", command, path, str(folder)],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        os.set_blocking(self._read, False)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.send("Browser.close")
            self._process.wait(10)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events on the way are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            said = self.receive()
            if said.get("id") == self._number:
                assert "error" not in said, said["error"]
                return said["result"]
            self.events.append(said)

    def receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._buffer:
            try:
                got = os.read(self._read, 1 << 16)
                if not got:
                    raise OSError("the browser is gone")
                self._buffer += got
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("the browser says nothing") from None
                time.sleep(0.005)
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def open(self, address: str, *, width: int, height: int = 900, dark: bool = False) -> Page:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable", session)
        self.send(
            "Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", session, features=[scheme])
        page = Page(self, session)
        self.send("Page.navigate", session, url=address)
        page.wait("Page.loadEventFired")
        return page


class Page:
    """One open page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def wait(self, method: str) -> None:
        while not self.told(method):
            self._browser.events.append(self._browser.receive())

    def told(self, method: str) -> list[dict[str, Any]]:
        events = self._browser.events
        return [e["params"] for e in events if e.get("sessionId") == self._session and e["method"] == method]

    def __call__(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        done = self._browser.send("Runtime.evaluate", self._session, expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    @property
    def requests(self) -> list[str]:
        """Every address that the page asked for, itself included."""
        return [event["request"]["url"] for event in self.told("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[str]:
        """What is in the console, and what broke."""
        logged = [event["entry"]["text"] for event in self.told("Log.entryAdded")]
        broken = [event["exceptionDetails"]["text"] for event in self.told("Runtime.exceptionThrown")]
        return [*logged, *broken, *(str(event["args"]) for event in self.told("Runtime.consoleAPICalled"))]

    def accessible(self) -> list[tuple[str, str]]:
        """Return the role and name of everything that a screen reader is told of."""
        self._browser.send("Accessibility.enable", self._session)
        nodes = self._browser.send("Accessibility.getFullAXTree", self._session)["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored") and "role" in node
        ]

    def printed(self) -> str:
        """Return the page as PDF, in base64."""
        return str(self._browser.send("Page.printToPDF", self._session, printBackground=True)["data"])

    def as_printed(self) -> None:
        """Show the page as it is printed."""
        self._browser.send("Emulation.setEmulatedMedia", self._session, media="print")

    def screenshot(self) -> bytes:
        size = self._browser.send("Page.getLayoutMetrics", self._session)["cssContentSize"]
        clip = {**size, "scale": 1}
        shot = self._browser.send("Page.captureScreenshot", self._session, clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])
