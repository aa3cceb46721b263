"""A layer around the application, with the one sabotage that SABOTAGE names."""

import json
import os
from collections.abc import Awaitable, Callable

from . import answers, bounds, events, readiness
from .exchange import Answer, App, Exchange, Receive, Scope, Send

SABOTAGES: dict[str, Callable[[Exchange], Awaitable[Answer]]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        answers.health_in_other_words,
        answers.query_that_invents,
        answers.state_in_memory,
        answers.publish_nowhere,
        answers.publishes_late,
        answers.publishes_regardless,
        answers.publishes_without_its_trace,
        answers.queries_late,
        answers.delivered_by_anybody,
        answers.breaks_on_bad_input,
        answers.accepts_everything,
        answers.hides_what_is_away,
        answers.publishes_twice,
        answers.reads_state_without_dapr,
        bounds.takes_headers_without_end,
        bounds.forgets_by_age_alone,
        events.subscribes_elsewhere,
        events.loses_an_event,
        events.repeats_an_event,
        events.applies_every_delivery,
        events.remembers_until_it_ends,
        events.overtakes_an_event,
        events.confirms_too_early,
        events.retries_for_ever,
        events.gives_up_late,
        events.subscribes_at_once,
        events.drops_what_has_to_wait,
        readiness.ready_without_pubsub,
        readiness.ready_without_database,
        readiness.ready_without_events,
        readiness.ready_without_sidecar,
        readiness.ready_by_ports,
        readiness.ready_strictly,
        readiness.ready_always,
        readiness.never_ready_for_events,
    )
}
CONTENT = (b"content-type", b"content-length")
ERROR = 400


class Layer:
    """The tampering, around every request."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sabotage = SABOTAGES[os.environ["SABOTAGE"]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, tampered with."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        exchange = Exchange(self._app, scope, body)
        status, answer = await self._sabotage(exchange)
        kind = b"application/problem+json" if status >= ERROR else b"application/json"
        headers = [(b"content-type", kind), *(one for one in exchange.headers if one[0] not in CONTENT)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
