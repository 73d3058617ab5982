"""Cache breakpoints: the client's own, or those added when it sets none (b4.caching).

A block with ``cache_control`` ends a prefix that Anthropic caches: tools, then system,
then messages. At most four are allowed, the request's top-level one included. Moving
breakpoints never changes what the model reads, nor which replayed thinking is valid.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, TypeVar

from msgspec import structs

from proxy.schema import common, messages_request
from proxy.translate import ask, warn

MAX_BREAKPOINTS = 4

B = TypeVar("B", bound=messages_request.Block)
Control = messages_request.CacheControl | None
Ttl = Literal["5m", "1h"] | None
"""The lifetime of a breakpoint that names none; ``None`` is Anthropic's 5 minutes."""


def default_ttl(options: common.CacheOptions | None) -> Ttl:
    """OpenAI's lifetimes (30 minutes, 12 hours) both take Anthropic's longer one."""
    return "1h" if options is not None and options.ttl is not None else None


def control_of(carrier: common.Cacheable) -> Control:
    """The ``cache_control`` of a part, message or tool, set in either API's terms."""
    if carrier.cache_control is not None:
        return messages_request.CacheControl(ttl=carrier.cache_control.ttl)
    if carrier.prompt_cache_breakpoint is not None:
        if carrier.prompt_cache_breakpoint.ttl is None:
            return messages_request.DefaultCacheControl()
        return messages_request.CacheControl(ttl="1h")
    return None


def set_on_last(blocks: Sequence[B], control: Control) -> list[B]:
    """The blocks with ``control`` on the last, of at least one."""
    return [*blocks[:-1], structs.replace(blocks[-1], cache_control=control)]


def mark_last(blocks: list[Any], control: Control) -> None:
    """Put ``control`` on the last of these blocks, in place; thinking takes none."""
    if (
        control is not None
        and blocks
        and isinstance(blocks[-1], messages_request.Block | ask.Call)
    ):
        blocks[-1] = structs.replace(blocks[-1], cache_control=control)


def place(
    request: messages_request.MessagesRequest,
    *,
    automatic: bool,
    ttl: Ttl,
    prefix_ttl: Ttl = None,
    warnings: warn.Warnings,
) -> messages_request.MessagesRequest:
    """The request with at most four valid breakpoints, each with its lifetime.

    ``ttl`` is the lifetime of those that name none, ``prefix_ttl`` of the first that is
    added where ``ttl`` is not given either.

    ``automatic`` adds them where the client set none.
    """
    if _has_own(request):
        return _limit(request, ttl, warnings)
    if not automatic:
        return request
    own = messages_request.CacheControl(ttl=ttl)
    head = messages_request.CacheControl(ttl=ttl or prefix_ttl)
    return _with_added(structs.replace(request, cache_control=own), own, head)


def _with_added(
    request: messages_request.MessagesRequest, own: Control, head: Control
) -> messages_request.MessagesRequest:
    """The request with breakpoints where later requests are likely to find a prefix.

    Its end has the top-level one. The others cost nothing, because all that precedes
    the end is written anyway:

    * The first system block, or the last tool where there is none. With the tools before
      it that rarely changes in an agent's life.
    * Two places among the messages (``_worth_keeping``).
    * If there are some to spare, as in the first request of a conversation: the end of
      the system prompt, for other conversations, and of the tools, for clients whose
      system prompt says what time it is. Later requests look back to it.
    """
    messages = [*request.messages]
    spare = MAX_BREAKPOINTS - 2
    for i in _worth_keeping(messages):
        content = _marked(messages[i].content, own)
        if content is not None:
            messages[i] = structs.replace(messages[i], content=content)
            spare -= 1
    tools, system = request.tools, request.system
    if system:
        if spare and len(system) > 1:
            system = set_on_last(system, own)
            spare -= 1
        system = [*set_on_last(system[:1], head), *system[1:]]
    if tools and (spare or not system):
        tools = set_on_last(tools, head)  # an hour may not come after five minutes
    return structs.replace(request, tools=tools, system=system, messages=messages)


