"""Firefox by Marionette, the driver within every Firefox: JSON messages, each after its length, on a socket."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tests.process_tools import free_ports

NAMES = ("firefox", "firefox-esr")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's name for a reference to an element
PATIENCE = 30  # seconds


def find() -> str | None:
    """MOSWEB_FIREFOX, else the system's Firefox."""
    return shutil.which(os.environ.get("MOSWEB_FIREFOX", "")) or next(filter(None, map(shutil.which, NAMES)), None)


class Firefox:
    """A headless Firefox with a profile of its own. Waiting is for something seen, never for time."""

    def __init__(self, program: str, profile: Path, *, size: tuple[int, int] = (1280, 900)) -> None:
        profile.mkdir()
        (port,) = free_ports(1)
        (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
        command = [program, "--marionette", "--headless", "--no-remote", "--profile", str(profile)]
        command += [f"--width={size[0]}", f"--height={size[1]}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._socket = self._connect(port)
        self._number = 0
        self._receive()  # its greeting
        self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def command(self, name: str, /, **parameters: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, answer = self._receive()
        if error:
            raise RuntimeError(f"{name}: {error['message']}")
        return answer

    def open(self, address: str) -> None:
        self.command("WebDriver:Navigate", url=address)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns in the page."""
        return self.command("WebDriver:ExecuteScript", script=script, args=arguments)["value"]

    def wait(self, condition: str, *arguments: Any) -> Any:
        """Until the expression is true in the page."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.run(f"return {condition}", *arguments)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not seen: {condition} {arguments}\n{self.run('return document.body.innerText')}")
            time.sleep(0.02)
        return found

    def see(self, position: int) -> None:
        """Wait until the image of this trial has been painted."""
        self.wait("document.querySelector(`#stage[data-painted='${arguments[0]}']`)", position)

    def click(self, selector: str) -> None:
        self.wait("document.querySelector(arguments[0])", selector)
        found = self.command("WebDriver:FindElement", using="css selector", value=selector)["value"]
        self.command("WebDriver:ElementClick", id=found[ELEMENT])

    def point(self, selector: str, along: float = 0.5, *, pointer: str = "mouse") -> None:
        """Click ("mouse") or tap ("touch") an element at this part of its width."""
        self.wait("document.querySelector(arguments[0])", selector)
        x, y, width, height = self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'nearest'});"
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]",
            selector,
        )
        move = {"type": "pointerMove", "x": round(x + along * width), "y": round(y + height / 2), "duration": 0}
        actions = [move, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        device = {"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": actions}
        self.command("WebDriver:PerformActions", actions=[device])
        self.command("WebDriver:ReleaseActions")

    def press(self, key: str) -> None:
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.command("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def picture(self) -> bytes:
        """A PNG of what the window shows."""
        return base64.b64decode(self.command("WebDriver:TakeScreenshot", full=False)["value"])

    def _connect(self, port: int) -> socket.socket:
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except ConnectionRefusedError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def _receive(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._exactly(1)
        return json.loads(self._exactly(int(length[:-1])))

    def _exactly(self, number: int) -> bytes:
        found = b""
        while len(found) < number:
            part = self._socket.recv(number - len(found))
            if not part:
                raise ConnectionError("Firefox has ended")
            found += part
        return found
