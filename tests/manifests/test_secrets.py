"""Passwords: by reference, to Secrets that exist, and written down for development clusters alone."""

import re
from base64 import b64decode

from .rendering import (
    DEVELOPMENT,
    ROOT,
    Overlay,
    component_metadata,
    containers,
    environment,
    of_kind,
    render,
    secret_references,
    title,
    with_pods,
)

MADE_BY_MAKE_SECRET = {("fastapi-app", "postgres-credentials", "password")}
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
    values = [value for secret in of_kind(overlay.objects, "Secret") for value in secret["data"].values()]
    assert len(values) == (2 if overlay.name in DEVELOPMENT else 0)
    assert len(set(values)) <= 1


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
    (value,) = {v for secret in render(ROOT / "components/development-secrets") for v in secret["data"].values()}
    password = b64decode(value).decode()
    for path in ROOT.glob("base/**/*.*"):
        found = [word for word in ("kind: Secret", "secretGenerator", password) if word in path.read_text()]
        assert not found, f"{path.relative_to(ROOT)} carries {found}"
