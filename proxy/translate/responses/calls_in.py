"""Calls and outputs of the history, each kind of item in one place (rows r3)."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from proxy.schema import responses_items as wire
from proxy.translate import ask, cache, content, names
from proxy.translate.responses import content as parts
from proxy.translate.responses import context, tools

Calling = (
    wire.FunctionCall
    | wire.CustomToolCall
    | wire.LocalShellCall
    | wire.ShellCall
    | wire.ApplyPatchCall
    | wire.ToolSearchCall
)
Answering = (
    wire.FunctionCallOutput
    | wire.ShellCallOutput
    | wire.LocalShellCallOutput
    | wire.ApplyPatchCallOutput
    | wire.ToolSearchOutput
)

_encode = msgspec.json.Encoder().encode


class Answer(Struct, frozen=True, kw_only=True):
    """An output of the history, and the id of the call that it answers."""

    call_id: str
    result: ask.Result


def called(item: Calling, at: str) -> ask.Call:
    """A call as the tool's own arguments; ``at`` is the path of the item."""
    match item:
        case wire.FunctionCall(name=name, namespace=namespace, arguments=arguments):
            client = context.Client(name=name, namespace=namespace or None)
            return _called(item, client, arguments, f"{at}.arguments")
        case wire.CustomToolCall(name=name, namespace=namespace, input=text):
            client = context.Client(
                kind="custom", name=name, namespace=namespace or None
            )
            given = _encode({"input": text}).decode()
            return _called(item, client, given, f"{at}.input")
        case wire.LocalShellCall(action=action):
            given = _object({k: v for k, v in action.items() if k != "type"})
            return _called(item, _built_in("local_shell"), given, f"{at}.action")
        case wire.ShellCall(action=action):
            return _called(item, _built_in("shell"), _object(action), f"{at}.action")
        case wire.ApplyPatchCall(operation=operation):
            given = f'{{"operation":{_object(operation)}}}'
            return _called(item, _built_in("apply_patch"), given, f"{at}.operation")
        case wire.ToolSearchCall(arguments=written):
            given = bytes(written).decode()
            return _called(item, _built_in("tool_search"), given, f"{at}.arguments")


def _called(
    item: Calling, client: context.Client, arguments: str | None, at: str
) -> ask.Call:
    return ask.Call(
        id=item.call_id or "",
        name=tools.full_name(client),
        arguments=arguments,
        at=at,
        cache_control=cache.control_of(item),
    )


def _built_in(kind: context.Kind) -> context.Client:
    return context.Client(kind=kind, name=kind)


def _object(fields: Mapping[str, Raw]) -> str:
    """A JSON object of the fields that are not ``null``, as they were written."""
    return _encode({k: v for k, v in fields.items() if bytes(v) != b"null"}).decode()


def answer(item: Answering, at: str) -> Answer:
    """An output as a result; ``at`` is the path of the item.

    Raises ``InvalidRequestError`` for one that names no call, and for parts that Claude
    cannot take.
    """
    control = cache.control_of(item)
    match item:
        case wire.FunctionCallOutput(call_id=call_id, output=given, is_error=failed):
            if not isinstance(given, list):
                return _answer(call_id, given, control, failed=failed is True)
            control = parts.control_of_dropped(given) or control
            blocks = parts.user_blocks(given, at=f"{at}.output")
            return _answer(call_id, blocks, control, failed=failed is True)
        case wire.ShellCallOutput(call_id=call_id, output=written):
            return _answer(call_id, bytes(written).decode(), control)
        case wire.LocalShellCallOutput(output=given):
            return _answer(item.call_id or item.id or "", given, control)
        case wire.ApplyPatchCallOutput(call_id=call_id, output=given, status=status):
            said = status if content.is_blank(given) else given
            return _answer(call_id, said, control, failed=status == "failed")
        case wire.ToolSearchOutput(call_id=call_id, tools=found):
            loaded = tools.loaded(found or (), at=f"{at}.tools")
            listed = map(names.tool_name, loaded)
            return _answer(call_id or "", "\n".join(listed), control)


def _answer(
    call_id: str,
    given: str | list[ask.UserBlock] | None,
    control: ask.Control,
    *,
    failed: bool = False,
) -> Answer:
    return Answer(call_id=call_id, result=content.result(given, control, failed=failed))
