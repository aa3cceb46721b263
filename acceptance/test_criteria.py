"""The nine validation criteria, each proven by its effect."""

import time
from collections.abc import Callable
from functools import partial
from uuid import uuid4

from acceptance.agent import contract
from acceptance.agent.dapr import REQUIRED, absent_of_control_plane, first_answer
from acceptance.agent.database import Database
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.port_forward import PortForward
from acceptance.harness.kube.workload import find, require_ready
from acceptance.harness.probes.api import Api, reached, shorten
from acceptance.harness.probes.reach import Counter
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most, slowest, took

TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
STATE_CALLS = "dapr_component_state_count"
PUBLISHES = "dapr_component_pubsub_egress_count"
READS = 40
ROWS = f"SELECT count(*) FROM {contract.STATE_TABLE} WHERE key = $1"  # noqa: S608 -- a name from the contract


@proves("criterion-1-control-plane")
def test_dapr_system_pods_run(system: System, cluster: Cluster, judge: Judge) -> None:
    wanted = {workload.name: workload.desired for workload in cluster.workloads(system.names.dapr_namespace)}
    sidecars = [one for pod in cluster.pods(system.namespace) for one in pod.containers.values() if one.name == "daprd"]
    for arguments in {one.arguments for one in sidecars} or {()}:
        gone = ", ".join(absent_of_control_plane(wanted, arguments))
        expect(not gone, f"{gone} in dapr-system", f"workloads: {', '.join(sorted(wanted)) or 'none'}")
    for name in sorted(one for one, desired in wanted.items() if desired or one in REQUIRED):
        ready = partial(require_ready, cluster, system.names.dapr_namespace, name)
        judge.within("ready_s", f"{name} in dapr-system to be ready", ready)


@proves("criterion-2-sidecar")
def test_agent_runs_with_a_sidecar_of_the_control_planes_version(
    system: System, cluster: Cluster, sidecar: Api, judge: Judge
) -> None:
    ready = partial(require_ready, cluster, system.namespace, system.agent.name)
    judge.within("ready_s", "the agent with its sidecar to be ready", ready)
    daprd = system.agent_pod().containers.get("daprd")
    injector = find(cluster, system.names.dapr_namespace, "dapr-sidecar-injector")
    expect(daprd and daprd.ready, "container daprd, ready", daprd)
    runtime = sidecar.json("GET", "/v1.0/metadata")["runtimeVersion"]
    # A tag may carry a variant behind the version: 1.18.2-mariner.
    version = injector.version.partition("-")[0]
    expect(runtime == version, f"the sidecar to say it is version {version}, as the injector is", runtime)


@proves("criterion-3-components")
def test_components_exist_and_are_loaded_by_the_sidecar(
    system: System, cluster: Cluster, sidecar: Api, judge: Judge
) -> None:
    wanted = {contract.PUBSUB: "pubsub.kafka", contract.STATESTORE: "state.postgresql"}
    existing = {
        name: one["spec"]["type"] for name, one in cluster.dapr_resources(system.namespace, "components").items()
    }
    expect(wanted.items() <= existing.items(), f"Components {wanted}", existing)

    def loaded() -> None:
        metadata = sidecar.json("GET", "/v1.0/metadata")
        components = {one["name"]: one["type"] for one in metadata.get("components", [])}
        if not wanted.items() <= components.items():
            raise NotYetError(f"the sidecar has loaded {components}")
        subscriptions = [(one["pubsubname"], one["topic"]) for one in metadata.get("subscriptions", [])]
        if (contract.PUBSUB, contract.TOPIC) not in subscriptions:
            raise NotYetError(f"the sidecar has subscriptions {subscriptions}")

    judge.within("loaded_s", f"both Components and the subscription to {contract.TOPIC} in the sidecar", loaded)


@proves("criterion-4-health")
def test_health_says_healthy(system: System, agent: Api, judge: Judge) -> None:
    answer = agent.call("GET", system.names.routes.health)
    body = {"status": "healthy", "service": contract.AGENT}
    expect(answer.status_code == 200 and answer.json() == body, f"200 with {body}", shorten(answer))
    judge(slowest("answer_s", [answer]))


@proves("criterion-5-ready")
def test_ready_confirms_every_dependency(system: System, agent: Api, judge: Judge) -> None:
    route = system.names.routes.ready
    answer = agent.call("GET", route)
    expect(answer.status_code == 200, f"{route} to answer 200", shorten(answer, 600))
    body = answer.json()
    bad = [name for name in sorted(contract.CHECKS) if body.get("checks", {}).get(name, {}).get("status") != "ok"]
    expect(
        body.get("status") == "ready" and not bad, f"status ready and {sorted(contract.CHECKS)} ok", f"{bad}: {body}"
    )
    judge(slowest("answer_s", [answer]))


