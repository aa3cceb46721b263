"""A pod of the run's own inside the cluster, for what only a neighbour of the system can see."""

import json
import subprocess
from pathlib import Path
from typing import Any

from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import EnvironmentNotReadyError, HopelessError, NotYetError
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import missing_in, require_hope

PROGRAMS = Path(__file__).parents[1] / "in_cluster"
LIFE_S = 3 * 3600


class Toolbox:
    """Runs programs of `in_cluster/` in a pod beside those of a Deployment, with its image, wherever that may run."""

    def __init__(self, cluster: Cluster, waiting: Waiting, namespace: str, run_id: str, like: str) -> None:
        self._cluster = cluster
        self.waiting = waiting
        self._namespace = namespace
        self._like = like
        self.name = f"acceptance-{run_id}"

    def start(self) -> None:
        """Create the pod; it ends by itself when a run dies without removing it."""
        self._cluster.kubectl.run("-n", self._namespace, "create", "-f", "-", stdin=json.dumps(self._manifest()))

    def run(self, program: str, *arguments: str, timeout_s: float = 30, stdin: str = "") -> Any:
        """The JSON a program printed. Raises KubectlError when it failed, or was not done in the time, scaled."""
        self._require_ready()
        timeout_s *= self.waiting.time_scale
        return json.loads(self._cluster.kubectl.run(*self._exec(program, *arguments), stdin=stdin, timeout_s=timeout_s))

    def stream(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """A program that goes on, one line of output at a time; it may take its closed stdin for the end."""
        self._require_ready()
        return self._cluster.kubectl.start(*self._exec(program, *arguments))

    def _exec(self, program: str, *arguments: str) -> tuple[str, ...]:
        source = (PROGRAMS / f"{program}.py").read_text()
        return ("-n", self._namespace, "exec", "-i", self.name, "--", "python", "-u", "-c", source, *arguments)

    def _require_ready(self) -> None:
        def ready() -> None:
            found = [pod for pod in self._cluster.pods(self._namespace) if pod.name == self.name]
            if not found:
                raise NotYetError(f"pod {self.name} does not exist")
            try:
                require_hope(self._cluster, found[0])
            except HopelessError as error:
                raise EnvironmentNotReadyError(f"the run's own pod cannot start: {error}") from error
            if missing := missing_in(found[0]):
                raise NotYetError(missing)

        self.waiting.until("the run's own pod to be ready", ready, within_s=30, interval_s=0.1)

    def _manifest(self) -> dict[str, Any]:
        text = self._cluster.kubectl.run("-n", self._namespace, "get", f"deployment/{self._like}", "-o", "json")
        like = json.loads(text)["spec"]["template"]["spec"]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "labels": {"app.kubernetes.io/name": "acceptance", "app.kubernetes.io/instance": self.name},
            },
            "spec": {
                **{name: like[name] for name in ("imagePullSecrets", "tolerations", "nodeSelector") if name in like},
                "restartPolicy": "Never",
                "activeDeadlineSeconds": LIFE_S,
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "toolbox",
                        "image": like["containers"][0]["image"],
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-c", f"import time; time.sleep({LIFE_S})"],
                        "resources": {
                            "requests": {"cpu": "20m", "memory": "32Mi"},
                            "limits": {"cpu": "1", "memory": "192Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }
