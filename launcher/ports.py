"""Ports for servers of this machine, which no client is given by chance.

The system gives each outgoing connection a port of its ephemeral range. Were a server's port one of those, somebody's
connection could take it first; and a client that asks for the server until it is there could be given that very
port: it would be connected to itself, and read its own words.
"""

import errno
import random
import socket
from contextlib import ExitStack, suppress

_PORTS = range(20_000, 32_700)  # Linux gives clients ports from 32768 on, macOS and Windows from 49152 on
_TRIES = 100


def free_port(in_a_row: int = 1) -> int:
    """Find a port on which nobody listens now, and so many in a row; returns the first.

    Raises OSError where none is found, as in a sandbox that forbids to listen.
    """
    for first in random.SystemRandom().sample(_PORTS, _TRIES):
        with suppress(OSError), ExitStack() as held:
            for port in range(first, first + in_a_row):
                held.enter_context(socket.create_server(("", port)))
            return first
    raise OSError(
        errno.EADDRINUSE, f"{in_a_row} ports in a row from {_PORTS[0]} to {_PORTS[-1]}: none of {_TRIES} free"
    )
