"""Names and a namespace of a user's own reach all that refers to them; what is the contract's stays."""

import pytest

from .rendering import ROOT, Manifest, annotations, of_kind, render, secret_references, with_pods

COMPONENTS = {"kafka-pubsub", "postgres-statestore"}
REFERRING = {"dapr.io/config": "Configuration", "dapr.io/app-token-secret": "Secret"}


@pytest.fixture(scope="module")
def objects() -> list[Manifest]:
    return render(ROOT / "tests/shape/names")


def names(objects: list[Manifest], kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in of_kind(objects, kind)}


def test_components_and_app_ids_stay_and_all_else_is_renamed(objects: list[Manifest]) -> None:
    assert names(objects, "Component") == COMPONENTS
    assert {annotations(one)["dapr.io/app-id"] for one in with_pods(objects)} == {
        "fastapi-dapr-agent",
        "fastapi-dapr-caller",
    }
    others = [one["metadata"] for one in objects if one["kind"] not in {"Component", "Namespace"}]
    assert [one["name"] for one in others if not one["name"].startswith("shop-")] == []
    assert {one["namespace"] for one in others} == {"shop"}


def test_what_annotations_name_is_there(objects: list[Manifest]) -> None:
    for workload in with_pods(objects):
        for annotation, kind in REFERRING.items():
            assert annotations(workload).get(annotation) in {None, *names(objects, kind)}, annotation


def test_every_secret_that_is_referred_to_is_there(objects: list[Manifest]) -> None:
    wanted = {name for one in objects for _, name, _ in secret_references(one)}
    assert wanted == names(objects, "Secret")


def test_the_caller_is_let_in_from_its_new_namespace(objects: list[Manifest]) -> None:
    policies = [
        policy
        for one in of_kind(objects, "Configuration")
        for policy in one["spec"].get("accessControl", {}).get("policies", [])
    ]
    assert [policy["namespace"] for policy in policies] == ["shop"]
