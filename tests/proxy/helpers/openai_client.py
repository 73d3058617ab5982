"""Requests through the official OpenAI client, and what reached the stand-in."""

import openai
from openai.lib.streaming import chat

KEY = "sk-ant-canary-of-the-tests"
"""The API key of the proxies that the tests start; it must show up nowhere."""

NEWEST = "claude-opus-5-5"
OLDER = "claude-sonnet-4-6"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Says how the weather is.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
FLAT_WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Says how the weather is.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
"""The same for the Responses API, strict."""
CLOCK = {
    "type": "function",
    "function": {
        "name": "read_clock",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"type": "string", "enum": ["UTC", "CET"]}},
            "required": ["zone"],
        },
    },
}


def connect(running, *, strict=True, **options):
    """The official client, which here tries everything once."""
    options = {"api_key": "unused", "max_retries": 0} | options
    return openai.OpenAI(
        base_url=f"{running.url}/v1", _strict_response_validation=strict, **options
    )


def user(content):
    return {"role": "user", "content": content}


def ask(client, *, streamed=False, **request):
    """A completion; a streamed one is put together by the client's own accumulator."""
    request = {"model": NEWEST, "messages": [user("Hello")]} | request
    if not streamed:
        return client.chat.completions.create(**request)
    state = chat.ChatCompletionStreamState()
    with client.chat.completions.create(**request, stream=True) as stream:
        for chunk in stream:
            state.handle_chunk(chunk)
    return state.current_completion_snapshot


def chunks(client, **request):
    request = {"model": NEWEST, "messages": [user("Hello")]} | request
    with client.chat.completions.create(**request, stream=True) as stream:
        return list(stream)


def sent(standin):
    """The bodies that reached the Messages API, each accepted by the stand-in."""
    received = [one for one in standin.requests if one.path == "/v1/messages"]
    assert [one.rule for one in received] == [None] * len(received)
    return [one.body for one in received]


def turn_of(message):
    """An answer as the next request's history holds it, unknown fields included."""
    return message.to_dict(mode="json") | {"role": "assistant"}
