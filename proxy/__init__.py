"""OpenAI chat completions in front of the Anthropic Messages API.

The map, from the rim to the centre; imports run downwards only (pyproject.toml):

    __main__          the command: serve, or demo in front of a built-in answerer
    server            gunicorn's settings and hooks, our worker class, the health port
    app               create_app: construct, inject, route; errors rendered in one place
    chat              a completion: admit, read, translate, call, respond, log
    models, health    the other resources; inbound_auth: who may call
    body, log         reading and decoding a request; the log lines, and log_writer, their
                      thread
    upstream          Anthropic's API; cache_lifetime: how long a prefix is kept
    opening           the calls of one completion up to its first content: the retry loop
    event_stream      a response from its first content to its end
    lease             one credential for all, and what a refusal does to others
    transport         the only package that opens connections
    credentials       where the token comes from; metrics; retry: one pure decision
    patience          how long a trouble has lasted, and who may ask meanwhile
    cancellation      what ends a call that is over; admission: how many may be in flight
    translate         the translation, pure
    capabilities      what each model accepts: one table
    schema, sse       both APIs' wire types; event streams
    urls              which URLs may be called; redaction: what no log and no client sees
    files             reads small files that change, and waits for none that hangs
    settings, errors  what everything else knows
    demo              a small answerer in Anthropic's wire format, apart from all the above
"""
