"""Claude's blocks as items of a response: the one place that knows both (rows r7).

Everything here is a pure function of whole values. What of an item is still to come is
``stream``'s business.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from proxy.schema import messages_response
from proxy.schema import responses_response as out
from proxy.translate import web_search
from proxy.translate.responses import context, envelope

PREFIXES: dict[context.Kind, str] = {
    "function": "fc",
    "custom": "ctc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
    "tool_search": "tsc",
}
"""What the id of a call's item begins with."""

_encode = msgspec.json.Encoder().encode

# ------------------------------------------------------------------ messages


def text_part(
    text: str, citations: Sequence[messages_response.Citation]
) -> out.OutputText:
    """A text block: the whole of it is what its citations cite."""
    return out.OutputText(
        text=text,
        annotations=[
            out.URLCitation(
                url=citation.url,
                title=citation.title or citation.url,
                end_index=len(text),
                cited_text=_or_unset(citation.cited_text),
                encrypted_index=_or_unset(citation.encrypted_index),
            )
            for citation in citations
            if citation.type == web_search.CITED and citation.url
        ],
    )


def _or_unset(value: str | None) -> str | UnsetType:
    return UNSET if value is None else value


# ------------------------------------------------------------------ reasoning


def reasoning(
    item_id: str,
    block: messages_response.ThinkingBlock | messages_response.RedactedThinkingBlock,
    *,
    cut: bool,
) -> out.Reasoning:
    """A thinking block; one that was cut has no signature, and cannot be sent back."""
    match block:
        case messages_response.ThinkingBlock(text, signature):
            summary = [out.SummaryText(text=text)] if text else []
            whole = bool(signature)
        case messages_response.RedactedThinkingBlock():
            summary, whole = [], True
    return out.Reasoning(
        id=item_id,
        status="completed" if whole and not cut else "incomplete",
        summary=summary,
        encrypted_content=envelope.sealed([Raw(_encode(block))]) if whole else UNSET,
    )


def carrier(
    item_id: str, blocks: Sequence[messages_response.OpaqueBlock], *, cut: bool
) -> out.Reasoning:
    """What no other item can hold, so that it comes back in its place."""
    return out.Reasoning(
        id=item_id,
        status="incomplete" if cut else "completed",
        encrypted_content=envelope.sealed([block.received for block in blocks]),
    )


def compaction(item_id: str, block: messages_response.OpaqueBlock) -> out.Compaction:
    """A compaction, its block in the envelope that ``r3.compaction`` takes back."""
    return out.Compaction(
        id=item_id, encrypted_content=envelope.sealed([block.received])
    )


# ------------------------------------------------------------------ calls


def call(
    item_id: str,
    use_id: str,
    client: context.Client,
    text: str,
    status: out.ItemStatus,
) -> out.Item:
    """A call of a client's tool.

    ``text`` is the arguments' JSON; of a custom tool it is the input itself. Blank text
    gives the item with which a stream begins.
    """
    namespace = client.namespace or UNSET
    match client.kind:
        case "function":
            return out.FunctionCall(
                id=item_id,
                status=status,
                call_id=use_id,
                name=client.name,
                namespace=namespace,
                arguments=text,
            )
        case "custom":
            return out.CustomToolCall(
                id=item_id,
                status=status,
                call_id=use_id,
                name=client.name,
                namespace=namespace,
                input=text,
            )
        case "local_shell":
            return out.LocalShellCall(
                id=item_id,
                status=status,
                call_id=use_id,
                action=out.LocalShellAction(
                    **_written(Raw(text.encode()), out.LocalShellAction)
                ),
            )
        case "shell":
            return out.ShellCall(
                id=item_id,
                status=status,
                call_id=use_id,
                action=out.ShellAction(**_written(Raw(text.encode()), out.ShellAction)),
            )
        case "apply_patch":
            return out.ApplyPatchCall(
                id=item_id, status=status, call_id=use_id, operation=_operation(text)
            )
        case "tool_search":
            return out.ToolSearchCall(
                id=item_id,
                status=status,
                call_id=use_id,
                arguments=Raw(_encode(_object(Raw(text.encode())))),
            )


def _object(text: Raw) -> dict[str, Raw]:
    """The members of a JSON object; none where it is no object, or was cut."""
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except (ValueError, RecursionError):
        return {}


def _written(text: Raw, shape: type[Struct]) -> dict[str, Raw]:
    """What the model wrote of an action, as it wrote it."""
    given = _object(text)
    return {
        name: Raw(msgspec.json.format(bytes(given[name]), indent=-1))
        for name in shape.__struct_fields__
        if name in given
    }


def _operation(text: str) -> out.PatchOperation:
    given = _object(Raw(text.encode())).get("operation", Raw(b"{}"))
    written = _written(given, out.PatchOperation)
    if bytes(written.get("type", b"")) == b'"delete_file"':
        return out.PatchOperation(**written | {"diff": UNSET})  # type: ignore[arg-type]
    return out.PatchOperation(**written)


# ------------------------------------------------------------------ server tools


class ServerToolUse(Struct, frozen=True):
    """The fields of a ``server_tool_use`` block that are looked at."""

    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")


class _Query(Struct, frozen=True):
    query: str = ""


class _Hit(Struct, frozen=True):
    url: str = ""


class _Result(Struct, frozen=True):
    tool_use_id: str = ""
    content: Raw = Raw(b"[]")


class _Compaction(Struct, frozen=True):
    content: str | None = None


_use = msgspec.json.Decoder(ServerToolUse)
_query = msgspec.json.Decoder(_Query)
_result = msgspec.json.Decoder(_Result)
_hits = msgspec.json.Decoder(list[_Hit])
_compaction = msgspec.json.Decoder(_Compaction)


def server_tool_use(block: messages_response.OpaqueBlock) -> ServerToolUse:
    """What a use says of itself; nothing where it was cut or is odd."""
    try:
        return _use.decode(block.received)
    except ValueError:
        return ServerToolUse()


def answers(block: messages_response.OpaqueBlock) -> str:
    """The id of the use that a result answers."""
    return _read_result(block).tool_use_id


def is_error(block: messages_response.OpaqueBlock) -> bool:
    """Whether a search's result is an error: only hits come as a list."""
    return _found(block) is None


def has_summary(block: messages_response.OpaqueBlock) -> bool:
    """Whether a compaction holds one: without it, it stands for nothing."""
    try:
        return bool(_compaction.decode(block.received).content)
    except ValueError:
        return False


def search(
    item_id: str,
    use: messages_response.OpaqueBlock,
    result: messages_response.OpaqueBlock | None,
    *,
    sources: bool,
) -> out.WebSearchCall:
    """A web search; ``result`` is ``None`` where the message ended before it came."""
    try:
        query = _query.decode(server_tool_use(use).input).query
    except ValueError:
        query = ""
    found = _found(result) if result else None
    failed: out.SearchStatus = "incomplete" if result is None else "failed"
    return out.WebSearchCall(
        id=item_id,
        status=failed if found is None else "completed",
        action=out.SearchAction(
            query=query,
            queries=[query] if query else [],
            sources=[out.SearchSource(hit.url) for hit in found or () if hit.url]
            if sources
            else UNSET,
        ),
    )


def _read_result(block: messages_response.OpaqueBlock) -> _Result:
    try:
        return _result.decode(block.received)
    except ValueError:
        return _Result()


def _found(result: messages_response.OpaqueBlock) -> list[_Hit] | None:
    try:
        return _hits.decode(_read_result(result).content)
    except ValueError:
        return None
