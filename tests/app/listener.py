"""The end of a listening server."""

import asyncio


async def close(server: asyncio.Server) -> None:
    """Listen no more, once every connection that was just taken is known.

    `Server.close` alone leaks a transport where a connection was accepted in the same turn of the loop (CPython 3.11).
    """
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener)
    await asyncio.sleep(0)
    server.close()
