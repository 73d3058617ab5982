"""Cache marks: the client's own, and the two placed when it brings none (b.4 row 14).

A mark ends a prefix that Anthropic keeps: tools, then system, then messages. At most
four are allowed, the request's top-level one included. Moving marks never changes what
the model reads, nor which replayed thinking is valid.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

from msgspec import structs

from proxy.schema import anthropic, openai
from proxy.translate import warn

MAX_MARKS = 4

B = TypeVar("B", bound=anthropic.Block)
Mark = anthropic.CacheControl | None
Ttl = Literal["5m", "1h"] | None
"""The lifetime a mark without one of its own gets; ``None`` is Anthropic's 5 minutes."""


def default_ttl(options: openai.CacheOptions | None) -> Ttl:
    """OpenAI's lifetimes (30 minutes, 12 hours) both need Anthropic's longer one."""
    return "1h" if options is not None and options.ttl is not None else None


def mark(carrier: openai.Marked, ttl: Ttl) -> anthropic.CacheControl | None:
    """The mark a part, message or tool carries, in whichever API's words."""
    if carrier.cache_control is not None:
        return anthropic.CacheControl(ttl=carrier.cache_control.ttl)
    if carrier.prompt_cache_breakpoint is not None:
        own = carrier.prompt_cache_breakpoint.ttl
        return anthropic.CacheControl(ttl="1h" if own is not None else ttl)
    return None


def mark_last(blocks: Sequence[B], control: Mark) -> list[B]:
    """A message's own mark belongs to its last block."""
    if control is None or not blocks:
        return list(blocks)
    return [*blocks[:-1], structs.replace(blocks[-1], cache_control=control)]


def place(
    request: anthropic.MessagesRequest,
    *,
    automatic: bool,
    ttl: Ttl,
    warnings: warn.Warnings,
) -> anthropic.MessagesRequest:
    """The request with at most four legal marks.

    ``automatic`` places two where the client brought none: at the end of the first
    system block, which with the tools before it never changes in an agent's life, and
    (by the top-level field) on the last block, for the loop of one turn.
    """
    marked = request.cache_control is not None or any(
        control is not None for _, control in _blocks(request)
    )
    if not marked:
        if not automatic:
            return request
        own = anthropic.CacheControl(ttl=ttl)
        system = request.system
        if system:
            system = [*mark_last(system[:1], own), *system[1:]]
        return structs.replace(request, system=system, cache_control=own)
    return _limit(request, warnings)


def _blocks(request: anthropic.MessagesRequest) -> Iterator[tuple[bool, Mark]]:
    """Each block in the prompt's order: is it before the messages, and its mark."""
    for block in (*(request.tools or ()), *(request.system or ())):
        yield True, block.cache_control
    for message in request.messages:
        for content in message.content:
            if isinstance(content, anthropic.Block):
                yield False, content.cache_control


def _limit(
    request: anthropic.MessagesRequest, warnings: warn.Warnings
) -> anthropic.MessagesRequest:
    marks = list(_blocks(request))
    placed = [i for i, (_, control) in enumerate(marks) if control is not None]
    if not placed:
        return request
    room = MAX_MARKS - (request.cache_control is not None)
    head = [i for i in placed if marks[i][0]]
    turns = placed[len(head) :]
    kept_head = head[-(room - 1 if turns else room) :]
    kept = {*kept_head, *turns[-(room - len(kept_head)) :]}
    if len(kept) < len(placed):
        warnings.add("cache_marks_dropped")
    controls = [c if i in kept else None for i, (_, c) in enumerate(marks)]
    ordered = _longest_first([*controls, request.cache_control])
    if ordered != [*controls, request.cache_control]:
        warnings.add("cache_ttl_lowered")
    return _rewrite(request, ordered)


def _longest_first(controls: Sequence[Mark]) -> list[Mark]:
    """One-hour marks must stand before five-minute ones: a late one is lowered."""
    out: list[Mark] = []
    short = False
    for control in controls:
        late = short and control is not None and control.ttl == "1h"
        out.append(anthropic.CacheControl() if late else control)
        short = short or (control is not None and control.ttl != "1h")
    return out


def _rewrite(
    request: anthropic.MessagesRequest, controls: Sequence[Mark]
) -> anthropic.MessagesRequest:
    """The request with these marks: one for each block in order, then the top-level."""
    rest = iter(controls)

    def remark(block: B) -> B:
        control = next(rest)
        if control == block.cache_control:
            return block
        return structs.replace(block, cache_control=control)

    return structs.replace(
        request,
        tools=request.tools and [remark(tool) for tool in request.tools],
        system=request.system and [remark(block) for block in request.system],
        messages=[
            anthropic.Message(
                role=message.role,
                content=[
                    remark(block) if isinstance(block, anthropic.Block) else block
                    for block in message.content
                ],
            )
            for message in request.messages
        ],
        cache_control=next(rest),
    )
