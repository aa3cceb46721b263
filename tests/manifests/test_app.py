"""App and manifests agree: environment, probes, topics, time to stop."""

import re

import pytest

from app import caller, main
from app.config import CallerSettings, ServiceSettings, Settings, load
from app.sidecar.api import SUBSCRIPTIONS

from .rendering import ROOT, Manifest, Overlay, component_metadata, containers, environment, named, render

APPS: dict[str, type[ServiceSettings]] = {"fastapi-dapr-agent": Settings, "fastapi-dapr-caller": CallerSettings}


@pytest.fixture(params=APPS)
def deployment(request: pytest.FixtureRequest, overlay: Overlay) -> Manifest:
    return named(overlay.objects, "Deployment", request.param)


@pytest.fixture
def settings(deployment: Manifest, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """What the app reads from the environment that the manifest gives it; a bad one fails the test."""
    for name, value in environment(containers(deployment)[0]).items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "from-a-Secret")
    return load(APPS[deployment["metadata"]["name"]])


@pytest.fixture
def excluded(overlay: Overlay) -> re.Pattern[str]:
    """Names of the record headers that the sidecar keeps to itself."""
    component = named(overlay.objects, "Component", "kafka-pubsub")
    return re.compile(component_metadata(component)["excludeHeaderMetaRegex"])


def test_a_pod_is_given_the_time_its_app_takes_to_stop(deployment: Manifest, settings: ServiceSettings) -> None:
    given = deployment["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
    assert given > settings.longest_drain_seconds + settings.graceful_shutdown_seconds
    asked = deployment["spec"]["template"]["metadata"]["annotations"]
    blocked = float(asked["dapr.io/block-shutdown-duration"].removesuffix("s"))
    assert blocked > settings.longest_drain_seconds, "the sidecar's API must stay while the app still serves"
    assert given > blocked + float(asked["dapr.io/graceful-shutdown-seconds"])


def test_a_probe_asks_for_a_route_of_the_app(deployment: Manifest, settings: ServiceSettings) -> None:
    app = main.create_app(settings) if isinstance(settings, Settings) else caller.create_app()
    container = containers(deployment)[0]
    asked = {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
    routes = app.openapi()["paths"].keys()
    assert asked <= routes, f"probes ask for {asked - routes}, the app has {sorted(routes)}"


def test_the_topics_are_those_that_the_app_subscribes_to() -> None:
    job = named(render(ROOT / "base/kafka/topics"), "Job", "kafka-topics")
    made = dict(re.findall(r"create --topic (\S+) --partitions (\d+)", containers(job)[0]["command"][-1]))
    events, dead_letters = SUBSCRIPTIONS
    assert made == {events["topic"]: "8", dead_letters["topic"]: "1"}


REFUSED = ["", "a b", "a\nb", "ü", "a:", "__Offset", "__offset", "__topic", "Connection", "upgrade"]
# each would make a request of another sender's out of a delivery, or of daprd's own headers another
FORGED = ["dapr-caller-app-id", "Dapr-Api-Token", "DAPR-APP-ID", "dapr-", "Authorization", "cookie", "Content-Length"]
FORGED += ["content-encoding", "Proxy-Authorization", "keep-alive", "HTTP2-Settings", "grpc-trace-bin", "Accept"]


@pytest.mark.parametrize("name", REFUSED + FORGED)
def test_a_record_header_that_http_refuses_is_not_handed_on(name: str, excluded: re.Pattern[str]) -> None:
    assert excluded.search(name)


@pytest.mark.parametrize(
    "name", ["traceparent", "my.header_7", "_offset", "upgrades", "ce_id", "my-dapr-header", "dapr", "contents"]
)
def test_other_record_headers_are_handed_on(name: str, excluded: re.Pattern[str]) -> None:
    assert not excluded.search(name)


def test_the_app_subscribes_through_a_component_that_exists(overlay: Overlay) -> None:
    for subscription in SUBSCRIPTIONS:
        assert named(overlay.objects, "Component", subscription["pubsubname"])
