"""A strict stand-in for Anthropic's Messages API, on loopback and without a key.

It is two things at once:

* the built-in demo: `claude-proxy demo` puts the proxy in front of it, and its
  answers say in words that they come from a demo;
* the upstream of this project's tests. There it is worth something only because it
  refuses what the real API refuses, so it keeps a rule table, a model table and wire
  shapes of its own and imports nothing of the translation that it judges.

Where to look:

* `server`: HTTP, the in-process handle with what was received and scripted faults;
* `rules`: one row for each thing that the API refuses;
* `models`: what each model accepts;
* `answers`, `thinking`, `instances`: what it answers, always the same for the same
  request;
* `caching`: what of a prompt comes from the prompt cache;
* `events`: a message as server-sent events.
"""
