"""A stand-in for RockBot's agent: calls each tier in turn and prints the result.

A tier counts only if all three of its values are set; otherwise Balanced replaces it.
"""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

TOOL = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        },
    },
}


def tier(name):
    """A tier's endpoint, key and model."""
    parts = ("Endpoint", "ApiKey", "ModelId")
    values = [os.environ.get(f"LLM__{name}__{part}", "") for part in parts]
    return values if all(values) else tier("Balanced")


def ask(name):
    """Send a turn as the agent does; returns its finish reason, or what went wrong."""
    endpoint, key, model = tier(name)
    body = {
        "messages": [
            {"role": "system", "content": "You are an agent."},
            {"role": "system", "content": time.strftime("It is %H:%M.")},
            {"role": "user", "content": "What do you remember?"},
            {"role": "system", "content": "Recalled: nothing."},
        ],
        "model": model,
        "tools": [TOOL],
        "tool_choice": "auto",
    }
    request = urllib.request.Request(
        f"{endpoint}/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "Accept": "application/json",
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=100) as answer:
            return json.load(answer)["choices"][0]["finish_reason"]
    except urllib.error.HTTPError as ex:
        with ex:
            return f"{ex.code} {ex.read().decode()}"
    except OSError as ex:
        return f"no answer: {ex}"


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
while True:
    for each in ("Balanced", "Low", "High"):
        print(each, ask(each), flush=True)  # noqa: T201 - its log
    time.sleep(0.5)
