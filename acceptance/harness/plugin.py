"""The pytest plugin: its options, what it makes of a criteria file, and its fixtures.

It does something in runs that have a criteria file: named by an option, or beside the tests that are asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError, ExitCode, UnmetError, UnsteadyError, expect
from acceptance.harness.faults.faults import Faults, Proof
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube import proxies
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.kubeconfig import private_copy
from acceptance.harness.kube.objects import Target
from acceptance.harness.kube.workload import first_missing
from acceptance.harness.probes.reach import Reach
from acceptance.harness.suite import artifacts, options
from acceptance.harness.suite.catalogue import TIERS, Entry
from acceptance.harness.suite.environment import Environment, opened
from acceptance.harness.suite.explanation import Diagnosis, Finding
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.run import Run
from acceptance.harness.suite.selection import Selection, entry_of
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.logs import LogFollower
from acceptance.harness.watching.timeline import Timeline

STEADY_S, STEADY_AGAIN_S = 30, 120


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's own."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Start a run, where there are criteria: its id, its folder, its reports."""
    config.addinivalue_line("markers", "proves(*ids): the entries of the criteria file that a test proves")
    for tier in TIERS:
        config.addinivalue_line("markers", f"{tier}: a tier of entries")
    if catalogue := options.find(config):
        proxies.spare()
        run = Run(config, options.parse(config, catalogue))
        config.pluginmanager.register(run, Run.NAME)
        config.pluginmanager.register(Selection(run.options, run.show))


@contextmanager
def ended_unless_ready() -> Iterator[None]:
    """End the whole run with exit code 10 when the environment of a block is not ready."""
    try:
        yield
    except EnvironmentNotReadyError as error:
        pytest.exit(f"environment not ready: {error}", returncode=ExitCode.NOT_READY)


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Show on the terminal what a block prints."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        yield


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """This run: id, options, artifacts. Raises pytest.UsageError in one that has no criteria file."""
    found = pytestconfig.pluginmanager.get_plugin(Run.NAME)
    if not isinstance(found, Run):
        raise pytest.UsageError("no criteria.toml beside the tests, or above, and none is named")
    return found


@pytest.fixture(scope="session")
def waiting(run: Run) -> Waiting:
    """The waiting policy, with this run's time scale."""
    return run.waiting


@pytest.fixture(scope="session")
def environment(run: Run) -> Iterator[Environment]:
    """What this run works on; without it the run ends here, with exit code 10."""
    with ended_unless_ready(), ExitStack() as stack:
        kubectl = stack.enter_context(private_copy(run.options.context))
        name = f"acceptance-{run.options.catalogue.system}"
        yield stack.enter_context(opened(kubectl, name, run.id, run.waiting))


@pytest.fixture(scope="session")
def cluster(environment: Environment) -> Cluster:
    """The cluster of this run."""
    return environment.cluster


@pytest.fixture(scope="session")
def namespaces() -> tuple[str, ...]:
    """Where the system is: logs are followed there, and kept with all else when something failed. To be overridden."""
    return ()


@pytest.fixture(scope="session")
def diagnosis(cluster: Cluster, namespaces: tuple[str, ...]) -> Diagnosis:
    """How a failure is looked into: what is not ready in the namespaces."""

    def first_finding(_: Entry) -> Finding | None:
        for namespace in namespaces:
            if missing := first_missing(cluster, namespace):
                return Finding(missing, f"kubectl -n {namespace} get events")
        return None

    look = "; ".join(f"kubectl -n {namespace} get all" for namespace in namespaces)
    return Diagnosis(cluster, namespaces, first_finding, look)


@pytest.fixture(scope="session")
def evidence_commands(namespaces: tuple[str, ...]) -> artifacts.Commands:
    """What kubectl is asked when something failed, by the file that keeps it."""
    return artifacts.commands(namespaces)


@pytest.fixture(scope="session")
def reach(cluster: Cluster, run: Run) -> Iterator[Reach]:
    """Opens port-forwards and clients that last until the end of the run."""
    reach = Reach(cluster)
    run.forwards = reach.forwards
    yield reach
    reach.close()


@pytest.fixture(scope="session")
def observed(
    cluster: Cluster,
    run: Run,
    namespaces: tuple[str, ...],
    diagnosis: Diagnosis,
    evidence_commands: artifacts.Commands,
) -> Iterator[None]:
    """Follow every log from the start; keep what the cluster says when something failed."""
    run.diagnose_with(diagnosis)
    logs = LogFollower(cluster, namespaces, run.folder / "logs", run.masking.mask)
    logs.start()
    yield
    logs.stop()
    if any(result.failures for result in run.results.values()):
        artifacts.collect(cluster.kubectl, evidence_commands, run.folder / "cluster", run.masking.mask)


@pytest.fixture(scope="session")
def journal(environment: Environment, run: Run) -> Iterator[Journal]:
    """What has to be undone on this cluster; what an earlier run left open has been undone by now."""
    for done in environment.undone:
        run.show(f"undone from an earlier run: {done}")
    yield environment.journal
    environment.journal.undo_all()


@pytest.fixture
def entry(request: pytest.FixtureRequest) -> Entry:
    """The entry of the criteria file that a test proves; `@proves` fills it in."""
    raise pytest.UsageError(f"{request.node.nodeid} needs @proves with an id of the criteria file")


@pytest.fixture(autouse=True)
def watched_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """Observe the system around each proof; refuse one that passes without a number for each bound of its entry."""
    entry = entry_of(request.node)
    if not entry:
        yield
        return
    run: Run = request.getfixturevalue("run")
    request.getfixturevalue("observed")
    yield
    result = run.results[request.node.nodeid]
    # what a fixture measured at its end
    result.require_bounds()
    missing = entry.bounds.keys() - result.numbers.keys()
    expect(not (result.ran and missing), "a number for each bound", f"none for {', '.join(sorted(missing))}")


@pytest.fixture
def timeline(run: Run, request: pytest.FixtureRequest) -> Timeline:
    """What this test sees, on one clock."""
    return run.timeline(request.node.nodeid)


@pytest.fixture
def steady() -> Callable[[float], None]:
    """Waits, for so many seconds, until the system is as it was before a fault. To be overridden."""
    return lambda _: None


@pytest.fixture
def proofs() -> Mapping[Target, Proof]:
    """What else has to fall silent when a target is frozen. To be overridden."""
    return {}


def breaking(
    run: Run,
    cluster: Cluster,
    journal: Journal,
    require_steady: Callable[[], None],
    proofs: Mapping[Target, Proof] | None = None,
) -> Faults:
    """What breaks things on the cluster of a run, as far as its options allow."""
    system, allowed = run.options.catalogue.system, run.options.fault_backends
    return Faults(cluster, journal, run.waiting, require_steady, system, allowed, proofs or {})


@pytest.fixture
def faults(
    cluster: Cluster,
    journal: Journal,
    run: Run,
    steady: Callable[[float], None],
    proofs: Mapping[Target, Proof],
) -> Iterator[Faults]:
    """Break things; afterwards everything has to be steady again."""
    yield breaking(run, cluster, journal, partial(steady, STEADY_S), proofs)
    try:
        steady(STEADY_AGAIN_S)
    except UnmetError as error:
        raise UnsteadyError(error.expected, error.seen, error.since_s) from error


@pytest.fixture
def judge(request: pytest.FixtureRequest, run: Run, entry: Entry) -> Judge:
    """Holds what a test measures against the bounds of its entry."""
    return Judge(entry, run.results[request.node.nodeid], run.waiting)
