"""Kafka, PostgreSQL and what every workload has in common: sizes, pinned images, data that stays."""

import tomllib

from .rendering import DEVELOPMENT, ROOT, VERSIONS, Overlay, annotations, containers, of_kind, with_pods


def test_the_backends_come_with_the_development_overlays_alone(overlay: Overlay) -> None:
    found = {(m["metadata"]["namespace"], m["metadata"]["name"]) for m in of_kind(overlay.objects, "StatefulSet")}
    expected = {("kafka", "kafka"), ("postgres", "postgres-postgresql")} if overlay.name in DEVELOPMENT else set()
    namespaces = {manifest["metadata"].get("namespace", manifest["metadata"]["name"]) for manifest in overlay.objects}
    assert found == expected
    assert namespaces == {"fastapi-app"} | {namespace for namespace, _ in expected}


def test_the_backends_keep_their_data_and_have_one_replica(overlay: Overlay) -> None:
    for backend in of_kind(overlay.objects, "StatefulSet"):
        claims = {claim["metadata"]["name"] for claim in backend["spec"]["volumeClaimTemplates"]}
        mounts = {mount["name"] for mount in containers(backend)[0]["volumeMounts"]}
        assert backend["spec"]["replicas"] == 1
        assert claims == {"data"} & mounts


def test_a_backend_that_hangs_for_a_minute_is_left_alone(overlay: Overlay) -> None:
    for backend in of_kind(overlay.objects, "StatefulSet"):
        probe = containers(backend)[0]["livenessProbe"]
        assert probe["periodSeconds"] * (probe["failureThreshold"] - 1) > 60


def test_what_serves_is_probed(overlay: Overlay) -> None:
    for workload in of_kind(overlay.objects, "Deployment", "StatefulSet"):
        (container,) = containers(workload)
        assert {"livenessProbe", "readinessProbe"} <= container.keys(), workload["metadata"]["name"]


def test_everything_has_resources(overlay: Overlay) -> None:
    sized = {"requests", "limits"}
    for workload in with_pods(overlay.objects):
        for container in containers(workload):
            assert all(container["resources"][kind].keys() == {"cpu", "memory"} for kind in sized), container["name"]
        if annotations(workload).get("dapr.io/enabled"):
            sidecar = {f"dapr.io/sidecar-{what}-{kind}" for what in ("cpu", "memory") for kind in ("request", "limit")}
            assert not sidecar - annotations(workload).keys(), (
                f"{workload['metadata']['name']}: no size for its sidecar"
            )


def test_images_are_pinned_but_the_agents_own_on_a_development_cluster(overlay: Overlay) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    own = "latest" if overlay.name in DEVELOPMENT else version
    pinned = {f"apache/kafka:{VERSIONS['kafka']}", f"postgres:{VERSIONS['postgres']}"}
    backends = pinned if overlay.name in DEVELOPMENT else set()
    pods = with_pods(overlay.objects)
    assert {container["image"] for pod in pods for container in containers(pod)} == backends | {
        f"fastapi-dapr-agent:{own}"
    }
