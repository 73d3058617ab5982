"""Timeouts that the kernel keeps, for sockets that block.

Python's own timeouts ask `poll` before each read and write, which is one more system
call and one more chance to lose the interpreter to another thread.
"""

import socket
import struct


def set_timeout(sock: socket.socket, option: int, seconds: float) -> None:
    """Bound each read (``SO_RCVTIMEO``) or each write (``SO_SNDTIMEO``) of a socket.

    One that takes longer raises ``BlockingIOError``. 0 seconds: no bound.
    """
    whole, fraction = divmod(seconds, 1)
    value = struct.pack("ll", int(whole), int(fraction * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, option, value)
