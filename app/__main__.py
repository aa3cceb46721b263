"""Start a service, `python -m app [agent|caller]`, or answer an operator: see `USAGE`."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Coroutine
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app import caller, config, escapes, logs
from app import main as agent
from app.commands import arguments as said
from app.commands.inheritance import import_state
from app.commands.listing import list_dead_letters
from app.commands.replay import replay
from app.commands.skip import skip
from app.errors import ServiceError
from app.server.drain import until_quiet
from app.server.protocol import Protocol

USAGE = (
    "usage: python -m app [agent | caller | dead-letters ... | replay ... | skip TOPIC/PARTITION OFFSET | import-state]"
)


class Server(uvicorn.Server):
    """Stops in two steps: readiness off while requests are still served, then uvicorn's own shutdown."""

    def __init__(self, app: FastAPI, settings: config.ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # who is connected decides, not what it says that it speaks for
                http=Protocol,
                ws="none",  # a request to upgrade is answered as if it had not asked
                # daprd keeps its connections for 90 s; closing first would reset one now and then
                timeout_keep_alive=120,
                timeout_graceful_shutdown=settings.graceful_shutdown_seconds,
            )
        )
        self._app = app
        self._settings = settings

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal; a second one, or Ctrl-C, ends at once."""
        if self._app.state.draining or sig == signal.SIGINT or not self.started:
            super().handle_exit(sig, frame)
            return
        self._app.state.draining = True
        draining = until_quiet(self._app, self._settings.drain_seconds, self._settings.longest_drain_seconds)
        self._draining = asyncio.get_running_loop().create_task(draining)
        self._draining.add_done_callback(lambda _: super(Server, self).handle_exit(sig, frame))


def serve(app: FastAPI, settings: config.ServiceSettings) -> None:
    """Serve until a signal ends it."""
    logs.configure()
    # what is there now stays; the default would look through it all again every few dozen events
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    Server(app, settings).run([listener(settings.app_port)])


def listener(port: int) -> socket.socket:
    """Listen on every address, of both families where the node has both: kubelet and Service come by the pod's own."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        sys.exit(f"port {port} cannot be listened on: {error}")


def answer(command: Coroutine[None, None, str]) -> None:
    """Print what a command answers; an error ends the process with a line that says what went wrong."""
    try:
        tell(asyncio.run(command))
    except ServiceError as error:
        sys.exit(f"error: {escapes.line(error.detail)}")


def tell(text: str) -> None:
    """Print a line at once: whoever ends a command knows how far it came."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(arguments: list[str]) -> None:
    """Run the named service or command."""
    match arguments:
        case [] | ["agent"]:
            serve(agent.create_app(settings := config.load(config.Settings)), settings)
        case ["caller"]:
            serve(caller.create_app(calling := config.load(config.CallerSettings)), calling)
        case ["dead-letters", *options]:
            listing = said.read_listing(options)
            answer(list_dead_letters(config.load(config.Settings), listing))
        case ["replay", *options]:
            wanted = said.read_replay(options)
            answer(replay(config.load(config.Settings), wanted, tell))
        case ["skip", partition, offset]:
            answer(skip(config.load(config.Settings), partition, offset))
        case ["import-state"]:
            answer(import_state(config.load(config.Settings)))
        case _:
            sys.exit(f"{USAGE}, got {' '.join(arguments)!r}")


if __name__ == "__main__":
    run(sys.argv[1:])
