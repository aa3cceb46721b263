"""Start a service: `python -m app [agent|caller]`."""

import asyncio
import signal
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app import caller, config, logs
from app import main as agent
from app.protocol import Protocol


class Server(uvicorn.Server):
    """Stops in two steps: readiness off while requests are still served, then uvicorn's own shutdown."""

    def __init__(self, app: FastAPI, settings: config.ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host="0.0.0.0",  # noqa: S104 - kubelet and Service come by the pod's address
                port=settings.app_port,
                log_config=None,
                access_log=False,
                http=Protocol,
                ws="none",  # a request to upgrade is answered as if it had not asked
                # daprd keeps its connections for 90 s; closing first would reset one now and then
                timeout_keep_alive=120,
                timeout_graceful_shutdown=settings.graceful_shutdown_seconds,
            )
        )
        self._app = app
        self._drain_seconds = settings.drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal; a second one, or Ctrl-C, ends at once."""
        if self._app.state.draining or sig == signal.SIGINT or not self.started:
            super().handle_exit(sig, frame)
            return
        self._app.state.draining = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, super().handle_exit, sig, frame)


def run(arguments: list[str]) -> None:
    """Run the named service until a signal ends it."""
    logs.configure()
    settings: config.ServiceSettings
    match arguments:
        case [] | ["agent"]:
            app = agent.create_app(settings := config.load(config.Settings))
        case ["caller"]:
            app = caller.create_app(settings := config.load(config.CallerSettings))
        case _:
            sys.exit(f"usage: python -m app [agent|caller], got {' '.join(arguments)!r}")
    Server(app, settings).run()


if __name__ == "__main__":
    run(sys.argv[1:])
