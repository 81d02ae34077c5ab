"""A headless Chromium driven through its debugging pipe, without any driver to install."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
)


class Browser:
    """One tab; `problems` holds what its console complained of."""

    def __init__(self, folder: Path, *, width: int = 1200, height: int = 900) -> None:
        to_read, self._writing = os.pipe()
        self._reading, to_write = os.pipe()
        words = [
            str(CHROMIUM),
            *_SWITCHES,
            f"--user-data-dir={folder}",
            f"--window-size={width},{height}",
        ]
        plumbing = (
            f'exec 3<&{to_read} 4>&{to_write}; exec "$@"'  # Chromium reads from 3 and writes to 4
        )
        self._process = subprocess.Popen(
            ["bash", "-c", plumbing, "bash", *words],
            pass_fds=(to_read, to_write),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest, self._count, self.problems = b"", 0, list[str]()
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self.call("Browser.close")
        self._process.wait(20)
        os.close(self._reading)
        os.close(self._writing)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression; of a promise, what it comes to."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = 20) -> Any:
        """Waits in the page until an expression is true, and gives its value; the page may still be
        loading.
        """
        waiting = f"""new Promise((resolve, reject) => {{
            const end = setTimeout(() => reject(new Error("waited in vain")), {1000 * seconds});
            const look = () => {{
                let value;
                try {{ value = {condition}; }} catch (error) {{ value = undefined; }}
                if (value) {{ clearTimeout(end); resolve(value); }} else setTimeout(look, 30);
            }};
            look();
        }})"""
        return self.run(waiting)

    def screenshot(self, path: Path) -> None:
        import base64

        path.write_bytes(
            base64.b64decode(
                self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            )
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        asked: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            asked["sessionId"] = self._session
        os.write(self._writing, json.dumps(asked).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == asked["id"]:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                answer: dict[str, Any] = message["result"]
                return answer
            self._receive(message)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._reading, 2**16)
            if not more:
                raise RuntimeError("Chromium has ended")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _receive(self, message: dict[str, Any]) -> None:
        body = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(body["exceptionDetails"])[:500])
        elif message.get("method") == "Runtime.consoleAPICalled" and body["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.problems.append(json.dumps(body["args"])[:500])
        elif message.get("method") == "Log.entryAdded" and body["entry"]["level"] in (
            "error",
            "warning",
        ):
            self.problems.append(f"{body['entry']['text']} {body['entry'].get('url', '')}"[:500])
