"""How clients are told to go elsewhere between SIGTERM and the end; `app/__main__.py` has the sequence."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Drain:
    """Answer with `Connection: close` while draining: a kept connection would end in the middle of a later request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; whether to close is decided when its answer begins."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["app"].state.draining:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self.app(scope, receive, closing)
