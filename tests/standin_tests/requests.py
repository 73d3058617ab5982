"""Requests to the stand-in, good ones and parts to break them with."""

from standin import answers, call, events

NEW = {"anthropic-version": "2026-10-21", "authorization": "Bearer any"}
OLD = NEW | {"anthropic-version": "2023-06-01"}
BINDING = NEW | {"anthropic-beta": "thinking-binding-controls-2026-08-01"}

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
PDF = "JVBERi0xLjcK"
JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def text(words, **fields):
    return {"type": "text", "text": words} | fields


def user(*content):
    match content:
        case [str(words)]:
            return {"role": "user", "content": words}
        case _:
            return {"role": "user", "content": list(content)}


def assistant(*content):
    return user(*content) | {"role": "assistant"}


def system(words):
    return {"role": "system", "content": words}


def tool(name="get_weather", **fields):
    return {"name": name, "input_schema": schema(city={"type": "string"})} | fields


def schema(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def use(id_="toolu_1", name="get_weather"):
    return {"type": "tool_use", "id": id_, "name": name, "input": {"city": "Paris"}}


def result(id_="toolu_1", content="sunny"):
    return {"type": "tool_result", "tool_use_id": id_, "content": content}


def image(**source):
    return {"type": "image", "source": source}


def png(data=PNG, media_type="image/png"):
    return image(type="base64", media_type=media_type, data=data)


def document(**source):
    return {"type": "document", "source": source}


def body(**fields):
    good = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 4000,
        "messages": [user("Hello")],
    } | fields
    return {name: value for name, value in good.items() if value is not ...}


def loop(*assistant_content, **fields):
    """A conversation in the middle of a tool loop."""
    turn = assistant(*(assistant_content or (use(),)))
    return body(messages=[user("Hello"), turn, user(result())], tools=[tool()]) | fields


def formatted(shape, **fields):
    form = {"type": "json_schema", "schema": shape}
    return body(output_config={"format": form}, **fields)


def answered(request, headers=NEW):
    """The answer of the stand-in to a good request, as a plain message."""
    return events.message(answers.answer(call.Call(request, headers)), {}, {})


def thought(request):
    """The answer of the stand-in to a request, as the next assistant message."""
    return assistant(*answered(request)["content"])
