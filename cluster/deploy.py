"""The overlay on the cluster: applied, rolled out where something changed, waited for, and shown to work."""

import json
import time
import urllib.error
import urllib.request
import uuid
from http import HTTPStatus
from pathlib import Path

from cluster.console import CommandError, SurroundingsError, ask, run, say
from cluster.paths import CHECKOUT, VERSIONS
from cluster.waiting import comes

NAMESPACE = "fastapi-app"
DEPLOYMENTS = ("deployment/fastapi-dapr-agent", "deployment/fastapi-dapr-caller")
BACKENDS = (("postgres", "statefulset/postgres-postgresql"), ("kafka", "statefulset/kafka"))
# What daprd reads only when it starts.
READ_AT_START = "components.dapr.io,resiliencies.dapr.io,configurations.dapr.io,subscriptions.dapr.io,secrets"
# On each Deployment: the image and the objects its pods were last started with.
STARTED_WITH = "fastapi-dapr-agent/started-with"
EVENT_SECONDS = 30
LOOK = f"look: kubectl -n {NAMESPACE} logs {DEPLOYMENTS[0]} --all-containers"


class Deployment:
    """The overlay NAME in the cluster that `context` leads to."""

    def __init__(self, context: str, overlay: str) -> None:
        self.overlay = CHECKOUT / "overlays" / overlay
        self.kubectl: list[str | Path] = ["kubectl", "--context", context]
        self._in_app = [*self.kubectl, "--namespace", NAMESPACE]
        self._older: set[str] = set()
        """The Deployments that were there before the overlay was applied."""

    def apply(self) -> None:
        """Apply the overlay; kubectl says per object what it did. Raises CommandError."""
        # without an answer it is taken to be there: one restart too many, instead of a change that reaches nobody
        self._older = {
            deployment
            for deployment in DEPLOYMENTS
            if ask([*self._in_app, "get", deployment, "--ignore-not-found", "--output=name"]) != ""
        }
        apply = [*self.kubectl, "apply", "--kustomize", self.overlay]
        try:
            run(apply, quiet=False)
        except CommandError as error:
            if "field is immutable" not in str(error):
                raise
            say("    a Job cannot be changed, only made anew")
            run([*self.kubectl, "--namespace", "kafka", "delete", "job/kafka-topics", "--ignore-not-found"])
            run(apply, quiet=False)

    def restart_changed(self, image: str) -> None:
        """Restart, side by side, what was started with another image, Dapr or Dapr objects than now; say which."""
        now = {"image": image, "Dapr": VERSIONS["dapr"], **self._read_at_start()}
        for deployment in DEPLOYMENTS:
            before = self._started_with(deployment)
            changed = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
            if not changed:
                continue
            if deployment in self._older:
                say(f"    {deployment} is restarted, for these have changed: {', '.join(changed)}")
                run([*self._in_app, "rollout", "restart", deployment])
            value = f"{STARTED_WITH}={json.dumps(now, sort_keys=True)}"
            run([*self._in_app, "annotate", "--overwrite", deployment, value])

    def _read_at_start(self) -> dict[str, str]:
        found = json.loads(ask([*self._in_app, "get", READ_AT_START, "--output=json"]) or '{"items": []}')
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in found["items"]
        }

    def _started_with(self, deployment: str) -> dict[str, str]:
        """What the Deployment was last started with; empty when nobody noted it."""
        found = json.loads(ask([*self._in_app, "get", deployment, "--output=json"]) or '{"metadata": {}}')
        return dict(json.loads(found["metadata"].get("annotations", {}).get(STARTED_WITH, "{}")))

    def wait(self) -> None:
        """Wait until everything is rolled out. Raises CommandError with what kubectl saw last."""
        for namespace, workload in BACKENDS:
            run([*self.kubectl, "--namespace", namespace, "rollout", "status", workload, "--timeout=180s"])
        topics = ["wait", "--for=condition=complete", "job/kafka-topics", "--timeout=120s"]
        run([*self.kubectl, "--namespace", "kafka", *topics])
        for deployment in DEPLOYMENTS:
            run([*self._in_app, "rollout", "status", deployment, "--timeout=180s"])

    def show_pods(self) -> None:
        """Print every pod of the system and its state."""
        run(
            [
                *self.kubectl,
                "get",
                "pods",
                "--all-namespaces",
                "--selector=app.kubernetes.io/part-of=fastapi-dapr-agent",
            ],
            quiet=False,
        )


def send_event(address: str) -> None:
    """Publish an event and print what the handler made of it. Raises SurroundingsError if it was not applied."""
    # a pod is ready a moment before its Service leads to it
    if not comes(f"waiting for {address}/ready", lambda: _is_ready(address), EVENT_SECONDS):
        seen = _answer(f"{address}/ready")
        raise SurroundingsError(f"{address}/ready does not answer 200 within {EVENT_SECONDS} s: {seen}\n{LOOK}")
    event = {"message": "hello from make up", "metadata": {"key": f"make-up-{uuid.uuid4().hex[:8]}", "amount": 1}}
    say(f"    POST /publish {json.dumps(event)}")
    published = _answer(f"{address}/publish", event)
    say(f"    {published}")
    event_url = f"{address}/events/{json.loads(published)['id']}"
    deadline = time.monotonic() + EVENT_SECONDS
    while '"applied"' not in (seen := _answer(event_url)):
        if time.monotonic() > deadline:
            raise SurroundingsError(f"not applied within {EVENT_SECONDS} s: {event_url}: {seen}\n{LOOK}")
        time.sleep(0.2)
    say(f"    GET {event_url}\n    {seen}")


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=EVENT_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _answer(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=EVENT_SECONDS) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        if body is None:
            return str(error.read().decode())
        raise SurroundingsError(f"{url} answered {error.code}: {error.read().decode()}\n{LOOK}") from error
    except OSError as error:
        raise SurroundingsError(f"{url} does not answer: {error}\n{LOOK}") from error
