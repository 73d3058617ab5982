"""OpenAI's APIs, and Anthropic's own, in front of the Messages API.

The map, from the rim to the centre; imports run downwards only (pyproject.toml):

    __main__          the command: serve, demo in front of a built-in answerer, or doctor
    doctor            what is wrong, and what to do: a package with its own map
    server            gunicorn's settings and hooks, our worker class, the health port
    app               create_app: construct, inject, route; errors rendered in one place
    chat, responses   OpenAI's two APIs: their resources, and a front for each path
    messages          the same for Anthropic's own API
    serving           a completion as a client gets it: whole, or as a stream
    completion        a completion: admit, read, translate, call, log; services: what it
                      needs from the rest of the process
    models, health    the other resources; inbound_auth: who may call
    front             what differs between the APIs
    body              reading and decoding a request
    held_calls        calls whose client has left, and the retries that join them; joining:
                      the table of what becomes of one
    upstream          Anthropic's API; cache_lifetime: how long a prefix is kept
    opening           the calls of one completion up to its first content: the retry loop
    outgoing          what is sent: a translation, or a client's own Messages request
    event_stream      a response from its first content to its end
    lease             one credential for all, and what a refusal does to others
    transport         the only package that opens connections
    overview          what the status page shows; history: the last day in memory
    metrics, traces   for Prometheus and OpenTelemetry; gauges: what is the case now;
                      sums: counters and histograms; log, log_text, log_writer: lines
    trail             what happened to one completion on its way; usage, prices, limits:
                      what it cost, in tokens and dollars, and how much is left
    credentials       where the token comes from
    retry             whether a failed call is retried: one pure decision; patience: how
                      long a trouble has lasted, and who may ask meanwhile; refusals:
                      what Anthropic has refused lately
    cancellation      what ends a call that is over; watchdog: the thread that finds out;
                      admission: how many may be in flight
    store             what is remembered between requests; bounded: who gives way when
                      there is no more room for it
    translate         the translation, pure; relay: Anthropic's own API passed on, pure
    capabilities      what each model accepts: one table
    schema, sse       the APIs' wire types; event streams; written: text in pieces
    urls              which URLs may be called; redaction: what no log and no client sees
    files             reads small files that change, and waits for none that hangs
    settings, errors  what everything else knows
    demo              a small answerer in Anthropic's wire format, apart from all the above
"""
