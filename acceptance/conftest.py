"""The system under test, the ways to reach it, and what a test may measure or break."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext, suppress
from functools import partial
from itertools import chain
from typing import Any

import httpx
import pytest

from acceptance.harness import contract, options, tokens
from acceptance.harness.api import Api
from acceptance.harness.catalogue import Entry
from acceptance.harness.cluster import Cluster
from acceptance.harness.components import PostgresClient
from acceptance.harness.counter import Counter
from acceptance.harness.database import Database
from acceptance.harness.environment import Environment, opened
from acceptance.harness.errors import EnvironmentNotReadyError, ExitCode, NotYetError, UnmetError, UnsteadyError, expect
from acceptance.harness.evidence import collect
from acceptance.harness.faults import Faults
from acceptance.harness.journal import Journal
from acceptance.harness.logs import LogFollower
from acceptance.harness.numbers import Numbers, took
from acceptance.harness.port_forward import PortForward
from acceptance.harness.reach import Reach
from acceptance.harness.request import CREDENTIAL
from acceptance.harness.run import Run
from acceptance.harness.schema import Schema
from acceptance.harness.selection import Selection
from acceptance.harness.state import State
from acceptance.harness.system import System
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox
from acceptance.harness.topic import Topic
from acceptance.harness.waiting import Waiting

Judge = Callable[..., None]
Within = Callable[..., Any]
Bound = Callable[[str], float]


def pytest_configure(config: pytest.Config) -> None:
    """Start a run: its id, its folder, its reports."""
    run = Run(config, options.parse(config))
    config.pluginmanager.register(run, Run.NAME)
    config.pluginmanager.register(Selection(run.options, run.show))


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
def environment(run: Run, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Environment]:
    """What this run works on; without it the run ends here, with exit code 10."""
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")
    try:
        with ExitStack() as stack:
            # What creates a cluster shows its progress.
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                opening = opened(run.options, run.id, run.waiting, lambda: request.session.testsfailed > 0)
                environment = stack.enter_context(opening)
            yield environment
    except EnvironmentNotReadyError as error:
        pytest.exit(f"environment not ready: {error}", returncode=ExitCode.NOT_READY)


@pytest.fixture(scope="session")
def cluster(environment: Environment) -> Cluster:
    """The cluster of this run."""
    return environment.cluster


@pytest.fixture(scope="session")
def system(cluster: Cluster, waiting: Waiting, run: Run) -> System:
    """The system under test."""
    return System(cluster, waiting, run.options.names)


@pytest.fixture(scope="session")
def reach(cluster: Cluster) -> Iterator[Reach]:
    """Opens port-forwards and clients that last until the end of the run."""
    reach = Reach(cluster)
    yield reach
    reach.close()


@pytest.fixture(scope="session")
def app_token(system: System, run: Run) -> str:
    """What the agent's sidecar shows the agent; empty where there is none."""
    return tokens.read(system, run.masking, system.names.secrets.app_token)


@pytest.fixture(scope="session")
def credentials(system: System, run: Run) -> dict[str, str]:
    """Headers of a call to a sidecar's API: its token, where it asks for one."""
    token = tokens.read(system, run.masking, system.names.secrets.api_token)
    return {CREDENTIAL: token} if token else {}


@pytest.fixture(scope="session")
def agent_forward(system: System, reach: Reach) -> PortForward:
    """The agent's pod: app, sidecar, the sidecar's metrics and its port for other sidecars."""
    ports = (contract.APP_PORT, contract.SIDECAR_PORT, contract.SIDECAR_METRICS_PORT, contract.SIDECAR_INTERNAL_PORT)
    return reach.forward(system.namespace, system.agent.name, *ports)


@pytest.fixture(scope="session")
def caller_forward(system: System, reach: Reach) -> PortForward:
    """The caller's pod: app and sidecar."""
    return reach.forward(system.namespace, system.caller.name, contract.APP_PORT, contract.SIDECAR_PORT)


@pytest.fixture(scope="session")
def agent(reach: Reach, agent_forward: PortForward) -> Api:
    """The agent's HTTP interface."""
    return reach.api(agent_forward, contract.APP_PORT)


@pytest.fixture(scope="session")
def sidecar(reach: Reach, agent_forward: PortForward, credentials: dict[str, str]) -> Api:
    """The Dapr API of the agent's sidecar."""
    return reach.api(agent_forward, contract.SIDECAR_PORT, credentials)


@pytest.fixture(scope="session")
def sidecar_metrics(reach: Reach, agent_forward: PortForward) -> Api:
    """The metrics of the agent's sidecar."""
    return reach.api(agent_forward, contract.SIDECAR_METRICS_PORT)


@pytest.fixture(scope="session")
def invocations(system: System, reach: Reach) -> Counter:
    """How often the caller invoked the agent, whichever replica, told by the identity in its certificate."""
    metrics = partial(reach.every, system.namespace, system.agent.name, contract.SIDECAR_METRICS_PORT)
    return Counter(metrics, "dapr_runtime_service_invocation_req_recv_total", {"src_app_id": contract.CALLER})


@pytest.fixture(scope="session")
def caller(reach: Reach, caller_forward: PortForward) -> Api:
    """The second service's HTTP interface."""
    return reach.api(caller_forward, contract.APP_PORT)


@pytest.fixture(scope="session")
def caller_sidecar(reach: Reach, caller_forward: PortForward, credentials: dict[str, str]) -> Api:
    """The Dapr API of the caller's sidecar."""
    return reach.api(caller_forward, contract.SIDECAR_PORT, credentials)


