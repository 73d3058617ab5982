"""How bytes go to Anthropic and come back; everything above speaks in events.

Two implementations of `interface.Transport`: `sockets`, the fast one, for the plain
case, and `sdk`, the SDK's own HTTP stack, for proxies, private CAs and all else that the
environment can ask of it. `choose.transport` picks; one test suite passes over both.
"""
