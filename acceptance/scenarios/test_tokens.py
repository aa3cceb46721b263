"""Sidecars that ask whoever calls them for a token."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import UNAUTHORIZED
from uuid import uuid4

from acceptance.agent import contract, dapr
from acceptance.agent.inputs.request import CREDENTIAL
from acceptance.agent.system import System
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import until_new
from acceptance.harness.kube.workload import find
from acceptance.harness.probes.api import Api, reached, shorten
from acceptance.harness.suite.artifacts import Masking
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most, took
from acceptance.harness.suite.run import Run

FORWARDED_S = 15
INVOKE = f"/v1.0/invoke/{contract.AGENT}/method/health"


@proves("scenario-31-api-tokens")
def test_all_goes_on_beside_sidecars_that_ask_for_a_token(
    system: System, agent: Api, caller: Api, sidecar: Api, caller_sidecar: Api, faults: Faults, run: Run, judge: Judge
) -> None:
    faults.require_steady()
    with asking(system, faults.journal, run.masking) as token:
        started = time.monotonic()
        roll_out(system, judge.bound("rolled_out_s"))
        judge(took("rolled_out_s", started, time.monotonic()))

        for one in (sidecar, caller_sidecar):
            # its pod is another one than before: a port-forward may still have to notice
            ask = partial(one.call, "GET", "/v1.0/metadata", headers={CREDENTIAL: ""})
            answer = system.waiting.until("a sidecar to answer", ask, FORWARDED_S)
            expect(answer.status_code == UNAUTHORIZED, "a call without the token to be refused", shorten(answer))
        judge.within("reached_s", "/invoke/health to be answered", partial(reached, caller, "/invoke/health"))
        health = caller_sidecar.json("GET", INVOKE, headers={CREDENTIAL: token})
        expect(health.get("service") == contract.AGENT, f"the answer of {contract.AGENT}", health)
        key, value = f"acceptance-{uuid4()}", {"behind": "a token"}
        caller.json("POST", "/invoke/state", json={"key": key, "value": value})
        read = agent.json("GET", f"/state/{key}")
        expect(read["value"] == value, f"what the caller saved: {value}", read)
        agent.json("DELETE", f"/state/{key}")
        agent.json("GET", f"/state/{key}", status=404)
        judge(most("applied_s", system.publish_and_wait(agent, judge.bound("applied_s"))))


@contextmanager
def asking(system: System, journal: Journal, masking: Masking) -> Iterator[str]:
    """The token that both sidecars of the next pods ask for; they are told as before in any case, unless they did."""
    cluster, name = system.cluster, system.names.secrets.api_token
    if token := dapr.read_token(system, masking, name):
        yield token
        return
    token = masking.hide(secrets.token_urlsafe(32))
    undo = [journal.promise("delete secret", namespace=system.namespace, name=name)]
    try:
        cluster.kubectl.run("create", "-f", "-", stdin=json.dumps(dapr.token_secret(system, token)))
        for app in (system.agent, system.caller):
            change = {"namespace": app.namespace, "reference": f"deployment/{app.name}", "name": dapr.ASKS}
            undo.append(journal.promise("annotate", **change, value=None))
            cluster.annotate_pods(**change, value=name)
        yield token
    finally:
        for entry in reversed(undo):
            journal.undo(entry)


def roll_out(system: System, within_s: float) -> None:
    """Wait until agent and caller have new pods only, in turn. Raises UnmetError naming who has not."""
    cluster = system.cluster
    for app in (system.agent, system.caller):
        workload = find(cluster, app.namespace, app.name)
        old = {
            pod.uid
            for pod in cluster.pods(workload.namespace, workload.selector)
            if pod.annotations.get(dapr.ASKS) is None
        }
        until_new(cluster, workload, old, system.waiting, within_s)
