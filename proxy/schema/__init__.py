"""Wire types only, one module an API, in that API's own words.

No module here knows the clock, the network or a framework. Where we read a client
(``openai`` requests) the types are closed, and what does not fit is a 400 that names
the field. Where we read Anthropic (``anthropic`` events) they are open: an event, a
block or a delta that is new becomes ``Unknown`` and never breaks an answer.
"""
