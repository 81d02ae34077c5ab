"""Access control of the page, and its security headers."""

import hmac
import re
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only content from this server, and no inline scripts, so that none in a name or value can run."""

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(:[0-9]{1,5})?")
"""The header's form (RFC 9110, 7.2): a name or an address, IPv6 in brackets, and perhaps a port."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})

_ASKING = """<!doctype html><html lang="en"><meta charset="utf-8">
<title>Paceline: token required</title>
<h1>This page requires a token</h1>
<p>Open the complete address that <code>paceline watch</code> printed; it ends
with <code>?token=…</code></p></html>"""


class Guard:
    """Checks who may read the page.

    If only this machine can reach the page, the request must name this machine: after DNS rebinding
    a foreign page names itself. A required token is part of the address of the first visit, and
    then stored in a cookie that scripts and other sites cannot use.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str] | None, token: str | None, cookie: str
    ) -> None:
        """See the class.

        Args:
            app: the protected application.
            hosts: names by which the page may be requested, beside those of the local machine;
                None for any.
            token: the required token, or None.
            cookie: the name of the cookie, one for each port, since browsers share cookies between
                ports.
        """
        self._app, self._token, self._cookie = app, token, cookie
        self._hosts = None if hosts is None else _LOCAL | hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        first_visit = scope["path"] == "/" and self._matches(request.query_params.get("token"))
        cookie = (
            f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            if first_visit
            else None
        )

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
                if cookie is not None:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        app = self._app
        if self._hosts is not None and _name(request.headers.get("host", "")) not in self._hosts:
            app = PlainTextResponse(
                "This page is available on this machine only.", HTTPStatus.MISDIRECTED_REQUEST
            )
        elif (
            self._token is not None
            and not first_visit
            and not self._matches(request.cookies.get(self._cookie))
        ):
            app = HTMLResponse(_ASKING, HTTPStatus.UNAUTHORIZED)
        await app(scope, receive, send_safely)

    def _matches(self, given: str | None) -> bool:
        if self._token is None or given is None:
            return False
        return hmac.compare_digest(given.encode(), self._token.encode())


def _name(host: str) -> str:
    """A Host header without its port (a tunnel changes it); empty if it is not well-formed."""
    found = _HOST.fullmatch(host)
    return found["name"].lower() if found else ""
