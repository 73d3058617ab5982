"""Chat completions: OpenAI's words for what ``proxy.translate`` does.

request.to_ask               a ChatRequest as an Ask
  messages, content, tools   its conversation, their parts, its tools and choice
  kept                       turns that were kept as the model said them
response.to_openai_response  a whole message as a ChatCompletion
stream.ChunkStream           events to chunks, one by one
  stream_encoder             the same as bytes, fast in the usual case
"""