@pytest.fixture(scope="session")
def database(system: System, toolbox: Toolbox, run: Run) -> Iterator[Database]:
    """PostgreSQL, asked directly."""

    def client() -> PostgresClient:
        found = system.postgres_client()
        run.masking.hide(found.password)
        return found

    with closing(Database(partial(toolbox.stream, "sql"), client)) as database:
        yield database


@pytest.fixture(scope="session", autouse=True)
def evidence(system: System, reach: Reach, run: Run, agent: Api, sidecar: Api) -> Iterator[None]:
    """Follow every log from the start; keep what the cluster says when something failed."""
    # before the first line is written; the sidecar's own token is known by now
    tokens.read(system, run.masking, system.names.secrets.app_token)
    run.diagnose_with(lambda: State(system, agent, sidecar))
    logs = LogFollower(system.cluster, tuple(system.namespaces), run.folder / "logs", run.masking.mask)
    logs.start()
    run.forwards = reach.forwards
    yield
    logs.stop()
    if any(result.failures for result in run.results.values()):
        collect(system, run.folder / "cluster", run.masking.mask)
        with suppress(NotYetError, httpx.TransportError):
            run.artifacts.keep("cluster/dapr/metadata.json", sidecar.call("GET", "/v1.0/metadata").text)


@pytest.fixture(scope="session", autouse=True)
def journal(system: System, environment: Environment, agent: Api, run: Run) -> Iterator[Journal]:
    """What has to be undone on this cluster; what an earlier run left open has been undone by now."""
    for done in environment.undone:
        run.show(f"undone from an earlier run: {done}")
    if environment.undone:
        # Not steady in time is for the criteria to tell.
        with suppress(UnmetError):
            system.until_steady(agent, within_s=120)
    yield environment.journal
    environment.journal.undo_all()


@pytest.fixture(scope="session")
def toolbox(system: System, run: Run, journal: Journal) -> Iterator[Toolbox]:
    """A pod of the run's own inside the cluster."""
    toolbox = Toolbox(system, run.id)
    entry = journal.promise("replace", namespace=system.namespace, name=toolbox.name)
    toolbox.start()
    yield toolbox
    journal.undo(entry)


@pytest.fixture(scope="session")
def schema(system: System, database: Database, journal: Journal) -> Schema:
    """The agent's tables, to be changed for a time."""
    return Schema(system, database, journal)


@pytest.fixture(scope="session", autouse=True)
def toolbox_in_time(request: pytest.FixtureRequest) -> None:
    """Let the run's own pod start beside the first tests, where one of all needs it."""
    if any("toolbox" in getattr(item, "fixturenames", ()) for item in request.session.items):
        # what is wrong with it, pytest tells again whoever needs it
        with suppress(Exception):
            request.getfixturevalue("toolbox")


@pytest.fixture(scope="session")
def topic(system: System, toolbox: Toolbox, run: Run) -> Topic:
    """The topic of the agent's events, read by a consumer of the run's own."""
    client = system.kafka_client()
    run.masking.hide(client.sasl.get("sasl_plain_password", ""))
    toolbox.keep("kafka.json", json.dumps(client.arguments()))
    return Topic(toolbox, contract.TOPIC, f"acceptance-{run.id}")


@pytest.fixture(autouse=True)
def entry(request: pytest.FixtureRequest) -> Entry:
    """The entry of the criteria file that a test proves; `@proves` fills it in."""
    raise pytest.UsageError(f"{request.node.nodeid} needs @proves with an id of criteria.toml")


@pytest.fixture
def timeline(run: Run, request: pytest.FixtureRequest) -> Timeline:
    """What this test sees, on one clock."""
    return run.timeline(request.node.nodeid)


@pytest.fixture
def faults(
    system: System, entry: Entry, agent: Api, database: Database, waiting: Waiting, journal: Journal, run: Run
) -> Iterator[Faults]:
    """Break things; afterwards everything has to be steady again."""
    for name in contract.DEPENDENCIES.keys() & entry.target.split():
        system.target(name)

    def steady() -> None:
        system.until_steady(agent)

    proofs = {target: database.open_query for name, target in system.own_backends.items() if name == "postgres"}
    yield Faults(system.cluster, journal, waiting, steady, run.options.fault_backends, proofs)
    try:
        system.until_steady(agent, within_s=120)
    except UnmetError as error:
        raise UnsteadyError(error.expected, error.seen, error.since_s) from error


@pytest.fixture
def judge(request: pytest.FixtureRequest, run: Run) -> Judge:
    """Put numbers beside their bounds into the report; all that exceed theirs are told at the test's end."""

    def judged(*numbers: Numbers) -> None:
        for one in chain.from_iterable(numbers):
            run.results[request.node.nodeid].measure(one.name, one.value, run.options.time_scale, one.such_as)

    return judged


@pytest.fixture(autouse=True)
def every_bound_measured(entry: Entry, request: pytest.FixtureRequest, run: Run) -> Iterator[None]:
    """Refuse a test that passes without a number for each bound of its entry: a bound that cannot fail."""
    yield
    result = run.results[request.node.nodeid]
    # what a fixture measured at its end
    result.require_bounds()
    missing = entry.bounds.keys() - result.numbers.keys()
    expect(not (result.ran and missing), "a number for each bound", f"none for {', '.join(sorted(missing))}")


@pytest.fixture
def within(waiting: Waiting, bound: Bound, judge: Judge) -> Within:
    """Wait for something within a bound of this test's entry; how long it took goes into the report."""

    def waited(name: str, expected: str, probe: Callable[[], Any], interval_s: float = 0.2) -> Any:
        started = time.monotonic()
        found = waiting.until(expected, probe, bound(name), interval_s)
        judge(took(name, started, time.monotonic()))
        return found

    return waited


@pytest.fixture
def bound(entry: Entry) -> Bound:
    """A bound of this test's entry, by name."""
    return entry.bounds.__getitem__
