"""The system under test, the ways to reach it, and what a test may measure or break."""

from collections.abc import Callable, Iterator

import pytest

from acceptance.harness import options, system
from acceptance.harness.api import Api
from acceptance.harness.catalogue import Entry
from acceptance.harness.cluster import Cluster
from acceptance.harness.database import PORT, Database
from acceptance.harness.faults import Faults, undo_table
from acceptance.harness.journal import Journal, default_file
from acceptance.harness.port_forward import PortForward
from acceptance.harness.run import Run
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox
from acceptance.harness.topic import Topic
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import find

Measure = Callable[[str, float], None]
Bound = Callable[[str], float]


def pytest_configure(config: pytest.Config) -> None:
    """Start a run: its id, its folder, its reports."""
    config.pluginmanager.register(Run(config, options.parse(config)), Run.NAME)


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """This run: id, options, artifacts."""
    found = pytestconfig.pluginmanager.get_plugin(Run.NAME)
    assert isinstance(found, Run)
    return found


@pytest.fixture(scope="session")
def waiting(run: Run) -> Waiting:
    """The waiting policy, with this run's time scale."""
    return run.waiting


@pytest.fixture(scope="session")
def forwards(cluster: Cluster, run: Run) -> Iterator[Callable[..., PortForward]]:
    """Open a port-forward that lasts until the end of the run."""

    def forward(namespace: str, workload: str, *ports: int) -> PortForward:
        run.forwards.append(PortForward(cluster.kubectl, namespace, workload, ports).open())
        return run.forwards[-1]

    yield forward
    for one in run.forwards:
        one.close()


@pytest.fixture(scope="session")
def agent_forward(forwards: Callable[..., PortForward]) -> PortForward:
    """The agent's pod: app, sidecar, the sidecar's metrics and its port for other sidecars."""
    ports = (system.APP_PORT, system.SIDECAR_PORT, system.SIDECAR_METRICS_PORT, system.SIDECAR_INTERNAL_PORT)
    return forwards(system.NAMESPACE, f"deploy/{system.AGENT}", *ports)


@pytest.fixture(scope="session")
def caller_forward(forwards: Callable[..., PortForward]) -> PortForward:
    """The caller's pod: app and sidecar."""
    return forwards(system.NAMESPACE, f"deploy/{system.CALLER}", system.APP_PORT, system.SIDECAR_PORT)


@pytest.fixture(scope="session")
def agent(agent_forward: PortForward, run: Run) -> Api:
    """The agent's HTTP interface."""
    run.agent = Api(agent_forward, system.APP_PORT)
    return run.agent


@pytest.fixture(scope="session")
def sidecar(agent_forward: PortForward) -> Api:
    """The Dapr API of the agent's sidecar."""
    return Api(agent_forward, system.SIDECAR_PORT)


@pytest.fixture(scope="session")
def sidecar_metrics(agent_forward: PortForward) -> Api:
    """The metrics of the agent's sidecar."""
    return Api(agent_forward, system.SIDECAR_METRICS_PORT)


@pytest.fixture(scope="session")
def caller(caller_forward: PortForward) -> Api:
    """The second service's HTTP interface."""
    return Api(caller_forward, system.APP_PORT)


@pytest.fixture(scope="session")
def caller_sidecar(caller_forward: PortForward) -> Api:
    """The Dapr API of the caller's sidecar."""
    return Api(caller_forward, system.SIDECAR_PORT)


@pytest.fixture(scope="session")
def database(cluster: Cluster, forwards: Callable[..., PortForward]) -> Database:
    """PostgreSQL, asked directly."""
    state = system.component_metadata(cluster, system.STATESTORE)
    forward = forwards(system.POSTGRES.namespace, f"statefulset/{system.POSTGRES.name}", PORT)
    return Database(
        forward,
        lambda: cluster.secret(system.NAMESPACE, "postgres-credentials", "password"),
        state.get("user", "postgres"),
        state.get("database", "postgres"),
    )


@pytest.fixture(scope="session")
def journal(cluster: Cluster, run: Run) -> Iterator[Journal]:
    """The write-ahead journal of this cluster; what an earlier run left open is undone first."""
    uid = cluster.kubectl.run("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    journal = Journal(default_file(uid), undo_table(cluster))
    for done in journal.undo_all():
        run.show(f"undone from an earlier run: {done}")
    yield journal
    journal.undo_all()
    journal.close()


@pytest.fixture(scope="session")
def toolbox(cluster: Cluster, waiting: Waiting, run: Run, journal: Journal) -> Iterator[Toolbox]:
    """A pod of the run's own inside the cluster."""
    image = find(cluster, system.NAMESPACE, system.AGENT).image
    toolbox = Toolbox(cluster, waiting, system.NAMESPACE, run.id, image)
    entry = journal.promise("replace", namespace=system.NAMESPACE, name=toolbox.name)
    toolbox.start()
    yield toolbox
    journal.undo(entry)


@pytest.fixture(scope="session")
def topic(cluster: Cluster, toolbox: Toolbox, run: Run) -> Topic:
    """The topic of the agent's events, read by a consumer of the run's own."""
    brokers = system.component_metadata(cluster, system.PUBSUB)["brokers"]
    return Topic(toolbox, brokers, system.TOPIC, f"acceptance-{run.id}")


@pytest.fixture
def timeline(run: Run, request: pytest.FixtureRequest) -> Timeline:
    """What this test sees, on one clock."""
    return run.timeline(request.node.nodeid)


@pytest.fixture
def faults(cluster: Cluster, agent: Api, waiting: Waiting, journal: Journal, run: Run) -> Iterator[Faults]:
    """Break things; afterwards everything has to be steady again."""

    def steady() -> None:
        system.until_steady(cluster, agent, waiting)

    yield Faults(cluster, journal, waiting, steady, run.options.fault_backends)
    system.until_steady(cluster, agent, waiting, within_s=120)


@pytest.fixture
def measure(entry: Entry, request: pytest.FixtureRequest, run: Run) -> Measure:
    """Put a number beside its bound of the criteria file into the report, and hold it against it."""

    def measured(name: str, value: float) -> None:
        run.measure(request.node, entry, name, value)

    return measured


@pytest.fixture
def bound(entry: Entry) -> Bound:
    """A bound of this test's entry, by name."""
    return entry.bounds.__getitem__
