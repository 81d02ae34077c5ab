"""A uvicorn server with the limits that all servers of Paceline have."""

import asyncio

import uvicorn
from starlette.types import ASGIApp

from paceline.serving.address import Address
from paceline.serving.connections import CautiousProtocol, backlog, quiet_when_full


def server_of(
    app: ASGIApp, protocol: type[CautiousProtocol], *, keep_alive_seconds: int = 5
) -> uvicorn.Server:
    """A server that is not running yet; ``should_exit = True`` ends it.

    Args:
        app: what is served.
        protocol: the limits of its connections.
        keep_alive_seconds: how long a connection without a request is kept open.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        backlog=backlog(),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=keep_alive_seconds,
    )
    return uvicorn.Server(config)


async def serve(server: uvicorn.Server, address: Address) -> None:
    """Serves at an address until the server ends, then closes all connections."""
    asyncio.get_running_loop().set_exception_handler(quiet_when_full)
    await server.serve(sockets=[address.socket])
    # uvicorn leaves connections open that arrive while it ends: their clients would wait for
    # answers for as long as this process lives
    for connection in list(server.server_state.connections):
        connection.transport.abort()
