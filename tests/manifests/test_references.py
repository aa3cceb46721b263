"""What one object says of another, or of the app, is true."""

from pathlib import Path

from app import SERVICE
from app.config import Settings
from images.recipe import parts

from .rendering import (
    DAPR,
    ROOT,
    Overlay,
    annotations,
    component_metadata,
    containers,
    environment,
    named,
    of_kind,
    render,
    title,
    with_pods,
)

TOPICS = ROOT / "base/kafka/topics"


def agent_environment(overlay: Overlay) -> dict[str, str]:
    return environment(containers(named(overlay.objects, "Deployment", "fastapi-dapr-agent"))[0])


def test_a_service_finds_pods_and_a_port_of_theirs(overlay: Overlay) -> None:
    for service in of_kind(overlay.objects, "Service"):
        selector = service["spec"]["selector"].items()
        chosen = [
            workload
            for workload in with_pods(overlay.objects)
            if workload["metadata"]["namespace"] == service["metadata"]["namespace"]
            and selector <= workload["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(chosen) == 1, f"{title(service)} selects {[title(workload) for workload in chosen]}"
        offered = {port["name"] for container in containers(chosen[0]) for port in container.get("ports", [])}
        wanted = {port["targetPort"] for port in service["spec"]["ports"]}
        assert wanted <= offered, f"{title(service)} targets {wanted}, {title(chosen[0])} offers {offered}"


def test_a_statefulset_names_its_service(overlay: Overlay) -> None:
    for workload in of_kind(overlay.objects, "StatefulSet"):
        service = named(overlay.objects, "Service", workload["spec"]["serviceName"])
        assert service["metadata"]["namespace"] == workload["metadata"]["namespace"]


def test_a_mount_has_its_volume_and_a_volume_its_configmap(overlay: Overlay) -> None:
    configs = {(m["metadata"]["namespace"], m["metadata"]["name"]) for m in of_kind(overlay.objects, "ConfigMap")}
    for workload in with_pods(overlay.objects):
        volumes = workload["spec"]["template"]["spec"].get("volumes", [])
        claims = [claim["metadata"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
        mounted = {mount["name"] for container in containers(workload) for mount in container.get("volumeMounts", [])}
        named_by_volumes = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
        assert mounted == {volume["name"] for volume in volumes + claims}, title(workload)
        assert {(workload["metadata"]["namespace"], name) for name in named_by_volumes} <= configs, title(workload)


def test_scopes_name_apps_that_exist(overlay: Overlay) -> None:
    apps = {annotations(workload).get("dapr.io/app-id") for workload in with_pods(overlay.objects)}
    for manifest in overlay.objects:
        if manifest["apiVersion"] == DAPR and manifest["kind"] != "Configuration":
            assert manifest["scopes"], f"{title(manifest)} is not scoped"
            assert set(manifest["scopes"]) <= apps, f"{title(manifest)}: no app {set(manifest['scopes']) - apps}"


def test_sidecars_read_a_configuration_that_keeps_their_metrics_bounded(overlay: Overlay) -> None:
    for workload in with_pods(overlay.objects):
        if annotations(workload).get("dapr.io/enabled") == "true":
            configuration = named(overlay.objects, "Configuration", annotations(workload)["dapr.io/config"])
            assert configuration["spec"]["metrics"]["http"] == {"increasedCardinality": False}, title(workload)


def test_policies_target_components_that_exist(overlay: Overlay) -> None:
    known = {component["metadata"]["name"] for component in of_kind(overlay.objects, "Component")}
    for resiliency in of_kind(overlay.objects, "Resiliency"):
        assert resiliency["spec"]["targets"]["components"].keys() <= known


def test_app_and_sidecar_know_the_same_backends(overlay: Overlay) -> None:
    app = agent_environment(overlay)
    pubsub = component_metadata(named(overlay.objects, "Component", "kafka-pubsub"))
    store = component_metadata(named(overlay.objects, "Component", "postgres-statestore"))
    job = environment(containers(named(render(TOPICS), "Job", "kafka-topics"))[0])
    assert app["KAFKA_BROKERS"] == pubsub["brokers"] == job["KAFKA_BROKERS"]
    assert Settings.model_fields["kafka_consumer_group"].default == pubsub["consumerGroup"]
    assert pubsub["clientID"] == SERVICE, "by it /ready tells a replica of ours from a stranger in the group"
    for setting in ("host", "port", "user", "database"):
        assert app[f"POSTGRES_{setting.upper()}"] == store[setting]


def test_the_daprd_that_is_built_here_has_every_kind_of_component(overlay: Overlay) -> None:
    (_, *kept) = parts()["go.dapr"].settings["trimmed"]["github.com/dapr/dapr"]
    kinds = {component["spec"]["type"] for component in of_kind(overlay.objects, "Component")}
    assert kinds
    for kind in kinds:
        found = any(kind.replace(".", "_").startswith(Path(file).stem) for file in kept)
        assert found, f"{kind} is in no file of {kept}, see images/images.toml"
