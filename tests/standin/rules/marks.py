"""Rows about `cache_control`."""

from collections.abc import Iterator

from standin.call import Call, PlacedBlock
from standin.rules.row import Row

_MAX_MARKS = 4


def _marked(call: Call) -> Iterator[PlacedBlock]:
    """Give what carries a mark, in the order in which the API reads a prompt."""
    tools = ((f"tools.{index}", tool) for index, tool in enumerate(call.tools))
    for path, block in (*tools, *call.system_blocks(), *call.message_blocks()):
        if block.get("cache_control"):
            yield path, block
    if call.body.get("cache_control"):
        yield "", call.body


def _too_many(call: Call) -> Iterator[str]:
    count = sum(1 for _ in _marked(call))
    if count > _MAX_MARKS:
        yield (
            f"A maximum of {_MAX_MARKS} blocks with cache_control may be provided. "
            f"Found {count}."
        )


def _ttl(call: Call) -> Iterator[str]:
    for path, block in _marked(call):
        if block["cache_control"].get("ttl", "5m") not in ("5m", "1h"):
            where = f"{path}.cache_control.ephemeral.ttl".lstrip(".")
            yield f"{where}: Input should be '5m' or '1h'"


def _ttl_order(call: Call) -> Iterator[str]:
    shorter = False
    for path, block in _marked(call):
        ttl = block["cache_control"].get("ttl", "5m")
        if ttl == "1h" and shorter:
            where = f"{path}.cache_control.ttl".lstrip(".")
            yield (
                f"{where}: a ttl='1h' cache_control block must not come after a "
                "ttl='5m' cache_control block. Note that blocks are processed in the "
                "following order: `tools`, `system`, `messages`."
            )
        shorter = shorter or ttl == "5m"


def _two_lifetimes(call: Call) -> Iterator[str]:
    """The top-level field marks the last block, which may have a mark of its own."""
    top, last = call.body.get("cache_control"), call.last_block
    own = last and last.get("cache_control")
    if top and own and top.get("ttl", "5m") != own.get("ttl", "5m"):
        yield (
            "cache_control: the last block has a cache_control with a different ttl "
            "than the request"
        )


def _empty_text(call: Call) -> Iterator[str]:
    for path, block in _marked(call):
        if block.get("type") == "text" and not block["text"]:
            yield f"{path}: cache_control cannot be set for empty text blocks"


ROWS = (
    Row("marks.too_many", _too_many),
    Row("marks.ttl", _ttl),
    Row("marks.ttl_order", _ttl_order),
    Row("marks.two_lifetimes", _two_lifetimes),
    Row("marks.empty_text", _empty_text),
)
