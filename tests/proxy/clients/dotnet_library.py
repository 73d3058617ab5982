"""OpenAI's own library for .NET, in a process of its own (`dotnet_process.py`).

Its answers have the form of those of `dotnet_client`, the imitation in Python, so that
the two can be compared.
"""

import json
import subprocess

import dotnet_client
from clients import environments
from waiting import LONG

VERSION, RUNTIME = "2.0.0", "9.0.7"
"""Of the library and of .NET. npm has neither by itself, but a program that was published
with both; the environment `dotnet` is that program."""

PATIENT = 300  # seconds, as an agent sets it


class LibraryError(Exception):
    """What the library threw; `kind` is the exception's type."""

    def __init__(self, kind, words, status):
        super().__init__(words)
        self.kind, self.status = kind, status


class Library:
    """A running process; ask it one question at a time, until the block ends."""

    def __init__(self, find_environment, environ):
        python = find_environment("pythonnet") / "bin" / "python"
        (assemblies,) = find_environment("dotnet").glob("node_modules/@azure/*/dist")
        without_icu = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        self._process = subprocess.Popen(
            [python, environments.HERE / "dotnet_process.py", assemblies],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ | without_icu | {"DOTNET_EnableDiagnostics": "0"},
            text=True,
        )
        self._end = None
        self.bytes = ""
        """The body of the last plain answer, as the library has read it."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.kill()
        self._process.stdout.close()
        self._process.wait(LONG)

    def begin(self, url, body, *, stream=False, timeout=PATIENT):
        """Ask, and do not wait. `timeout` is for each try, as `NetworkTimeout` is."""
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        question = {"url": url, "body": body | usage}
        self._tell(question | {"stream": stream, "timeout": timeout})
        self._end = None

    def cancel(self):
        """Cancel what was asked last, as a .NET program does with its token."""
        self._tell("cancel")

    def pieces(self):
        """The texts of a stream, as they come."""
        while self._end is None:
            line = self._line()
            if "text" in line:
                yield line["text"]
            else:
                self._end = line

    def answer(self):
        """What it made of the answer. Raises `LibraryError`."""
        for _ in self.pieces():
            pass
        if raised := self._end.get("raised"):
            raise LibraryError(raised["type"], raised["words"], raised["status"])
        got = self._end["answer"]
        self.bytes = got.pop("bytes", "")
        return dotnet_client.Answer(**got)

    def ask(self, url, body, **how):
        """Ask and wait for the answer. Raises `LibraryError`."""
        self.begin(url, body, **how)
        return self.answer()

    def _tell(self, command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _line(self):
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)
