"""Scenario 3: services call each other through both sidecars."""

from functools import partial
from uuid import uuid4

from acceptance.agent import contract
from acceptance.harness.errors import expect
from acceptance.harness.probes.api import Api, reached, shorten
from acceptance.harness.probes.reach import Counter
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge


@proves("scenario-3-services-call-each-other")
def test_services_call_each_other_through_both_sidecars(
    agent: Api, caller: Api, sidecar: Api, invocations: Counter, judge: Judge
) -> None:
    judge.within("reached_s", "/invoke/health to be answered", partial(reached, caller, "/invoke/health"))
    before = invocations.value()

    key, value = f"acceptance-{uuid4()}", {"from": "the caller"}
    caller.json("POST", "/invoke/state", json={"key": key, "value": value})
    read = agent.json("GET", f"/state/{key}")
    expect(read["value"] == value, f"what the caller saved: {value}", read)
    caller.json("DELETE", f"/invoke/state/{key}")
    caller.json("GET", f"/invoke/state/{key}", status=404)
    judge.within("counted_s", "the agent's sidecar to count all three", partial(invocations.require, before + 3))

    health = sidecar.json("GET", f"/v1.0/invoke/{contract.CALLER}/method/health")
    expect(health.get("service") == contract.CALLER, f"the answer of {contract.CALLER}", health)

    unknown = sidecar.call("GET", "/v1.0/invoke/no-such-app/method/health")
    clear = unknown.status_code >= 400 and "no-such-app" in unknown.text
    expect(clear, "an error that names no-such-app", shorten(unknown))
