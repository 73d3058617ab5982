"""The Responses API, translated both ways (its contract is docs/responses.md).

request         a ResponsesRequest as an Ask, and the Context of its response
  items         which items there are, and each of them decoded
  turns         items as turns of a conversation, calls with their outputs
  calls_in      calls and outputs, each kind of item in one place
  content       their parts
  tools         tools of every kind, and the choice of one
context         what a response depends on of its request
response        a whole message as a Response object
stream          events to a Response's events, one by one
  stream_encoder  the same as bytes, fast in the usual case
  items_out     blocks as items: the one place that knows both
  custom_input  the input of a custom tool, decoded as it arrives
envelope        Claude's own blocks inside ``encrypted_content``, and out again
"""
