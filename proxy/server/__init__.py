"""The server: gunicorn's master and settings, and everything of ours inside its worker.

    application      gunicorn's application object: its settings, hooks, and our start
    master           gunicorn's master: signals, and what it must not do
    worker           the worker class: which thread serves which connection
    pump             one thread for all responses that arrive bit by bit
    connection       one client connection: request in, response out
    response         framing a response
    heap             what the allocator gives back to the system
    incoming, head   a client's bytes and bodies; a request's head, parsed, pure
    threads          the worker's threads
    health_listener  probes and metrics on a port of their own
    status_page      the page for people, on the same port

It knows WSGI and sockets, nothing of completions; ``application`` alone knows what it
serves.
"""
