"""The server: gunicorn's master and settings, and everything of ours inside its worker.

    application      gunicorn's application object: its settings, hooks, and our start
    worker           the worker class: which thread serves which connection
    connection       one client connection: request in, response out
    threads          the worker's threads
    health_listener  probes and metrics on a port of their own

It knows WSGI and sockets, nothing of completions; ``application`` alone knows what it
serves.
"""
