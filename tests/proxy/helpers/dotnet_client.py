"""What a real .NET client sends, reads and tries again, as measured on the wire.

Microsoft.Extensions.AI over OpenAI's .NET library: 10.5 over 2.10 (an agent's own) and
10.11 over 2.14. It needs nothing but Python; `clients/test_dotnet.py` compares it with the
library itself, in an older version. The client asks four times in all where it thinks that may help, at
once unless `Retry-After` tells it to wait, and then as long as it is told.
"""

import json
from dataclasses import dataclass, field

import httpx2

from loopback import PLAIN

PATH = "/v1/chat/completions"
TRIES = 4
TRIED_AGAIN = {408, 429, 500, 502, 503, 504}
FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
TIMEOUT = 300  # seconds, for the whole answer

OLDER = {
    "Accept": "application/json",
    "User-Agent": "OpenAI/2.10.0 (.NET 10.0.12; Debian GNU/Linux 12 (bookworm)) "
    "MEAI/10.5.0",
    "Authorization": "Bearer unused",
    "Content-Type": "application/json",
}
NEWER = OLDER | {
    "User-Agent": "OpenAI/2.14.0 (.NET 10.0.12; Debian GNU/Linux 12 (bookworm)) "
    "MEAI/10.11.0",
    "X-Stainless-Lang": "csharp",
    "X-Stainless-Package-Version": "2.14.0",
    "X-Stainless-Runtime": "dotnet",
    "X-Stainless-Runtime-Version": "10.0.12",
    "X-Stainless-OS": "Linux",
    "X-Stainless-Arch": "x64",
}


class ClientResultError(Exception):
    """What the client throws for an error; its text is made of the error's words."""

    def __init__(self, status, error):
        for name in ("message", "type", "param", "code"):  # others lose every word
            assert error[name] is None or isinstance(error[name], str), error
        words = [error["type"], error["code"], error["param"], error["message"]]
        super().__init__("\n".join(filter(None, words)))
        self.status = status


@dataclass
class Answer:
    """What the client has read: of a whole answer, or of all of a stream's chunks."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list = field(default_factory=list)
    finish_reason: str | None = None
    model: str = ""
    usage: dict = field(default_factory=dict)


class Client:
    """`waits` are the pauses in seconds that it was told to make.

    It does not sleep: `wait`, where given, is called with the seconds instead.
    """

    def __init__(self, url, headers=NEWER, *, wait=None, timeout=TIMEOUT):
        self._http = httpx2.Client(
            base_url=url,
            headers=headers,
            timeout=timeout,
            trust_env=False,
            verify=PLAIN,
        )
        self._wait = wait
        self.waits = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._http.close()

    def ask(self, body):
        """`GetResponseAsync`. Raises `ClientResultError`, or the last broken connection.

        A connection that breaks or is silent for too long is tried again at once.
        """
        for last in [False] * (TRIES - 1) + [True]:
            try:
                answer = self._http.post(PATH, json=body)
            except httpx2.TransportError:
                if last:
                    raise
                continue
            if answer.status_code == 200:
                return read(answer.json())
            self._again(answer, last=last)
        raise AssertionError

    def _again(self, answer, *, last):
        """Wait as it was told to. Raises for an error that is not tried again."""
        if last or answer.status_code not in TRIED_AGAIN:
            raise ClientResultError(
                answer.status_code, json.loads(answer.read())["error"]
            )
        seconds = int(answer.headers.get("retry-after", "0"))
        self.waits.append(seconds)
        if self._wait is not None:
            self._wait(seconds)

    def stream(self, body, seen=None):
        """`GetStreamingResponseAsync`: `seen` is filled as it comes.

        An error object inside is passed over; only a cut connection raises.
        """
        seen = Answer() if seen is None else seen
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for last in [False] * (TRIES - 1) + [True]:
            with self._http.stream("POST", PATH, json=body | options) as answer:
                if answer.status_code != 200:
                    self._again(answer, last=last)
                    continue
                for line in answer.iter_lines():
                    data = line.removeprefix("data: ")
                    if data in {line, "[DONE]"}:
                        continue  # comments, event names, blank lines
                    _read_chunk(json.loads(data), seen)
                return seen
        raise AssertionError


def read(body):
    """Read a whole answer, and throw where the client throws."""
    (choice,) = body["choices"]
    message = choice["message"]
    assert choice["finish_reason"] in FINISH_REASONS
    assert message["role"] == "assistant"
    for call in message.get("tool_calls") or []:
        assert call["type"] == "function"
        assert isinstance(call["function"]["arguments"], str)
    counted = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert all(isinstance(body["usage"][name], int) for name in counted)
    return Answer(
        text=message["content"] or "",
        reasoning=message.get("reasoning_content") or "",
        refusal=message["refusal"] or "",
        calls=message.get("tool_calls") or [],
        finish_reason=choice["finish_reason"],
        model=body["model"],
        usage=body["usage"],
    )


def _read_chunk(chunk, seen):
    if "error" in chunk:
        return
    seen.model = chunk["model"]
    seen.usage = chunk.get("usage") or seen.usage
    for choice in chunk["choices"]:
        assert choice["finish_reason"] in FINISH_REASONS | {None}
        seen.finish_reason = choice["finish_reason"] or seen.finish_reason
        delta = choice["delta"]
        seen.text += delta.get("content") or ""
        seen.reasoning += delta.get("reasoning_content") or ""
        seen.refusal += delta.get("refusal") or ""
        for call in delta.get("tool_calls") or []:
            _read_call(call, seen.calls)


def _read_call(delta, calls):
    if delta["index"] == len(calls):
        function = {"name": delta["function"]["name"], "arguments": ""}
        calls.append({"id": delta["id"], "type": delta["type"], "function": function})
    call = calls[delta["index"]]
    call["function"]["arguments"] += delta["function"].get("arguments") or ""


def next_round(body, answer, result):
    """The request of the next round: each result a message of its own, as a string."""
    turn = {"role": "assistant", "tool_calls": answer.calls}
    if answer.text:
        turn["content"] = answer.text
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": result(call)}
        for call in answer.calls
    ]
    return body | {"messages": [*body["messages"], turn, *results]}
