"""The translation, and nothing else: values in, values out.

No clock, no randomness, no I/O, no framework, no SDK (an import contract holds it). Its
contract is docs/translation.md, a list of rows with ids such as ``b1.temperature``.

    chat                          a ChatRequest as an Ask, and responses back
    responses                     the same for the Responses API
    ask                           what a client asks for, in neither API's words
    assemble                      an Ask as the MessagesRequest to send
      conversation, mid_system    turns as messages; tool_use, content: their blocks
      fields                      single fields, each by its own rule
      tools, names                tools, tool choice, names and ids Anthropic accepts
      tool_schema                 a tool's schema, in steps; draft: older drafts as
                                  2020-12; property_names: those Anthropic rejects
      thinking                    effort, thinking, what may be replayed
      output_format, json_schema  wishes for JSON, and schemas Anthropic accepts
      cache                       which blocks carry cache_control
    accumulator, whole            events to a whole message; opaque: blocks kept as they are
    arguments, finish, usage      what both APIs say alike of a response
    media, web_search             inline images and files; Anthropic's search
    error, headers                Anthropic's errors as OpenAI's; what its headers say
    repair                        a second attempt after six known rejections, and none
                                  where they were seen before
    json_text                     JSON counted and changed without building it
    remembered                    what was made of text that comes again
    warn                          what was dropped or changed, by stable codes

Each of OpenAI's APIs has a way in and a way out. They meet in the ``Ask``, and neither API
knows the other. Anthropic's own blocks are the model of a conversation: nothing else
holds a turn's thinking, calls and searches in their order.

What is sent for the earlier turns of a conversation depends on them alone, never on what
comes later: preserved thinking and the prompt cache both need it.
"""
