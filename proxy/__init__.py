"""OpenAI chat completions in front of the Anthropic Messages API.

The map, from the rim to the centre; imports run downwards only (pyproject.toml):

    __main__          the command: serve, or demo in front of the built-in demo
    gunicorn_conf     the server's settings; worker, connection: our worker class
    wsgi, app         construct, inject, route; the one rendering of errors
    chat              a completion: admit, read, translate, call, answer, tell
    models, health    the other resources; inbound_auth: who may call
    body, log         a request's bytes; the log lines
    upstream          one completion's way to Anthropic: retry loop, first event, end
    transport         the only module that opens connections
    credentials       where the token comes from; metrics; retry: one pure decision
    guard, admission  what ends a call that is over; how many may be in flight
    translate         the translation, pure
    capabilities      what each model takes: one table
    schema, sse       both APIs' wire types; event streams
    settings, errors  what everything else knows
    demo              a small answerer in Anthropic's wire format, apart from all the above
"""
