"""Scenario 1: state over restarts."""

from typing import Any
from uuid import uuid4

from acceptance.conftest import Bound, Measure
from acceptance.harness import system
from acceptance.harness.api import Api
from acceptance.harness.catalogue import proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import expect
from acceptance.harness.restart import replaced
from acceptance.harness.waiting import Waiting

SHAPES: tuple[Any, ...] = (
    "plain text",
    "",
    "Grüße, 東京, 🚀 and a \u0007",
    0,
    -1.5,
    True,
    None,
    [],
    {},
    [1, [2, [3, {"deep": [None, False, {"er": "yes"}]}]]],
    {"": "an empty name", "a.b/c": {"nested": {"list": [{}, [], ""]}}},
    "x" * 200_000,
)
KEYS = 50


@proves("scenario-1-state-survives-restarts")
def test_state_survives_restarts_of_the_agent_and_of_postgresql(
    cluster: Cluster, agent: Api, waiting: Waiting, bound: Bound, measure: Measure
) -> None:
    run = uuid4()
    values = {f"acceptance-{run}-{number}": SHAPES[number % len(SHAPES)] for number in range(KEYS)}
    for key, value in values.items():
        agent.json("POST", "/state", json={"key": key, "value": value})

    with (
        replaced(cluster, system.POSTGRES, waiting, bound("restarted_s")) as database,
        replaced(cluster, system.AGENT_APP, waiting, bound("restarted_s")) as pod,
    ):
        pass
    system.until_steady(cluster, agent, waiting, bound("restarted_s"))
    measure("restarted_s", max(database.seconds, pod.seconds))

    changed = [key for key, value in values.items() if agent.json("GET", f"/state/{key}")["value"] != value]
    for key in values:
        agent.json("DELETE", f"/state/{key}")
    expect(not changed, f"all {KEYS} values equal after both restarts", f"changed: {changed}")
