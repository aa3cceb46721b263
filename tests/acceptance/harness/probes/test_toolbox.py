"""The run's own pod: what it is made of, and what it is given."""

import base64
import io
import json
import tarfile
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod
from acceptance.harness.probes.toolbox import Toolbox
from tests.acceptance.fakes import POD, Data, pod_with

TEMPLATE: dict[str, Any] = {
    "metadata": {"annotations": {"dapr.io/volume-mounts": "tls:/tls, ca:/ca/of-kafka"}},
    "spec": {
        "tolerations": [{"key": "spot"}],
        "containers": [{"image": "the-agents-own"}],
        "volumes": [{"name": name, "secret": {"secretName": name}} for name in ("tls", "ca", "others")],
    },
}


def read(packed: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = packed.extractfile(member)
    assert file
    return file.read().decode()


@dataclass
class Recorder:
    """A kubectl and the pods of a cluster; writes down what is asked of it."""

    pods_there: list[Pod] = field(default_factory=lambda: [replace(POD, name="acceptance-1")])
    created: dict[str, Any] = field(default_factory=dict)
    filled: list[dict[str, str]] = field(default_factory=list)
    said: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, *arguments: str, stdin: str = "", **_: object) -> str:
        """Answer as kubectl would."""
        self.said.append(arguments)
        if "get" in arguments:
            return json.dumps({"spec": {"template": TEMPLATE}})
        if "create" in arguments:
            self.created = json.loads(stdin)
        if "-c" in arguments:
            with tarfile.open(fileobj=io.BytesIO(base64.b64decode(stdin))) as packed:
                self.filled.append({one.name: read(packed, one) for one in packed})
        return "7"

    def toolbox(self) -> Toolbox:
        """A toolbox on this cluster."""
        cluster = SimpleNamespace(kubectl=self, pods=lambda _: self.pods_there)
        return replace(Data().as_system(), cluster=cast("Cluster", cluster)).toolbox("1")


def test_it_has_an_image_of_its_own_and_goes_where_the_agent_goes() -> None:
    recorder = Recorder()
    recorder.toolbox().start()
    spec, (container,) = recorder.created["spec"], recorder.created["spec"]["containers"]
    assert container["image"].startswith("acceptance-toolbox:")
    assert spec["tolerations"] == TEMPLATE["spec"]["tolerations"]


def test_certificates_are_where_the_sidecar_has_them() -> None:
    recorder = Recorder()
    recorder.toolbox().start()
    spec, (container,) = recorder.created["spec"], recorder.created["spec"]["containers"]
    assert [one["name"] for one in spec["volumes"]] == ["programs", "tls", "ca"]
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounted == {"programs": "/programs", "tls": "/tls", "ca": "/ca/of-kafka"}


def test_programs_and_what_they_read_are_given_once_and_never_as_arguments() -> None:
    recorder = Recorder()
    toolbox = recorder.toolbox()
    toolbox.keep("kafka.json", "hunter2")
    assert [toolbox.run("topic"), toolbox.run("produce")] == [7, 7]
    (given,) = recorder.filled
    assert given["kafka.json"] == "hunter2"
    assert {"acceptance/in_cluster/topic.py", "acceptance/in_cluster/clients.py"} <= given.keys()
    assert "hunter2" not in str(recorder.said)


def test_a_pod_that_was_made_anew_is_given_all_again() -> None:
    recorder = Recorder()
    toolbox = recorder.toolbox()
    toolbox.keep("kafka.json", "hunter2")
    toolbox.run("topic")
    toolbox.start()
    toolbox.run("topic")
    assert recorder.filled[0] == recorder.filled[1]


def test_an_image_that_is_not_there_is_no_fault_of_the_system() -> None:
    away = replace(pod_with("fastapi", waiting="ImagePullBackOff"), name="acceptance-1")
    with pytest.raises(EnvironmentNotReadyError, match=r"cannot be pulled.*toolbox\.image of the system file"):
        Recorder([away]).toolbox().run("topic")
