"""Passwords: by reference, to Secrets that exist, and written down for development clusters alone."""

import re
from base64 import b64decode

import pytest

from .rendering import (
    DEVELOPMENT,
    ROOT,
    Overlay,
    annotations,
    component_metadata,
    containers,
    environment,
    named,
    of_kind,
    render,
    secret_references,
    title,
    with_pods,
)

MADE_BY_MAKE_SECRET = {
    ("fastapi-app", "postgres-credentials", "password"),
    ("fastapi-app", "dapr-app-token", "token"),
}
SECRET_NAME = re.compile(r"password|secret|token", re.IGNORECASE)


def test_every_secret_that_is_referred_to_exists(overlay: Overlay) -> None:
    there = set() if overlay.name in DEVELOPMENT else set(MADE_BY_MAKE_SECRET)
    for secret in of_kind(overlay.objects, "Secret"):
        metadata = secret["metadata"]
        there |= {(metadata["namespace"], metadata["name"], key) for key in secret["data"]}
    wanted = {reference for manifest in overlay.objects for reference in secret_references(manifest)}
    assert wanted, "no secretKeyRef in this overlay"
    assert not wanted - there, f"namespace, Secret, key of what is missing: {wanted - there}"


def test_both_secrets_carry_the_same_password(overlay: Overlay) -> None:
    data = [secret["data"] for secret in of_kind(overlay.objects, "Secret")]
    values = [value for one in data for name, value in one.items() if "password" in name]
    assert len(values) == (2 if overlay.name in DEVELOPMENT else 0)
    assert len(set(values)) <= 1


def test_app_and_sidecar_read_the_same_token_which_must_be_there(overlay: Overlay) -> None:
    agent = named(overlay.objects, "Deployment", "fastapi-dapr-agent")
    # daprd's injector reads the key `token` of it
    secret = {"name": annotations(agent)["dapr.io/app-token-secret"], "key": "token"}
    assert environment(containers(agent)[0])["APP_API_TOKEN"] == {"secretKeyRef": secret}


@pytest.mark.parametrize("name", ["fastapi-dapr-agent", "fastapi-dapr-caller"])
def test_the_sidecars_own_token_is_read_where_there_is_one(name: str, overlay: Overlay) -> None:
    app = named(overlay.objects, "Deployment", name)
    secret = {"name": "dapr-api-token", "key": "token", "optional": True}
    assert environment(containers(app)[0])["DAPR_API_TOKEN"] == {"secretKeyRef": secret}
    assert "dapr.io/api-token-secret" not in annotations(app)


def test_passwords_are_references(overlay: Overlay) -> None:
    components = [
        (title(component), component_metadata(component)) for component in of_kind(overlay.objects, "Component")
    ]
    variables = [
        (title(workload), environment(container))
        for workload in with_pods(overlay.objects)
        for container in containers(workload)
    ]
    for owner, values in components + variables:
        literal = [name for name, value in values.items() if SECRET_NAME.search(name) and isinstance(value, str)]
        assert not literal, f"{owner}: {literal} is a literal, expected a secretKeyRef"


def test_secrets_are_written_down_for_development_alone(overlay: Overlay) -> None:
    assert bool(of_kind(overlay.objects, "Secret")) == (overlay.name in DEVELOPMENT)


def test_no_base_carries_a_secret_or_the_development_password() -> None:
    secrets = render(ROOT / "components/development-secrets")
    values = {b64decode(value).decode() for secret in secrets for value in secret["data"].values()}
    for path in ROOT.glob("base/**/*.*"):
        words = ("\nkind: Secret", "secretGenerator", *values)
        found = [word for word in words if word in f"\n{path.read_text()}"]
        assert not found, f"{path.relative_to(ROOT)} carries {found}"
