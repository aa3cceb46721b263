"""The system under test, by the names it has here: what runs of it now, and its steady state."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from uuid import uuid4

from acceptance.agent import components, contract
from acceptance.agent.components import KafkaClient, PostgresClient
from acceptance.agent.names import Names
from acceptance.harness.errors import NotApplicableError, NotYetError, UnmetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod, Target
from acceptance.harness.kube.workload import behind, find, require_ready, serving_pod
from acceptance.harness.probes.api import Api, shorten
from acceptance.harness.probes.toolbox import LIMITS, Toolbox
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.timeline import Timeline

STEADY_S = 30


@dataclass(frozen=True)
class System:
    """The system on a cluster. What hits a backend hits every pod of it, what hits agent or sidecar one."""

    cluster: Cluster
    waiting: Waiting
    names: Names

    @property
    def namespace(self) -> str:
        """Where the two services are."""
        return self.names.namespace

    @property
    def agent(self) -> Target:
        """The agent's application."""
        return Target(self.namespace, self.names.agent.deployment, self.names.agent.container)

    @property
    def sidecar(self) -> Target:
        """The agent's sidecar."""
        return Target(self.namespace, self.names.agent.deployment, contract.DAPRD)

    @property
    def caller(self) -> Target:
        """The caller's application."""
        return Target(self.namespace, self.names.caller.deployment, self.names.caller.container)

    @cached_property
    def kafka(self) -> Target:
        """The workload of the brokers. Raises NotApplicableError where no workload of this cluster is behind them."""
        return self._behind("kafka", self.kafka_client().address[0])

    @cached_property
    def postgres(self) -> Target:
        """The workload of the database. Raises NotApplicableError where no workload of this cluster is behind it."""
        return self._behind("postgres", self.postgres_client().host)

    def target(self, name: str) -> Target:
        """What an entry of the criteria file calls agent, sidecar, kafka or postgres. Raises NotApplicableError."""
        found: Target = getattr(self, name)
        return found

    @property
    def own_backends(self) -> dict[str, Target]:
        """The backends that are workloads of this cluster, by name."""
        found = {}
        for name in contract.DEPENDENCIES:
            with suppress(UnmetError, NotApplicableError):
                found[name] = self.target(name)
        return found

    @property
    def namespaces(self) -> list[str]:
        """Where something of the system runs."""
        return list(dict.fromkeys((self.namespace, *(one.namespace for one in self.own_backends.values()))))

    def component(self, name: str) -> dict[str, str]:
        """The metadata of a Component, its secrets too. Raises UnmetError when it or a secret of it does not exist."""
        return components.metadata(self.cluster, self.namespace, name)

    def kafka_client(self) -> KafkaClient:
        """How a client comes to Kafka, as the pub/sub Component says. Raises UnmetError when that does not exist."""
        return components.kafka(self.component(contract.PUBSUB))

    def brokers(self) -> str:
        """The brokers, as Kafka's own tools are told them."""
        return ",".join(self.kafka_client().brokers)

    def postgres_client(self) -> PostgresClient:
        """How a client comes to PostgreSQL, as the state store's Component says. Raises UnmetError without that."""
        return components.postgres(self.component(contract.STATESTORE))

    def backends(self) -> dict[str, tuple[str, int]]:
        """Where each backend takes connections, by their Components."""
        return {"kafka": self.kafka_client().address, "postgres": self.postgres_client().address}

    def agent_pod(self) -> Pod:
        """The pod of the agent that is watched, and hit by what hits one. Raises NotYetError when there is none."""
        return serving_pod(self.cluster, self.namespace, self.agent.name)

    def agent_pods(self) -> list[Pod]:
        """Every pod of the agent, oldest first. Raises NotYetError while there is no Deployment."""
        return self.cluster.pods(self.namespace, find(self.cluster, self.namespace, self.agent.name).selector)

    def agent_url(self) -> str:
        """The agent as it is asked from inside the cluster, through its Service."""
        return f"http://{self.cluster.address(self.namespace, self.names.agent.service)}"

    def caller_url(self) -> str:
        """The caller as it is asked from inside the cluster, through its Service."""
        return f"http://{self.cluster.address(self.namespace, self.names.caller.service)}"

    def publish_url(self) -> str:
        """Where events are published from inside the cluster."""
        return self.agent_url() + self.names.routes.publish

    def restarts(self) -> dict[str, int]:
        """How often each container of the agent's pods and of the brokers was restarted."""
        brokers = self.own_backends.get("kafka")
        pods = [*self.agent_pods(), *(self.cluster.pods(brokers.namespace) if brokers else [])]
        return {f"{pod.name} {name}": one.restarts for pod in pods for name, one in pod.containers.items()}

    def command(self, *arguments: str) -> str:
        """What one of the agent's own commands printed. Raises KubectlError when it failed."""
        target = ("exec", f"deploy/{self.agent.name}", "-c", self.agent.container, "--")
        return self.cluster.kubectl.run("-n", self.namespace, *target, "python", "-m", "app", *arguments, timeout_s=60)

    def toolbox(self, run_id: str, limits: Mapping[str, str] = LIMITS) -> Toolbox:
        """A pod of the run's own beside the agent, not made yet."""
        names = self.names
        where = (names.namespace, self.agent.name, names.toolbox.image)
        return Toolbox(self.cluster, self.waiting, *where, run_id, limits)

    def publish_and_wait(self, agent: Api, within_s: float) -> float:
        """Seconds from publishing an event until its effect can be read. Raises UnmetError when it takes longer."""
        started, routes = time.monotonic(), self.names.routes
        content = {"message": "still here", "metadata": {"key": f"acceptance-{uuid4()}"}}
        event = agent.json("POST", routes.publish, json=content)
        path = f"{routes.events}/{event['id']}"

        def applied() -> float:
            answer = agent.call("GET", path)
            if answer.status_code != 200 or answer.json().get("status") != "applied":
                raise NotYetError(f"{path} answers {shorten(answer)}")
            return time.monotonic() - started

        return self.waiting.until("the event to be applied", applied, within_s, interval_s=0.05)

    def require_steady(self, agent: Api) -> None:
        """Raise NotYetError naming what is missing, unless agent and caller are rolled out and /ready is green."""
        for target in (self.agent, self.caller):
            require_ready(self.cluster, target.namespace, target.name)
        if leaving := [pod.name for pod in self.agent_pods() if pod.leaving]:
            raise NotYetError(f"{', '.join(leaving)} is terminating")
        answer = agent.call("GET", self.names.routes.ready)
        if answer.status_code != 200:
            raise NotYetError(f"{self.names.routes.ready} answers {shorten(answer, 600)}")

    def until_steady(self, agent: Api, within_s: float = STEADY_S) -> None:
        """Wait for the steady state. Raises UnmetError naming what is missing."""
        self.waiting.until("the steady state", lambda: self.require_steady(agent), within_s)

    def until_red(self, watched: Timeline, since: float, within_s: float) -> float:
        """When /ready first said 503 after a moment. Raises UnmetError when it did not in time."""
        return self.waiting.until("/ready to fail", partial(watched.first, "ready", "503", since), within_s)

    def until_green(self, watched: Timeline, since: float, within_s: float) -> float:
        """When /ready first said 200 after a moment. Raises UnmetError when it did not in time."""
        return self.waiting.until("/ready to be green", partial(watched.first, "ready", "200", since), within_s)

    def until_named(self, watched: Timeline, check: str, since: float, within_s: float, text: str = "") -> float:
        """When /ready first named a check, with an error that holds a text. Raises UnmetError when it did not."""
        naming = partial(contract.named, watched, check, since, text)
        return self.waiting.until(f"/ready to name {text or check}", naming, within_s)

    def until_answering(self, watched: Timeline, backend: str, since: float, within_s: float) -> float:
        """When a backend first answered after a moment. Raises UnmetError when it did not in time."""
        answering = partial(watched.first, backend, "answers", since)
        return self.waiting.until(f"{backend} to answer", answering, within_s)

    def _behind(self, name: str, host: str) -> Target:
        found = behind(self.cluster, self.namespace, host)
        if not found:
            raise NotApplicableError(f"{name} is {host}: no workload of this cluster is behind that")
        return Target(found.namespace, found.name, found.containers[0], every=True)
