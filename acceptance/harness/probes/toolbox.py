"""A pod of the run's own inside the cluster, for what only a neighbour of the system can see."""

import base64
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from acceptance.harness.errors import EnvironmentNotReadyError, HopelessError, NotYetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.workload import missing_in, require_hope
from acceptance.harness.waiting import Waiting

PROGRAMS = Path(__file__).parents[2] / "in_cluster"
FOLDER = "/programs"
UNPACK = """
import base64, io, sys, tarfile
tarfile.open(fileobj=io.BytesIO(base64.b64decode(sys.stdin.read()))).extractall(filter="data")
"""
VOLUME_MOUNTS = ("dapr.io/volume-mounts", "dapr.io/volume-mounts-rw")
"""Annotations: what a sidecar mounts of its pod's volumes, as name:path with commas between them."""
LIFE_S = 3 * 3600
LIMITS = MappingProxyType({"cpu": "1", "memory": "192Mi"})


class Toolbox:
    """Runs programs of `in_cluster/` in a pod of its own beside those of a Deployment, wherever they may run.

    It has what a Dapr sidecar there has of volumes: the Components' certificates are where they say.
    """

    def __init__(
        self,
        cluster: Cluster,
        waiting: Waiting,
        namespace: str,
        like: str,
        image: str,
        run_id: str,
        limits: Mapping[str, str] = LIMITS,
    ) -> None:
        self._cluster = cluster
        self.waiting = waiting
        self._namespace = namespace
        self._like = like
        self._image = image
        self._limits = dict(limits)
        self._files = {f"acceptance/in_cluster/{file.name}": file.read_bytes() for file in PROGRAMS.glob("*.py")}
        self._is_filled = False
        self.name = f"acceptance-{run_id}"

    def start(self) -> None:
        """Create the pod; it ends by itself when a run dies without removing it. Of one that is gone, make another."""
        self._is_filled = False
        self._cluster.kubectl.run("-n", self._namespace, "create", "-f", "-", stdin=json.dumps(self._manifest()))

    def run(self, program: str, *arguments: str, timeout_s: float = 30, stdin: str = "") -> Any:
        """The JSON a program printed. Raises KubectlError when it failed, or was not done in the time, scaled."""
        self._require_ready()
        timeout_s *= self.waiting.time_scale
        return json.loads(
            self._cluster.kubectl.run(*self._program(program, *arguments), stdin=stdin, timeout_s=timeout_s)
        )

    def stream(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """A program that goes on, one line of output at a time; it may take its closed stdin for the end."""
        self._require_ready()
        return self._cluster.kubectl.start(*self._program(program, *arguments))

    def keep(self, name: str, text: str) -> None:
        """Write a file for the programs to read; nobody else sees it on its way."""
        self._files[name] = text.encode()
        self._is_filled = False

    def _exec(self, *command: str) -> tuple[str, ...]:
        return ("-n", self._namespace, "exec", "-i", self.name, "--", *command)

    def _program(self, name: str, *arguments: str) -> tuple[str, ...]:
        return self._exec("python", "-u", "-m", f"acceptance.in_cluster.{name}", *arguments)

    def _fill(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in self._files.items():
                about = tarfile.TarInfo(name)
                about.size, about.mode = len(content), 0o600
                archive.addfile(about, io.BytesIO(content))
        text = base64.b64encode(packed.getvalue()).decode()
        self._cluster.kubectl.run(*self._exec("python", "-c", UNPACK), stdin=text)

    def _require_ready(self) -> None:
        if self._is_filled:
            return

        def ready() -> None:
            found = [pod for pod in self._cluster.pods(self._namespace) if pod.name == self.name]
            if not found:
                raise NotYetError(f"pod {self.name} does not exist")
            try:
                require_hope(self._cluster, found[0])
            except HopelessError as error:
                raise EnvironmentNotReadyError(
                    f"the run's own pod cannot start: {error}; its image is toolbox.image of the system file"
                ) from error
            if missing := missing_in(found[0]):
                raise NotYetError(missing)

        self.waiting.until("the run's own pod to be ready", ready, within_s=30, interval_s=0.1)
        self._fill()
        self._is_filled = True

    def _manifest(self) -> dict[str, Any]:
        text = self._cluster.kubectl.run("-n", self._namespace, "get", f"deployment/{self._like}", "-o", "json")
        template = json.loads(text)["spec"]["template"]
        like, annotations = template["spec"], template["metadata"].get("annotations", {})
        mounts = [
            {"name": name.strip(), "mountPath": path.strip(), "readOnly": True}
            for one in ",".join(annotations.get(name, "") for name in VOLUME_MOUNTS).split(",")
            for name, _, path in [one.partition(":")]
            if path
        ]
        volumes = [one for one in like.get("volumes", []) if one["name"] in {mount["name"] for mount in mounts}]
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
                "volumes": [{"name": "programs", "emptyDir": {"sizeLimit": "16Mi"}}, *volumes],
                "containers": [
                    {
                        "name": "toolbox",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-c", f"import time; time.sleep({LIFE_S})"],
                        "workingDir": FOLDER,
                        "volumeMounts": [{"name": "programs", "mountPath": FOLDER}, *mounts],
                        "resources": {
                            "requests": {"cpu": "20m", "memory": "32Mi"},
                            "limits": self._limits,
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
