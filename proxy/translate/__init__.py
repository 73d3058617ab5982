"""The translation, and nothing else: values in, values out.

No clock, no randomness, no I/O, no framework, no SDK (an import contract holds it). The
contract is a list of rows, each with an id such as ``b1.temperature``; the
field table of docs/translation.md and ``tests/proxy/rows.py`` name them.

    request.to_anthropic_request   a ChatRequest as the MessagesRequest to send
      messages                     the conversation, turn by turn: content, assistant,
                                   tool_results, late_system are its parts
      fields                       single fields, each by its own rule
      tools, names                 tools, tool choice, names and ids Anthropic accepts
      thinking                     reasoning_effort, thinking, what may be replayed
      output_format, json_schema   response_format, and schemas as Anthropic takes them
      cache                        which blocks carry a cache mark
    response.to_openai_response    a whole answer as a ChatCompletion
      fold.Folder                  events to a whole answer, for clients that wait
    stream.ChunkStream             events to chunks, one by one
      frames.Frames                the same as bytes, the usual case quickly
    error                          Anthropic's errors as OpenAI's
    repair                         one second try for five known refusals

What is sent for the earlier turns of a conversation depends on them alone, never on
what comes later: preserved thinking and the prompt cache both need it.
"""
