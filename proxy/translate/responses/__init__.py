"""The Responses API, translated both ways (its contract is docs/responses.md).

A request is a list of items, and becomes turns of blocks; a response is blocks, and
becomes items.

    request             a ResponsesRequest as an Ask
      turns, calls_in   items as turns, each call with its output
      items, content    single items and their parts
      tools             tools and the choice, and what each is to the client
    context             what a response depends on of its request
    response            a whole message as a response
    stream              events to a response's events, one by one
      stream_encoder    the same as bytes, fast in the usual case
      slots             items in the making, and which blocks each has
      blocks, calls     blocks in the making, and the events inside their items
      making            what all of those have in common
      custom_input      the input of a custom tool, decoded as it arrives
    items_out           blocks as items: the one place that knows both
    response_object     the object itself, from its beginning to its end
    envelope            Claude's own blocks in ``encrypted_content``, in and out
    catalogue           what Codex has to know of a model
"""
