"""``/v1/responses``: OpenAI's Responses API. Its contract is docs/responses.md.

``resources`` are its paths, ``reading`` turns a request into what goes upstream,
``answering`` what comes back into a response, and ``kept`` remembers responses for
clients that refer to them. The translation itself is ``translate.responses``.
"""

from proxy.responses.resources import add_routes

__all__ = ["add_routes"]
