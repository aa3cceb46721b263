"""The names and numbers that users' scripts rely on."""

from typing import Any

import pytest

from app.sidecar.api import SUBSCRIPTIONS

from .rendering import (
    DEVELOPMENT,
    Manifest,
    Overlay,
    annotations,
    component_metadata,
    containers,
    environment,
    named,
)

AGENT, CALLER = "fastapi-dapr-agent", "fastapi-dapr-caller"
KAFKA, POSTGRES = "kafka.kafka.svc.cluster.local:9092", "postgres-postgresql.postgres.svc.cluster.local"

ANNOTATIONS = {
    "dapr.io/enabled": "true",
    "dapr.io/app-port": "8000",
    "dapr.io/log-level": "info",
    "dapr.io/enable-api-logging": "true",
}
LIVENESS = {
    "httpGet": {"path": "/health", "port": "http"},
    "initialDelaySeconds": 10,
    "periodSeconds": 10,
    "timeoutSeconds": 5,
}
PATIENCE_S = 10 + 3 * 10
"""Of the liveness probe, from the start of a container that never answers."""
READINESS = {
    "httpGet": {"path": "/ready", "port": "http"},
    "initialDelaySeconds": 5,
    "periodSeconds": 5,
    "timeoutSeconds": 3,
}
RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
AGENT_ENVIRONMENT = {
    "DAPR_HTTP_PORT": "3500",
    "DAPR_GRPC_PORT": "50001",
    "APP_API_TOKEN": {"secretKeyRef": {"name": "dapr-app-token", "key": "token"}},
    "DAPR_API_TOKEN": {"secretKeyRef": {"name": "dapr-api-token", "key": "token", "optional": True}},
    "POSTGRES_HOST": POSTGRES,
    "POSTGRES_PORT": "5432",
    "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": {"secretKeyRef": {"name": "postgres-credentials", "key": "password"}},
    "POSTGRES_DATABASE": "postgres",
    "KAFKA_BROKERS": KAFKA,
}
COMPONENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "kafka-pubsub": (
        "pubsub.kafka",
        "v1",
        {
            "brokers": KAFKA,
            "authType": "none",
            "consumerGroup": "fastapi-consumer-group",
            "clientID": AGENT,
            "initialOffset": "oldest",
            "escapeHeaders": "true",
        },
    ),
    "postgres-statestore": (
        "state.postgresql",
        "v2",
        {
            "host": POSTGRES,
            "port": "5432",
            "user": "postgres",
            "database": "postgres",
            "password": {"name": "postgres-credentials", "key": "password"},
            "tablePrefix": "agent_",
        },
    ),
}


def part(whole: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    return {key: whole.get(key) for key in keys}


@pytest.fixture(params=[AGENT, CALLER])
def app(request: pytest.FixtureRequest, overlay: Overlay) -> Manifest:
    return named(overlay.objects, "Deployment", request.param)


def test_the_startup_probe_makes_no_app_ready_or_killed_earlier_than_promised(app: Manifest) -> None:
    probe = containers(app)[0]["startupProbe"]
    assert probe["httpGet"] == LIVENESS["httpGet"]
    assert probe["initialDelaySeconds"] == READINESS["initialDelaySeconds"]
    tries, longest = probe["failureThreshold"], max(probe["periodSeconds"], probe["timeoutSeconds"])
    assert probe["initialDelaySeconds"] + tries * probe["periodSeconds"] >= PATIENCE_S
    assert probe["initialDelaySeconds"] + tries * longest <= 2 * PATIENCE_S, "of one that takes connections and hangs"


def test_an_app_has_one_name_for_everything(app: Manifest, overlay: Overlay) -> None:
    name = app["metadata"]["name"]
    service = named(overlay.objects, "Service", name)
    account = named(overlay.objects, "ServiceAccount", name)
    assert {item["metadata"]["namespace"] for item in (app, service, account)} == {"fastapi-app"}
    assert app["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == {"app": name}
    assert app["spec"]["template"]["spec"]["serviceAccountName"] == name
    assert annotations(app)["dapr.io/app-id"] == name


def test_an_app_is_annotated_probed_and_sized_as_promised(app: Manifest, overlay: Overlay) -> None:
    container = containers(app)[0]
    (port,) = named(overlay.objects, "Service", app["metadata"]["name"])["spec"]["ports"]
    assert part(annotations(app), ANNOTATIONS) == ANNOTATIONS
    assert (container["livenessProbe"], container["readinessProbe"]) == (LIVENESS, READINESS)
    assert container["resources"] == RESOURCES
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert {"name": "http", "port": 80, "targetPort": "http"}.items() <= port.items()


def test_the_agent_container_is_fastapi_with_the_promised_environment(overlay: Overlay) -> None:
    container = containers(named(overlay.objects, "Deployment", AGENT))[0]
    assert container["name"] == "fastapi"
    assert environment(container) == AGENT_ENVIRONMENT


def test_the_caller_runs_the_same_image_and_knows_no_backend(overlay: Overlay) -> None:
    agent, caller = (containers(named(overlay.objects, "Deployment", name))[0] for name in (AGENT, CALLER))
    assert (caller["image"], caller["args"]) == (agent["image"], ["caller"])
    assert environment(caller).keys() == {"DAPR_HTTP_PORT", "DAPR_API_TOKEN"}


def test_a_rollout_never_takes_the_last_ready_pod(app: Manifest) -> None:
    assert app["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_is_as_promised_and_for_the_agent_alone(name: str, overlay: Overlay) -> None:
    component = named(overlay.objects, "Component", name)
    kind, version, settings = COMPONENTS[name]
    assert (component["spec"]["type"], component["spec"]["version"]) == (kind, version)
    assert part(component_metadata(component), settings) == settings
    assert component["spec"]["ignoreErrors"], f"{name}: a backend that is away would end the sidecar"
    assert component["scopes"] == [AGENT]


def test_retry_has_no_end_but_that_of_its_session(overlay: Overlay) -> None:
    component = component_metadata(named(overlay.objects, "Component", "kafka-pubsub"))
    assert component["consumeRetryEnabled"] == "true"
    assert not component.keys() & {"backOffMaxRetries", "backOffMaxElapsedTime"}
    inbound = named(overlay.objects, "Resiliency", AGENT)["spec"]["targets"]["components"]["kafka-pubsub"]["inbound"]
    assert "retry" not in inbound, "Resiliency's retries outlive the consumer's session, and SIGTERM"
    assert "timeout" in inbound, "a delivery to an agent that hangs would keep the session"
    assert not any("deadLetterTopic" in one for one in SUBSCRIPTIONS), "daprd would take the first RETRY for the last"


def test_the_sidecar_consumes_while_the_agent_can_apply_events(overlay: Overlay) -> None:
    told = annotations(named(overlay.objects, "Deployment", AGENT))
    asked = {name: told[f"dapr.io/{name}"] for name in ("enable-app-health-check", "app-health-check-path")}
    assert asked == {"enable-app-health-check": "true", "app-health-check-path": "/ready?for=events"}


def test_the_agents_image_is_never_pulled_on_a_development_cluster(app: Manifest, overlay: Overlay) -> None:
    assert containers(app)[0]["imagePullPolicy"] == ("Never" if overlay.name in DEVELOPMENT else "IfNotPresent")
