"""The system under names of a user's own: what a file may say, and what is found by it."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from acceptance.agent import names
from acceptance.harness.errors import NotApplicableError
from acceptance.harness.kube.workload import behind
from cluster.python_images import TOOLBOX
from tests.acceptance.fakes import COMPONENTS, KAFKA, POSTGRES, Data

SCHEMA = json.loads(names.FILE.with_name("system.schema.json").read_text())
SHIPPED = tomllib.loads(names.FILE.read_text())
OTHER = Path(__file__).parents[2] / "shape/names/system.toml"


def test_the_shipped_file_and_that_of_the_other_shape_keep_to_the_published_schema() -> None:
    jsonschema.validate(SHIPPED, SCHEMA)
    jsonschema.validate(tomllib.loads(OTHER.read_text()), SCHEMA)


def test_the_schema_knows_what_is_read_and_no_more() -> None:
    app = SCHEMA["$defs"]["app"]["properties"].keys()
    known = {name: app if "$ref" in one and name in {"agent", "caller"} else one.get("properties", {}).keys()
             for name, one in SCHEMA["properties"].items()}  # fmt: skip
    assert known == {name: one.keys() if isinstance(one, dict) else {}.keys() for name, one in SHIPPED.items()}


def test_a_file_says_only_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "system.toml"
    file.write_text('namespace = "shop"\n[agent]\ndeployment = "shop-agent"\n')
    found, usual = names.load(file), names.load()
    assert (found.namespace, found.agent.deployment) == ("shop", "shop-agent")
    assert (found.agent.container, found.caller, found.routes) == (usual.agent.container, usual.caller, usual.routes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('namespaces = "shop"', "namespaces is none of namespace, dapr_namespace, agent"),
        ('[agent]\ndeploy = "shop"', "agent.deploy is none of deployment, service, container"),
        ("[routes]\nready = 1", "routes.ready has to be a text, not 1"),
        ('namespace = ""', "namespace has to be a text, not ''"),
        ("agent = 'shop'", "agent has to be a table, not 'shop'"),
        ("namespace = shop", "Invalid value"),
    ],
)
def test_what_a_file_says_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "system.toml").write_text(text)
    with pytest.raises(ValueError, match=told):
        names.load(tmp_path / "system.toml")


def test_the_image_of_the_runs_own_pod_is_the_one_that_is_built() -> None:
    assert (names.load().toolbox.image,) == TOOLBOX.names


@pytest.mark.parametrize(
    "host",
    [
        "kafka.kafka",
        "kafka.kafka.svc",
        "kafka.kafka.svc.cluster.local",
        "kafka.kafka.svc.another.domain",
        "kafka-0.kafka.kafka.svc.cluster.local",
    ],
)
def test_a_backend_is_found_by_each_of_its_names(host: str) -> None:
    assert behind(Data().as_cluster(), "shop", host) == KAFKA


def test_a_short_name_is_one_of_the_own_namespace() -> None:
    cluster = Data().as_cluster()
    assert behind(cluster, "kafka", "kafka") == KAFKA
    assert behind(cluster, "shop", "kafka") is None


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "fd00::7", "pg.example.com", "db.eu-1.example.com", "pg.postgres.svc", ""]
)
def test_what_is_outside_the_cluster_is_no_workload(host: str) -> None:
    assert behind(Data().as_cluster(), "shop", host) is None


def test_a_fault_on_a_managed_backend_is_not_applicable_and_says_why() -> None:
    managed = {"spec": {"metadata": [{"name": "host", "value": "pg.example.com"}]}}
    system = Data(components={**COMPONENTS, "postgres-statestore": managed}).as_system()
    with pytest.raises(NotApplicableError, match=r"postgres is pg\.example\.com: no workload of this cluster"):
        system.target("postgres")
    assert [*system.own_backends] == ["kafka"]
    assert system.namespaces == ["fastapi-app", "kafka"]


def test_a_fault_on_a_backend_of_this_cluster_hits_every_pod_of_its_workload() -> None:
    target = Data().as_system().target("postgres")
    assert (target.namespace, target.name, target.container, target.every) == (
        POSTGRES.namespace,
        POSTGRES.name,
        "postgresql",
        True,
    )
