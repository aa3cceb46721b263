"""Who may invoke the agent, and what."""

from typing import Any

import pytest

from app.sidecar.api import SUBSCRIPTIONS

from .rendering import Manifest, Overlay, annotations, named

AGENT, CALLER = "fastapi-dapr-agent", "fastapi-dapr-caller"
NEEDED = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("POST", "/publish"),
    ("GET", "/events"),
    ("GET", "/events/order-1842"),
    ("POST", "/state"),
    ("GET", "/state/cart-7"),
    ("GET", "/state/a/b"),
    ("DELETE", "/state/cart-7"),
    ("GET", "/db/query"),
]
KEPT = [("POST", subscription["route"]) for subscription in SUBSCRIPTIONS] + [
    ("GET", "/dapr/subscribe"),
    ("POST", "/job/x"),
    ("PUT", "/actors/a/b"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("POST", "/health/subscribe"),
    ("DELETE", "/events/order-1842"),
]


@pytest.fixture
def rules(overlay: Overlay) -> Manifest:
    """The access control that the agent's sidecar enforces."""
    configuration = annotations(named(overlay.objects, "Deployment", AGENT))["dapr.io/config"]
    found: Manifest = named(overlay.objects, "Configuration", configuration)["spec"]["accessControl"]
    return found


@pytest.fixture
def operations(rules: Manifest) -> dict[str, Any]:
    """What the caller may do, by name."""
    (policy,) = rules["policies"]
    return {one["name"]: one for one in policy["operations"]}


def allowed(operations: dict[str, Any], verb: str, path: str) -> bool:
    """Whether daprd lets an invocation in, by names without wildcards: the first that is the path, or above it, tells.

    Read in dapr 1.18.2, pkg/config/acl_trie.go, and compared with what it answers.
    """
    parts = path.split("/")[1:]
    above = ("/" + "/".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next((verb in operations[name]["httpVerb"] for name in above if name in operations), False)


def test_only_the_caller_may_invoke_and_nothing_that_is_not_named(rules: Manifest, overlay: Overlay) -> None:
    (policy,) = rules["policies"]
    namespace = named(overlay.objects, "Deployment", CALLER)["metadata"]["namespace"]
    assert (policy["appId"], policy["namespace"], policy["trustDomain"]) == (CALLER, namespace, rules["trustDomain"])
    assert (rules["defaultAction"], policy["defaultAction"]) == ("deny", "deny")
    assert rules["trustDomain"] == "public", "sentry's own, unless its chart is told another"


def test_no_name_hides_the_verbs_of_another(operations: dict[str, Any]) -> None:
    for name, operation in operations.items():
        assert "*" not in name, f"{name}: what is above it would tell, and a wildcard in the middle is easily too wide"
        assert [other for other in operations if other.startswith(f"{name}/") and name != "/"] == []
        assert (operation["action"], name) == ("allow", name.lower()), "daprd compares in lower case"


@pytest.mark.parametrize(("verb", "path"), NEEDED)
def test_the_caller_may_do_what_it_needs(verb: str, path: str, operations: dict[str, Any]) -> None:
    assert allowed(operations, verb, path)


@pytest.mark.parametrize(("verb", "path"), KEPT)
def test_the_caller_may_do_nothing_else(verb: str, path: str, operations: dict[str, Any]) -> None:
    assert not allowed(operations, verb, path)
