"""Chat completions, translated both ways (their contract is docs/translation.md).

A request becomes turns of Anthropic's blocks; a response's blocks become one message.

    request              a ChatRequest as an Ask
      messages, content  its conversation, and the parts of its messages
      tools              its tools and their choice
      kept               turns that were kept as the model said them
    response             a whole message as a ChatCompletion
    stream               events to chunks, one by one
      stream_encoder     the same as bytes, fast in the usual case
"""