def _worth_keeping(messages: Sequence[messages_request.Message]) -> list[int]:
    """At most two messages before the last whose ends a later request may begin with.

    * What the request before ended with, which was kept then. Anthropic looks no more
      than 20 blocks back from a breakpoint, and a step with ten calls has more.
    * The results, or what else the client added first since the model spoke, and if it
      added nothing more, what the model said. Many clients end each request with a
      reminder (the time, recalled memories) that the next one lacks.
    """
    last = len(messages) - 1
    newest = last + 1
    while newest and messages[newest - 1].role != "assistant":
        newest -= 1
    spoken = newest
    while spoken and messages[spoken - 1].role == "assistant":
        spoken -= 1
    added_first = newest if newest < last else newest - 1
    return sorted({i for i in (spoken - 1, added_first) if 0 <= i < last})


def _marked(
    content: Sequence[messages_request.ContentBlock], control: Control
) -> list[messages_request.ContentBlock] | None:
    """The blocks with ``control`` on the last that takes one; ``None`` if none does."""
    for i in reversed(range(len(content))):
        block = content[i]
        if isinstance(block, messages_request.Block):
            marked = structs.replace(block, cache_control=control)
            return [*content[:i], marked, *content[i + 1 :]]
    return None


def _has_own(request: messages_request.MessagesRequest) -> bool:
    """Whether the client set any breakpoint."""
    contents = [message.content for message in request.messages]
    carriers = chain([request], request.tools or (), request.system or (), *contents)
    for carrier in carriers:  # of which thinking and raw blocks can have none
        if getattr(carrier, "cache_control", None) is not None:
            return True
    return False


def _blocks(
    request: messages_request.MessagesRequest,
) -> Iterator[tuple[bool, Control]]:
    """Each block in prompt order: whether it precedes the messages, and its control."""
    for block in (*(request.tools or ()), *(request.system or ())):
        yield True, block.cache_control
    for message in request.messages:
        for content in message.content:
            if isinstance(content, messages_request.Block):
                yield False, content.cache_control


def _limit(
    request: messages_request.MessagesRequest, ttl: Ttl, warnings: warn.Warnings
) -> messages_request.MessagesRequest:
    found = list(_blocks(request))
    placed = [i for i, (_, control) in enumerate(found) if control is not None]
    if not placed:
        return request
    room = MAX_BREAKPOINTS - (request.cache_control is not None)
    head = [i for i in placed if found[i][0]]
    turns = placed[len(head) :]
    kept_head = head[-(room - 1 if turns else room) :]
    kept = {*kept_head, *turns[-(room - len(kept_head)) :]}
    if len(kept) < len(placed):
        warnings.add("cache_marks_dropped", param="cache_control")
    controls = [_timed(c, ttl) if i in kept else None for i, (_, c) in enumerate(found)]
    ordered = _longest_first([*controls, request.cache_control])
    if ordered != [*controls, request.cache_control]:
        warnings.add("cache_ttl_lowered", param="cache_control")
    return _rewrite(request, ordered)


def _timed(control: Control, ttl: Ttl) -> Control:
    is_default = isinstance(control, messages_request.DefaultCacheControl)
    return messages_request.CacheControl(ttl=ttl) if is_default else control


def _longest_first(controls: Sequence[Control]) -> list[Control]:
    """One-hour breakpoints must precede five-minute ones: a later one is lowered."""
    out: list[Control] = []
    short = False
    for control in controls:
        late = short and control is not None and control.ttl == "1h"
        out.append(messages_request.CacheControl() if late else control)
        short = short or (control is not None and control.ttl != "1h")
    return out


def _rewrite(
    request: messages_request.MessagesRequest, controls: Sequence[Control]
) -> messages_request.MessagesRequest:
    """The request with these controls: one per block in order, then the top-level one."""
    rest = iter(controls)

    def with_next(block: B) -> B:
        control = next(rest)
        if control == block.cache_control:
            return block
        return structs.replace(block, cache_control=control)

    return structs.replace(
        request,
        tools=request.tools and [with_next(tool) for tool in request.tools],
        system=request.system and [with_next(block) for block in request.system],
        messages=[
            messages_request.Message(
                role=message.role,
                content=[
                    with_next(block)
                    if isinstance(block, messages_request.Block)
                    else block
                    for block in message.content
                ],
            )
            for message in request.messages
        ],
        cache_control=next(rest),
    )
