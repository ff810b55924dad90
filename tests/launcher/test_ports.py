"""A free port is one that a server can have: nobody listens there, and no client is given it."""

import errno
import socket
from pathlib import Path

import pytest

from launcher import ports
from launcher.ports import free_port

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 0


def test_each_of_the_ports_can_be_listened_on() -> None:
    first = free_port(in_a_row=3)
    for port in range(first, first + 3):
        socket.create_server(("", port)).close()


@pytest.mark.skipif(LOWEST < 32_768, reason="which ports clients get is not known, or is not Linux's default")
def test_no_client_is_given_one_of_them() -> None:
    assert all(free_port(in_a_row=8) + 8 <= LOWEST for _ in range(50))


def test_where_somebody_listens_on_one_of_them_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port(in_a_row=4)
    monkeypatch.setattr(ports, "_PORTS", range(first, first + 3))
    monkeypatch.setattr(ports, "_TRIES", 3)
    with socket.create_server(("", first + 1)):
        assert free_port(in_a_row=2) == first + 2


def test_where_there_is_none_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(ports, "_PORTS", range(port, port + 1))
    monkeypatch.setattr(ports, "_TRIES", 1)
    with socket.create_server(("", port)), pytest.raises(OSError, match="none of 1 free") as caught:
        free_port()
    assert caught.value.errno == errno.EADDRINUSE
