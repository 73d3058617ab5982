"""Requests to servers on loopback, which speak plain HTTP."""

import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client's `verify`: trusts nobody, since nothing is encrypted.

Without it each client loads the authorities that the world trusts, and that takes longer
than the request.
"""
