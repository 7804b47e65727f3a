"""Ports for servers that must know theirs before they start; no two test processes get the same ones."""

import itertools
import socket
from collections.abc import Iterator

_BLOCKS = range(20_000, 32_000, 100)  # below the ports that systems give to outgoing connections


def free_port() -> int:
    """Return an unused TCP port of this process's own block."""
    return next(port for port in _ports if _is_free(port))


def _own_ports() -> Iterator[int]:
    """Yield the ports of the first free block, again and again.

    A UDP socket on the first port of a block reserves it until this process ends.
    """
    for first in _BLOCKS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reservation:
            try:
                reservation.bind(("127.0.0.1", first))
            except OSError:
                continue
            yield from itertools.cycle(range(first, first + _BLOCKS.step))
    message = "every block of ports is taken by another test process"
    raise AssertionError(message)


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


_ports = _own_ports()
