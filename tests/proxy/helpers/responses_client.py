"""A client of the Responses API in process: requests as data, responses as data."""

import contextlib
import json
from typing import Any

from falcon import testing

from proxy import errors

PATH = "/v1/responses"
MODEL = "claude-opus-5-5"

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
ASK = "What is the weather in Paris?"


def post(
    client: testing.TestClient, path: str = PATH, *, key: str = "", **fields: Any
) -> testing.Result:
    """Ask for a response, or by ``path`` for something else."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"model": MODEL, **fields}
    return client.simulate_post(path, json=body, headers=headers)


def created(client: testing.TestClient, **fields: Any) -> dict[str, Any]:
    """A response, plain or the last object of a stream."""
    answer = post(client, **fields)
    assert answer.status_code == 200, answer.text
    return events(answer.text)[-1]["response"] if fields.get("stream") else answer.json


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without ``[DONE]``."""
    data = [block.partition("data: ")[2] for block in text.split("\n\n")]
    return [json.loads(one) for one in data if one.startswith("{")]


def outputs(response: dict[str, Any], said: str = "Sunny.") -> list[dict[str, Any]]:
    """The outputs of a response's calls."""
    return [
        {"type": "function_call_output", "call_id": one["call_id"], "output": said}
        for one in response["output"]
        if one["type"] == "function_call"
    ]


def get(
    client: testing.TestClient, path: str, *, key: str = "", **params: Any
) -> testing.Result:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return client.simulate_get(f"{PATH}/{path}", params=params, headers=headers)


class Stream:
    """A streamed response that is read piece by piece, as a server does."""

    def __init__(
        self, client: testing.TestClient, *, key: str = "", **fields: Any
    ) -> None:
        body = json.dumps({"model": MODEL, "stream": True, **fields})
        environ = testing.create_environ(
            PATH,
            method="POST",
            headers={
                "content-type": "application/json",
                "authorization": f"Bearer {key}",
            },
            host="localhost",
            body=body,
        )
        self._body = client.app(environ, lambda *_: None)
        self._pieces = iter(self._body)
        self._text = ""
        self.cut = False

    def begin(self) -> dict[str, Any]:
        """Read the first piece; returns the response with which it begins."""
        self._text += next(self._pieces).decode()
        return events(self._text)[0]["response"]

    def rest(self) -> list[dict[str, Any]]:
        """Read on to the end, of whatever kind; all events."""
        try:
            for piece in self._pieces:
                self._text += piece.decode()
        except errors.StreamCut:
            self.cut = True
        self.leave()
        return events(self._text)

    def leave(self) -> None:
        """Let go of the response, complete or not."""
        with contextlib.suppress(AttributeError):
            self._body.close()
