"""The translation, and nothing else: values in, values out.

No clock, no randomness, no I/O, no framework, no SDK (an import contract holds it). Its
contract is docs/translation.md, a list of rows with ids such as ``b1.temperature``.

    request.to_anthropic_request   a ChatRequest as the MessagesRequest to send
      messages                     the conversation: turns, content, media, assistant,
                                   tool_results and mid_system are its parts
      fields                       single fields, each by its own rule
      tools, names                 tools, tool choice, names and ids Anthropic accepts
      tool_schema                  a tool's schema: draft (older drafts as 2020-12) and
                                   property_names are its steps
      web_search                   Anthropic's search, and its citations as annotations
      thinking                     reasoning_effort, thinking, what may be replayed
      output_format, json_schema   response_format, and schemas Anthropic accepts
      cache                        which blocks carry cache_control
    response.to_openai_response    a whole message as a ChatCompletion
      accumulator                  events to a whole message
    stream.ChunkStream             events to chunks, one by one
      stream_encoder               the same as bytes, fast in the usual case
    error                          Anthropic's errors as OpenAI's
    repair                         a second attempt after six known rejections
    json_text                      JSON counted and changed without building it
    warn                           what was dropped or changed, by stable codes

What is sent for the earlier turns of a conversation depends on them alone, never on what
comes later: preserved thinking and the prompt cache both need it.
"""
