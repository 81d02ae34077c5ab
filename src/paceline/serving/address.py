"""The address of a server: a listening socket, its URL, and who can reach it."""

import errno
import ipaddress
import platform
import socket
from dataclasses import dataclass
from urllib.parse import quote

from paceline.core import InvalidInput

PORT = 8642
"""The default port of the live page, if it is free."""


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of a server.

    Attributes:
        socket: bound and listening, so that early requests are accepted.
        host: as it was passed.
    """

    socket: socket.socket
    host: str

    @property
    def port(self) -> int:
        """The port, also if any free one was requested."""
        return int(self.socket.getsockname()[1])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.socket.getsockname()[0].partition("%")[0]).is_loopback

    @property
    def names(self) -> frozenset[str] | None:
        """Names by which requests may name the server; None if other machines can reach it."""
        if not self.is_loopback:
            return None
        return frozenset({f"[{self.host}]" if ":" in self.host else self.host.lower()})

    def url(self, token: str | None = None) -> str:
        """The URL to open in a browser, with the token if one is required."""
        bound = ipaddress.ip_address(self.socket.getsockname()[0].partition("%")[0])
        host = platform.node() if bound.is_unspecified else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={quote(token, safe='')}" if token else "")


def listen(host: str = "127.0.0.1", port: int | None = None, usual: int = PORT) -> Address:
    """Opens a listening socket.

    Args:
        host: an address or a name of this machine; ``"0.0.0.0"`` for all of its addresses.
        port: 0 for any free port; None for ``usual``, or any free port if it is taken.
        usual: the port to use if none is given.

    Raises:
        InvalidInput: the host is not this machine, or the port is taken or not allowed.
    """
    if port is not None and not 0 <= port <= 65535:
        raise InvalidInput(f"port is {port}", expected="0 to 65535; 0 selects any free port")
    try:
        found = socket.getaddrinfo(
            host or None, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise _not_ours(host) from None
    family, place = found[0][0], found[0][4]
    if port is not None:
        return Address(_bound(family, place, host, port), host)
    try:
        return Address(_bound(family, (place[0], usual, *place[2:]), host, usual), host)
    except InvalidInput:
        return Address(_bound(family, place, host, 0), host)


def _bound(family: int, place: tuple[object, ...], host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # not on Windows, where it would let two servers share a port
        if hasattr(socket, "SO_REUSEPORT"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            is_taken = error.errno == errno.EADDRINUSE
            why = "taken by another program" if is_taken else "not open to this user"
            raise InvalidInput(
                f"port {port} is {why}", expected="one that is free; 0 selects any free port"
            ) from None
        raise _not_ours(host) from None
    return listening


def _not_ours(host: str) -> InvalidInput:
    return InvalidInput(
        f"host is {host!r}, which is not an address of this machine",
        expected="127.0.0.1 for this machine only, 0.0.0.0 "
        "for everyone who can reach it, or one of its own addresses",
    )
