"""The system under test, the ways to reach it, and what a test may measure or break."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial

import httpx
import pytest

from acceptance.agent import contract, dapr, options
from acceptance.agent.components import PostgresClient
from acceptance.agent.database import Database
from acceptance.agent.deployment import deployed
from acceptance.agent.inputs.request import CREDENTIAL
from acceptance.agent.options import AgentOptions
from acceptance.agent.rules import diagnosed
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, UnmetError
from acceptance.harness.faults.faults import Proof
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Target
from acceptance.harness.kube.port_forward import PortForward
from acceptance.harness.plugin import ended_unless_ready, uncaptured
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.reach import Counter, Reach
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.artifacts import Commands, commands
from acceptance.harness.suite.catalogue import Entry
from acceptance.harness.suite.environment import Environment
from acceptance.harness.suite.explanation import Diagnosis
from acceptance.harness.suite.run import Run
from acceptance.harness.waiting import Waiting

DAPR_KINDS = "components.dapr.io,resiliencies.dapr.io,subscriptions.dapr.io,configurations.dapr.io"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an option that is wrong before anything is done."""
    options.parse(config)


@pytest.fixture(scope="session")
def agent_options(pytestconfig: pytest.Config) -> AgentOptions:
    """What a run on this system is told beside what every run is."""
    return options.parse(pytestconfig)


@pytest.fixture(scope="session")
def environment(
    run: Run, agent_options: AgentOptions, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[Environment]:
    """What this run works on; without it the run ends here, with exit code 10."""
    with ended_unless_ready(), ExitStack() as stack:
        # What creates a cluster shows its progress.
        with uncaptured(pytestconfig):
            failed = lambda: request.session.testsfailed > 0  # noqa: E731 -- asked at the end
            opening = deployed(agent_options, run.options.context, run.id, run.waiting, failed)
            environment = stack.enter_context(opening)
        yield environment


@pytest.fixture(scope="session")
def system(cluster: Cluster, waiting: Waiting, agent_options: AgentOptions) -> System:
    """The system under test."""
    return System(cluster, waiting, agent_options.names)


@pytest.fixture(scope="session")
def namespaces(system: System) -> tuple[str, ...]:
    """Where the system is."""
    return tuple(system.namespaces)


@pytest.fixture(scope="session")
def diagnosis(system: System, namespaces: tuple[str, ...], agent: Api, sidecar: Api, app_token: str) -> Diagnosis:
    """How a failure is looked into: by the rules, with what the agent and its sidecar say."""
    assert app_token is not None  # masked before the first line is written; the sidecar's own is known by now
    look = f"kubectl -n {system.namespace} logs deploy/{system.agent.name} -c {system.agent.container}"
    return Diagnosis(system.cluster, namespaces, partial(diagnosed, system, agent, sidecar), look)


@pytest.fixture(scope="session")
def evidence_commands(system: System, namespaces: tuple[str, ...]) -> Commands:
    """What kubectl is asked when something failed."""
    return commands(namespaces) | {
        "dapr/resources.yaml": ("-n", system.namespace, "get", DAPR_KINDS, "-o", "yaml"),
        "dapr/control-plane.txt": ("-n", system.names.dapr_namespace, "get", "pods", "-o", "wide"),
    }


@pytest.fixture(scope="session", autouse=True)
def metadata_kept(run: Run, sidecar: Api) -> Iterator[None]:
    """What the agent's sidecar says of itself, when something failed."""
    yield
    if any(result.failures for result in run.results.values()):
        with suppress(NotYetError, httpx.TransportError):
            run.artifacts.keep("cluster/dapr/metadata.json", sidecar.call("GET", "/v1.0/metadata").text)


@pytest.fixture(scope="session")
def journal(journal: Journal, environment: Environment, system: System, agent: Api) -> Journal:
    """What has to be undone on this cluster; after something of an earlier run was, the system is steady again."""
    if environment.undone:
        # Not steady in time is for the criteria to tell.
        with suppress(UnmetError):
            system.until_steady(agent, within_s=120)
    return journal


@pytest.fixture(autouse=True)
def proof(entry: Entry) -> Entry:
    """Every test here proves an entry."""
    return entry


@pytest.fixture
def steady(system: System, entry: Entry, agent: Api) -> Callable[[float], None]:
    """The steady state; raises NotApplicableError for a fault on what is not here."""
    for name in contract.DEPENDENCIES.keys() & entry.target.split():
        system.target(name)
    return partial(system.until_steady, agent)


@pytest.fixture
def proofs(system: System, database: Database) -> dict[Target, Proof]:
    """A connection that is open has to fall silent when PostgreSQL is frozen."""
    return {target: database.open_query for name, target in system.own_backends.items() if name == "postgres"}


@pytest.fixture(scope="session")
def toolbox(system: System, run: Run, journal: Journal) -> Iterator[Toolbox]:
    """A pod of the run's own inside the cluster."""
    toolbox = system.toolbox(run.id)
    entry = journal.promise("replace", namespace=system.namespace, name=toolbox.name)
    toolbox.start()
    yield toolbox
    journal.undo(entry)


@pytest.fixture(scope="session")
def app_token(system: System, run: Run) -> str:
    """What the agent's sidecar shows the agent; empty where there is none."""
    return dapr.read_token(system, run.masking, system.names.secrets.app_token)


@pytest.fixture(scope="session")
def credentials(system: System, run: Run) -> dict[str, str]:
    """Headers of a call to a sidecar's API: its token, where it asks for one."""
    token = dapr.read_token(system, run.masking, system.names.secrets.api_token)
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
