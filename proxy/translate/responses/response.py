"""A whole message as a response (rows r7)."""

from collections.abc import Callable

from proxy.schema import messages_response
from proxy.schema import responses_response as out
from proxy.translate.responses import context, response_object, stream


def to_response(
    message: messages_response.Message,
    asked: context.Context,
    *,
    created: int,
    now: Callable[[], int],
    keep: response_object.Keep = stream.keep_nothing,
) -> out.Response:
    """Translate a complete message, as a stream of it would have ended.

    Arguments and inputs that the model wrote with white space are compact here. The
    other arguments are those of ``EventStream``.
    """
    events = stream.EventStream(asked, created=created, now=now, keep=keep)
    for event in _events(message):
        for _ in events.feed(event):
            pass
    return events.response


def _events(message: messages_response.Message) -> list[messages_response.Event]:
    """The events of a stream that had brought each block in one piece."""
    start = messages_response.StartedMessage(
        message.id,
        message.model,
        message.usage,
        message.input_transformations,
    )
    events: list[messages_response.Event] = [messages_response.MessageStart(start)]
    for index, block in enumerate(message.content):
        match block:
            case messages_response.OpaqueBlock():
                events.append(messages_response.OpaqueBlockStart(index, block))
            case _:
                events.append(messages_response.ContentBlockStart(index, block))
        events.append(messages_response.ContentBlockStop(index))
    stop = messages_response.Stop(message.stop_reason, message.stop_details)
    return [
        *events,
        messages_response.MessageDelta(stop),
        messages_response.MessageStop(),
    ]
