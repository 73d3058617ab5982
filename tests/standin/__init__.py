"""A strict stand-in for Anthropic's Messages API, on loopback and without a key.

It is the upstream of this project's tests. It is worth something only because it
refuses what the real API refuses, so it has a rule table, a model table and wire shapes
of its own and imports nothing of the packages that it judges. Beside
Python's own library it needs `jsonschema`, which knows what a schema is. To run it by hand, from the project's root:

    PYTHONPATH=tests .venv/bin/python -m standin --port 8081

It prints its address and serves until its standard input ends, so end it with Ctrl-D or
Ctrl-C. Then `ANTHROPIC_API_BASE=http://127.0.0.1:8081 ANTHROPIC_API_KEY=any
.venv/bin/claude-proxy` puts the proxy in front of it.

Where to look:

* `server`: HTTP; `handle`: what was received, and what a test scripts;
* `rules`: one row for each thing that the API refuses;
* `models`: what each model accepts;
* `answers`, `thinking`, `instances`: what it answers, always the same for the same
  request;
* `caching`: what of a prompt comes from the prompt cache;
* `events`: a message as server-sent events.

Its own tests are beside it, in `tests/standin_tests`.
"""
