"""A headless Chromium, driven over the DevTools protocol on a pipe."""

import base64
import json
import os
import subprocess

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # the tests run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)

SECONDS = 60
"""How long a page may take for what a test waits for."""


class Browser:
    """One browser with one page."""

    def __init__(self, executable, directory):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()

        def descriptors():  # Chromium reads commands from 3 and writes answers to 4
            given = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(given[0], 3)
            os.dup2(given[1], 4)

        self._process = subprocess.Popen(
            [executable, *ARGUMENTS, f"--user-data-dir={directory}", "about:blank"],
            preexec_fn=descriptors,  # noqa: PLW1509 - it only copies descriptors
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in = os.fdopen(ours_in, "rb", buffering=0)
        self._out = os.fdopen(ours_out, "wb", buffering=0)
        self._number, self._rest, self._session = 0, b"", None
        self.requested: list[str] = []
        """The URLs that the page asked for."""
        self.complaints: list[str] = []
        """What the page wrote to its console, and its exceptions."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        self._in.close()
        self._out.close()

    def call(self, method, **parameters):
        """One command of the protocol; returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _read(self):
        while b"\0" not in self._rest:
            data = self._in.read(1 << 16)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        match event:
            case {"method": "Network.requestWillBeSent", "params": {"request": asked}}:
                if not asked["url"].startswith("data:"):
                    self.requested.append(asked["url"])
            case {"method": "Runtime.exceptionThrown", "params": told}:
                self.complaints.append(json.dumps(told["exceptionDetails"]))
            case {"method": "Runtime.consoleAPICalled", "params": told}:
                self.complaints.append(json.dumps(told["args"]))
            case {"method": "Log.entryAdded", "params": {"entry": entry}}:
                self.complaints.append(entry["text"])

    def run(self, script):
        """What a script gives, a promise's value included."""
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def open(self, url, *, width=1180, height=900, scheme="light"):
        """Open a page in a window of this size and colour scheme; wait for its charts."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call("Page.navigate", url=url)
        self.wait_for("document.body?.dataset.state === 'drawn'")

    def wait_for(self, condition):
        """Wait until a script's expression holds."""
        self.run(
            f"""new Promise((done, failed) => {{
                setTimeout(() => failed(Error("in vain")), {SECONDS * 1000});
                const look = () => {{
                    let holds = false;
                    try {{ holds = {condition}; }} catch {{}}
                    holds ? done(true) : setTimeout(look, 50);
                }};
                look();
            }})"""
        )

    def text(self):
        """What a reader sees."""
        return self.run("document.body.innerText")

    def picture(self):
        """The whole page as PNG."""
        taken = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True
        )
        return base64.b64decode(taken["data"])
