"""`python -m benchmarks.start`: how soon the agent is there, on the cluster of `make up`, as a table.

Its own pod, made anew: from when it is created until Kubernetes calls it ready, in whole seconds, as Kubernetes has
them. The process alone, in a pod with the agent's limits: until its first 200 of liveness and of readiness, and its CPU
and memory then.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from statistics import quantiles
from typing import Any
from uuid import uuid4

from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.objects import Pod
from benchmarks import contestant
from benchmarks.contestant import Contestant
from benchmarks.stage import Stage, opened

READY_S, LEAST = 90, 2


def pod_s(stage: Stage) -> float:
    """Seconds from the creation of the agent's pod to its being ready, of one made anew."""
    system = stage.system
    old = system.waiting.until("the agent to have one pod", lambda: _only(system.agent_pods()), READY_S)
    system.cluster.kubectl.run("-n", system.namespace, "delete", f"pod/{old.name}", "--wait=false")

    def ready() -> Mapping[str, Any]:
        new = _only([pod for pod in system.agent_pods() if pod.name != old.name])
        read = system.cluster.kubectl.run("-n", system.namespace, "get", f"pod/{new.name}", "-o", "json")
        pod: Mapping[str, Any] = json.loads(read)
        conditions = {one["type"]: one for one in pod["status"].get("conditions", ())}
        if conditions.get("Ready", {}).get("status") != "True":
            raise NotYetError(f"{new.name} is not ready")
        return {"created": pod["metadata"]["creationTimestamp"], "ready": conditions["Ready"]["lastTransitionTime"]}

    times = system.waiting.until("a new pod of the agent to be ready", ready, READY_S, interval_s=1)
    created, is_ready = (datetime.fromisoformat(times[name]) for name in ("created", "ready"))
    return (is_ready - created).total_seconds()


def _only(pods: list[Pod]) -> Pod:
    if len(pods) != 1:
        raise NotYetError(f"{len(pods)} pods")
    return pods[0]


def process(stage: Stage) -> dict[str, float]:
    """What the agent's process took until it answered, by name."""
    one = Contestant(contestant.service("starting"))
    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], one) as pod:
        return dict(stage.system.waiting.until(f"{pod.name} to answer", lambda: _told(stage, pod), READY_S))


def _told(stage: Stage, pod: Pod) -> dict[str, float]:
    arguments = ("-n", pod.namespace, "logs", pod.name, "-c", "fastapi")
    lines = [line for line in stage.system.cluster.kubectl.run(*arguments).splitlines() if line.startswith("{")]
    if not lines:
        raise NotYetError("it said nothing yet")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def main() -> None:
    """Start pod and process so often, and print percentiles."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each (default: 20)")
    rounds = parser.parse_args().rounds
    if rounds < LEAST:
        parser.error(f"expected at least {LEAST} rounds, for percentiles")
    found: dict[str, list[float]] = defaultdict(list)
    with opened() as stage:
        for number in range(rounds):
            found["pod created to ready, s"].append(pod_s(stage))
            for name, value in process(stage).items():
                found[f"process, {name}"].append(value)
            told = ", ".join(f"{name} {values[-1]:.2f}" for name, values in found.items())
            print(f"    round {number + 1}: {told}", flush=True)
    print(f"\n| {rounds} rounds | p50 | p90 | most |\n|---|---|---|---|")
    for name, values in found.items():
        tenths = quantiles(values, n=10, method="inclusive")
        print(f"| {name} | {tenths[4]:.2f} | {tenths[8]:.2f} | {max(values):.2f} |")


if __name__ == "__main__":
    main()
