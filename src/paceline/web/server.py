"""The live page's server: a few read-only routes, in a thread of its own."""

import asyncio
import gzip
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import metadata, resources
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from paceline.report.panels import script, styles
from paceline.serving.address import Address
from paceline.serving.connections import CautiousProtocol
from paceline.serving.guard import Guard
from paceline.serving.server import serve, server_of
from paceline.web.hub import Hub

_FOREVER = "private, max-age=31536000, immutable"
_SHELL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} · Paceline</title><link rel="icon" href="data:,">{links}</head>
<body><header><h1>{name}</h1><p id="state" role="status">Loading the study …</p>
<p id="connection" hidden></p>
<dl id="facts"></dl></header>
<main><section id="latest"><h2>Latest trials</h2><div class="scroll" tabindex="0" role="region"
aria-label="Latest trials"><table><thead><tr><th scope="col">trial<th scope="col">state
<th scope="col">epochs
<th scope="col" id="metric">score<th scope="col">configuration</tr></thead><tbody>
</tbody></table></div></section>
<div id="panels"></div></main>
<noscript><p>This page needs JavaScript; <code>paceline show</code> and
<code>paceline report</code> do not.</p>
</noscript></body></html>"""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page; its name changes with its content, so that browsers may cache it."""

    name: str
    media_type: str
    packed: Callable[[], bytes]


class LivePage:
    """A study's live page, served until it is closed::

    with LivePage(directory, listen()) as page:
        page.wait()
    """

    def __init__(self, directory: Path, address: Address, token: str | None = None) -> None:
        """Prepares the server.

        Args:
            directory: the study's; it may be created later.
            address: where to serve; closed together with the page.
            token: the token that readers need, or None.
        """
        self._directory, self._address, self._token = directory, address, token
        self._server: uvicorn.Server | None = None
        self._hub: Hub | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name="paceline-page", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Waits until the server ends, for instance by Ctrl+C."""
        # not by joining the thread: after Ctrl+C in a join Python 3.11 considers the thread as
        # ended; and in intervals, since Windows does not interrupt an endless wait
        while not self._over.wait(0.5):
            pass

    def close(self) -> None:
        """Sends the last state to the readers, then ends the server."""
        if self._loop is not None and self._hub is not None and not self._over.is_set():
            self._loop.call_soon_threadsafe(self._hub.end)
        self._over.wait()
        self._address.socket.close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._serving())
        finally:
            self._begun.set()
            self._over.set()

    async def _serving(self) -> None:
        self._loop, self._hub = asyncio.get_running_loop(), Hub(self._directory)
        app = application(self._directory.resolve().name, self._hub, self._address, self._token)
        self._server = server_of(app, CautiousProtocol)
        looking = asyncio.create_task(self._hub.run())
        looking.add_done_callback(self._stop)
        self._begun.set()
        await serve(self._server, self._address)
        await looking

    def _stop(self, _: object) -> None:
        if self._server is not None:
            self._server.should_exit = True


def application(name: str, hub: Hub, address: Address, token: str | None) -> Starlette:
    """The routes of a study's page, all of them read-only.

    ``/`` is the page, ``/events`` the server-sent events, ``/changes?after=VERSION`` what changed
    since.
    """
    files = {file.name: file for file in _files()}
    links = "".join(
        f'<link rel="stylesheet" href="{name}">'
        if name.endswith(".css")
        else f'<script defer src="{name}"></script>'
        for name in files
    )
    shell = _SHELL.format(name=escape(name), links=links)

    async def page(_: Request) -> Response:
        return Response(shell, media_type="text/html")

    async def events(_: Request) -> Response:
        # X-Accel-Buffering: for proxies that buffer
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(hub.messages(), media_type="text/event-stream", headers=headers)

    async def changes(request: Request) -> Response:
        tag = f'"{hub.parts.version}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Encoding": "gzip"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = hub.parts.since(request.query_params.get("after", ""))
        return Response(body, media_type="application/json", headers=headers)

    async def file(request: Request) -> Response:
        known = files.get(request.path_params["name"])
        if known is None:
            return Response("Not found.", 404, media_type="text/plain")
        headers = {"Cache-Control": _FOREVER, "Content-Encoding": "gzip"}
        body = await asyncio.to_thread(known.packed)
        return Response(body, media_type=known.media_type, headers=headers)

    guard = Middleware(Guard, hosts=address.names, token=token, cookie=f"paceline-{address.port}")
    routes = [
        Route("/", page),
        Route("/events", events),
        Route("/changes", changes),
        Route("/{name}", file),
    ]
    return Starlette(routes=routes, middleware=[guard])


def _files() -> list[_File]:
    own = resources.files("paceline.web")
    return [
        _kept("live.css", "text/css", styles() + (own / "live.css").read_text("utf-8")),
        _File(f"plotly-{metadata.version('plotly')}.js", "text/javascript", _plotly),
        _kept("live.js", "text/javascript", script() + (own / "live.js").read_text("utf-8")),
    ]


def _kept(name: str, media_type: str, text: str) -> _File:
    packed = gzip.compress(text.encode(), mtime=0)
    stem, _, ending = name.partition(".")
    return _File(
        f"{stem}-{hashlib.sha256(packed).hexdigest()[:12]}.{ending}", media_type, lambda: packed
    )


@cache
def _plotly() -> bytes:
    """plotly.js from the installed package, compressed once for all readers."""
    return gzip.compress(
        (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes(), 6, mtime=0
    )
