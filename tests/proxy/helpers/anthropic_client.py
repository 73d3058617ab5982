"""Requests through Anthropic's own SDK."""

import anthropic

from loopback import PLAIN

NEWEST = "claude-opus-5-5"
OLDER = "claude-sonnet-4-6"

WEATHER = {
    "name": "get_weather",
    "description": "Says how the weather is.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def connect(running, **options):
    """The SDK's client, which here tries everything once."""
    options = {"api_key": "unused", "max_retries": 0} | options
    options.setdefault("http_client", anthropic.DefaultHttpxClient(verify=PLAIN))
    return anthropic.Anthropic(base_url=running.url, **options)


def user(content):
    return {"role": "user", "content": content}


def ask(client, *, streamed=False, **request):
    """A message; a streamed one is put together by the SDK's own accumulator."""
    hello = {"model": NEWEST, "max_tokens": 1000, "messages": [user("Hello")]}
    request = hello | request
    if not streamed:
        return client.messages.create(**request)
    with client.messages.stream(**request) as stream:
        return stream.get_final_message()
