"""Blocks that are passed on as they were received: what their deltas add to them."""

import msgspec
from msgspec import Raw

from proxy.schema import messages_response
from proxy.translate import arguments

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw])


def with_input(
    block: messages_response.OpaqueBlock, written: str
) -> messages_response.OpaqueBlock:
    """A server tool's use with the input that its deltas spelled, as they spelled it.

    If the input was cut, the block is as it began, and not whole.
    """
    if not arguments.is_json(written):
        return messages_response.OpaqueBlock(block.type, block.received, whole=False)
    fields = {**_fields.decode(block.received), "input": Raw(written.encode())}
    return messages_response.OpaqueBlock(block.type, Raw(_encode(fields)))


def with_summary(
    block: messages_response.OpaqueBlock, delta: messages_response.CompactionDelta
) -> messages_response.OpaqueBlock:
    """A compaction with its summary, which comes in one piece."""
    fields: dict[str, Raw | str | None] = {**_fields.decode(block.received)}
    fields["content"] = delta.content
    if delta.encrypted_content is not None:
        fields["encrypted_content"] = delta.encrypted_content
    return messages_response.OpaqueBlock(block.type, Raw(_encode(fields)))
