"""Events that nobody published: where they are sent, and how a path is written so that somebody mistakes it."""

from dataclasses import dataclass, field
from typing import Any

from acceptance.agent import contract
from acceptance.agent.topic import cloud_event

ROUTES = ("subscribe", "dead-letters")
TRICKS = (
    "{route}",
    "/{route}",
    "//{route}",
    "{route}/",
    "./{route}",
    "health/../{route}",
    "publish/../{route}",
    "../../{route}",
    "%2e%2e/{route}",
    "publish/%2e%2e/{route}",
    "publish/%252e%252e/{route}",
    "state/..%2F{route}",
    "state/%2e%2e%2f{route}",
    "state/..;/{route}",
    "%2F{route}",
    "%252F{route}",
    "{route}%2F",
    "{route};x=1",
    "{route}?x=1",
    "{route}%3Fx",
    "{route}%23x",
    "{route}%0A",
    "{route}%00",
    "{route}%20",
    "{upper}",
    "{escaped}",
    "{escaped_twice}",
    "publish\\..\\{route}",
)
# What its sender takes for the sidecar's own: another token, and the name of somebody who may.
PRETENDED = {
    "Content-Type": "application/cloudevents+json",
    "dapr-api-token": "forged",
    "dapr-caller-app-id": contract.CALLER,
    "__topic": contract.TOPIC,
    "__partition": "999",
    "__offset": "1",
}


# What the caller may not ask of the agent though nobody guards it there.
NOT_NEEDED = (("GET", "openapi.json"), ("GET", "docs"), ("GET", "dapr/subscribe"), ("DELETE", "events/x"))
ERROR, SERVER_ERROR = 400, 500


@dataclass(frozen=True)
class Way:
    """One way to the agent: whom to ask, what stands before a path, and from where."""

    name: str
    address: str
    prefix: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    by_app: bool = True
    """Whether an application answers, and no sidecar or nobody: then with a problem, whatever is asked."""
    invokes: bool = False
    inside: bool = False
    """Whether it is gone from inside the cluster alone."""

    def requests(self, event_id: str, key: str) -> list[dict[str, Any]]:
        """An event under an id to each of the routes by each of the tricks, and invocations that nobody needs."""
        body = cloud_event(event_id, key, amount=1_000_000, source=contract.AGENT).decode()
        kept = NOT_NEEDED if self.invokes else ()
        return [
            *(self._request("POST", trick.format(**_words(route)), body) for route in ROUTES for trick in TRICKS),
            *(self._request(method, path, "") for method, path in kept),
        ]

    def is_accepted(self, status: int) -> bool:
        """Whether an answer refuses nothing."""
        return 0 < status < ERROR

    def is_broken(self, status: int) -> bool:
        """Whether an answer, or that there is none, tells of something other than a refusal."""
        return self.by_app and not 0 < status < SERVER_ERROR

    def _request(self, method: str, path: str, body: str) -> dict[str, Any]:
        host, _, port = self.address.rpartition(":")
        headers = PRETENDED | self.headers
        where = {"host": host, "port": int(port), "method": method, "path": self.prefix + path}
        return {**where, "headers": headers, "body": body}


def _words(route: str) -> dict[str, str]:
    first, rest = f"{ord(route[0]):x}", route[1:]
    return {
        "route": route,
        "upper": route.upper(),
        "escaped": f"%{first}{rest}",
        "escaped_twice": f"%25{first}{rest}",
    }
