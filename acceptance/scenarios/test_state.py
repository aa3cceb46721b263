"""Scenario 1: state over restarts."""

import json
from typing import Any
from uuid import uuid4

from acceptance.agent.inputs.bad_answer import canonical
from acceptance.agent.system import System
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import replaced
from acceptance.harness.plugin import Bound, Judge
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.numbers import most

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
    system: System, agent: Api, faults: Faults, bound: Bound, judge: Judge
) -> None:
    run = uuid4()
    values = {f"acceptance-{run}-{number}": SHAPES[number % len(SHAPES)] for number in range(KEYS)}
    for key, value in values.items():
        agent.json("POST", "/state", json={"key": key, "value": value})

    judge(most("restarted_s", replaced(faults, system.postgres, system.agent, within_s=bound("restarted_s"))))

    read = {key: json.dumps(agent.json("GET", f"/state/{key}")) for key in values}
    wanted = {key: json.dumps({"value": value}) for key, value in values.items()}
    # Python's own comparison would take True for 1.
    changed = [key for key in values if canonical(read[key]) != canonical(wanted[key])]
    for key in values:
        agent.json("DELETE", f"/state/{key}")
    expect(not changed, f"all {KEYS} values equal after both restarts", f"changed: {changed}")
