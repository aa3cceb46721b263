"""aiohttp's client as it comes."""

import asyncio
import sys
from collections.abc import AsyncIterator

import aiohttp

from tests.clients.exchanges import answer, requests


async def main(origin: str, text: str) -> None:
    """Make the exchanges, one after the other."""
    async with aiohttp.ClientSession() as session:
        for method, path, body, headers in requests(text):
            is_chunked = bool(headers.pop("Transfer-Encoding", None))
            is_held_back = bool(headers.pop("Expect", None))
            content = body.encode() or None
            async with session.request(
                method,
                origin + path,
                headers=headers,
                data=parts(body) if is_chunked else content,
                expect100=is_held_back,
            ) as got:
                sys.stdout.write(answer(got.status, await got.text(), got.headers.items()) + "\n")


async def parts(body: str) -> AsyncIterator[bytes]:
    """A body whose length is not known."""
    yield body.encode()


asyncio.run(main(sys.argv[1], sys.stdin.read()))