@proves("criterion-6-query")
def test_query_reports_what_postgresql_itself_reports(
    system: System, agent: Api, database: Database, schema: Schema, judge: Judge
) -> None:
    route = system.names.routes.query
    version = str(database.value("SHOW server_version")).split(" ")[0]

    def require_equal() -> None:
        answer = agent.call("GET", route)
        expect(answer.status_code == 200, f"{route} to answer 200", shorten(answer))
        body, tables = answer.json(), database.value(TABLES)
        expect(body.get("status") == "ok", "status ok", body)
        expect(version in str(body.get("postgres_version")), f"postgres_version {version}", body)
        expect(body.get("table_count") == tables, f"table_count {tables}, as information_schema says", body)
        judge(slowest("answer_s", [answer]))

    require_equal()
    # One table more: an answer that was not asked for anew would be wrong now.
    with schema.table(f"acceptance_{uuid4().hex}"):
        require_equal()


@proves("criterion-7-state")
def test_state_is_saved_read_and_deleted_through_dapr(
    system: System, agent: Api, database: Database, sidecar_metrics: Api, judge: Judge
) -> None:
    key, value = f"acceptance-{uuid4()}", {"nested": [1, {"text": "Grüße"}], "none": None}
    route, row = system.names.routes.state, f"{contract.AGENT}||{key}"
    counted = {operation: state_calls(sidecar_metrics, operation) for operation in ("set", "get", "delete")}
    before = {name: counter.value() for name, counter in counted.items()}

    def require_answer(expected: object, method: str, path: str, status: int = 200, **content: object) -> None:
        answer = agent.call(method, path, **content)
        equal = answer.status_code == status and (expected is None or answer.json() == expected)
        expect(equal, f"{method} {path} to answer {status} {expected or ''}", shorten(answer))
        judge(slowest("answer_s", [answer]))

    require_answer({"status": "saved", "key": key}, "POST", route, json={"key": key, "value": value})
    require_answer({"key": key, "value": value}, "GET", f"{route}/{key}")
    expect(database.value(ROWS, row) == 1, f"one row {row} in {contract.STATE_TABLE}", "none")
    require_answer({"status": "deleted", "key": key}, "DELETE", f"{route}/{key}")
    require_answer(None, "GET", f"{route}/{key}", status=404)
    expect(database.value(ROWS, row) == 0, f"no row {row} in {contract.STATE_TABLE}", "it is still there")
    for name in ("set", "delete"):
        judge.within("counted_s", f"the sidecar to count the {name}", partial(counted[name].require, before[name] + 1))
    require_counted(partial(require_answer, None, "GET", f"{route}/{key}", status=404), counted["get"], judge)


def state_calls(metrics: Api, operation: str) -> Counter:
    """How often a sidecar did something to the state store, and it went well."""
    labels = {"component": contract.STATESTORE, "success": "true", "operation": operation}
    return Counter(lambda: [metrics], STATE_CALLS, labels)


def require_counted(read: Callable[[], None], reads: Counter, judge: Judge) -> None:
    """Raise UnmetError unless the sidecar counts reads: /ready reads through it too, but not nearly as often."""
    before, started = reads.value(), time.monotonic()
    for _ in range(READS):
        read()
    lasted_s = time.monotonic() - started
    expect(lasted_s < READS / 4, f"{READS} reads in less than {READS / 4:g} s", f"{lasted_s:.1f} s")
    judge.within("counted_s", f"the sidecar to count {READS} reads", partial(reads.require, before + READS))


@proves("criterion-8-publish")
def test_published_event_is_found_in_the_topic(
    system: System, agent: Api, topic: Topic, sidecar_metrics: Api, judge: Judge
) -> None:
    offsets = topic.offsets()
    labels = {"component": contract.PUBSUB, "topic": contract.TOPIC, "success": "true"}
    published_through = Counter(lambda: [sidecar_metrics], PUBLISHES, labels)
    before = published_through.value()
    message = f"acceptance {uuid4()}"
    started = time.monotonic()
    published = agent.json("POST", system.names.routes.publish, json={"message": message, "metadata": {"key": message}})
    expect(published.get("status") == "published" and published.get("topic") == contract.TOPIC, "published", published)
    record = topic.find(published["id"], offsets, judge.bound("found_s"))
    found = time.monotonic()
    expect(
        record and message in record["value"],
        f"event {published['id']} in {contract.TOPIC}",
        record or "no such record",
    )
    assert record
    expect(record["key"] == message, f"Kafka's partition key {message!r}", record["key"])
    judge(took("found_s", started, found))
    judge.within("counted_s", "the sidecar to count the publish", partial(published_through.require, before + 1))
    judge(most("copies", topic.count(published["id"], offsets)))


@proves("criterion-9-invocation")
def test_invocation_from_the_callers_sidecar(
    system: System, caller_sidecar: Api, invocations: Counter, agent_forward: PortForward, judge: Judge
) -> None:
    before = invocations.value()
    invoke = f"/v1.0/invoke/{contract.AGENT}/method{system.names.routes.health}"
    health = judge.within("reached_s", f"{invoke} to be answered", partial(reached, caller_sidecar, invoke)).json()
    expect(health.get("service") == contract.AGENT, f"the answer of {contract.AGENT}", health)
    judge.within("counted_s", f"the callee to see {contract.CALLER} call", partial(invocations.require, before + 1))
    answer = first_answer(agent_forward.address(contract.SIDECAR_INTERNAL_PORT))
    expect(not answer.plaintext_http2, "a plaintext connection to 50002 to be refused", answer)
    expect(answer.tls, "the port to speak TLS", answer)
