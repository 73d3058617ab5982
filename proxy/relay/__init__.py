"""Anthropic's own API, passed on: values in, values out.

No clock, no I/O, no framework, no SDK (an import contract holds it). Its contract is
docs/messages.md. Nothing is translated here: what the client sent goes upstream and what
Anthropic sends goes to the client, but for the few things that the proxy decides.

    request   the body to send: the client's, with the model's name and ``stream``
    headers   which headers are passed on, in both directions
    fold      the events of a stream as the Message that they add up to
    listing   the models list in Anthropic's shape
    error     the proxy's errors in Anthropic's envelope
"""
