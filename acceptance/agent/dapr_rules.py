"""Likely causes in what the sidecar and `/ready` say."""

from collections.abc import Iterator

from acceptance.agent import contract
from acceptance.agent.state import State
from acceptance.harness.suite.explanation import Finding


def components(state: State) -> Iterator[Finding]:
    """Components that do not exist or are not for the agent."""
    existing = state.cluster.dapr_resources(state.system.namespace, "components")
    for name in sorted({contract.PUBSUB, contract.STATESTORE} - state.under_fault):
        look = f"kubectl -n {state.system.namespace} get component {name} -o yaml"
        if name not in existing:
            yield Finding(f"Component {name} does not exist", look)
        elif contract.AGENT not in existing[name].get("scopes", [contract.AGENT]):
            yield Finding(f"Component {name} is not scoped to {contract.AGENT}", look)


def loading(state: State) -> Iterator[Finding]:
    """Components that exist but that the sidecar runs without."""
    loaded = {one["name"] for one in state.metadata.get("components", [])}
    for name in sorted({contract.PUBSUB, contract.STATESTORE} - state.under_fault):
        if state.metadata and name not in loaded:
            yield Finding(
                f"Component {name} exists but the sidecar has not loaded it",
                f"kubectl -n {state.system.namespace} logs deploy/{state.system.agent.name} -c daprd",
            )


def subscription(state: State) -> Iterator[Finding]:
    """The subscription the sidecar holds."""
    held = [f"{one['pubsubname']}/{one['topic']}" for one in state.metadata.get("subscriptions", [])]
    if state.metadata and f"{contract.PUBSUB}/{contract.TOPIC}" not in held:
        yield Finding(
            f"the sidecar is subscribed to {', '.join(held) or 'nothing'}, not to {contract.TOPIC}",
            f"kubectl -n {state.system.namespace} logs deploy/{state.system.agent.name} -c daprd",
        )


def backend_checks(state: State) -> Iterator[Finding]:
    """What /ready says of the backends themselves."""
    yield from _named(state, {"database", "pubsub"})


def other_checks(state: State) -> Iterator[Finding]:
    """What /ready says of everything else."""
    yield from _named(state, (contract.CHECKS | {"events"}) - {"database", "pubsub"})


def _named(state: State, names: set[str]) -> Iterator[Finding]:
    agent = state.system.agent
    for name in sorted((names & state.checks.keys()) - state.forgiven):
        if state.checks[name].get("status") != "ok":
            yield Finding(
                f"/ready names {name}: {state.checks[name].get('error') or state.checks[name]}",
                f"kubectl -n {agent.namespace} logs deploy/{agent.name} -c {agent.container}",
            )
