"""Wire types only: one module for each API and direction, in that API's own words.

    chat_request        what chat completions clients send; closed, so that what does
                        not fit is a 400 that names the field
    chat_response       what they read
    responses_request   what clients of the Responses API send
      responses_items   the items of its input, one type for each kind, and their parts
      responses_tools   its tools, one type for each kind, and the choice
    responses_response  what they read: the response object and its items
    responses_events    the events of their streams
    common              what requests of both of OpenAI's APIs share
    misfit, allowed     why JSON does not fit its type, in words
    openai              what OpenAI's APIs share: errors, the models list
    messages_request    what is sent to Anthropic
    messages_response   what Anthropic sends back; open, so that an event, a block or a
                        delta that is new becomes ``Unknown`` and breaks nothing
    messages_decoding   the same from its bytes

No module here knows the clock, the network or a framework.
"""
