"""Sidecars that ask whoever calls them for a token."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import UNAUTHORIZED
from uuid import uuid4

from acceptance.conftest import Bound, Judge, Within
from acceptance.harness import system, tokens
from acceptance.harness.api import Api, shorten
from acceptance.harness.catalogue import proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import expect
from acceptance.harness.faults import Faults
from acceptance.harness.journal import Journal
from acceptance.harness.masking import Masking
from acceptance.harness.numbers import most, took
from acceptance.harness.request import CREDENTIAL
from acceptance.harness.restart import until_new
from acceptance.harness.run import Run
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import find

FORWARDED_S = 15
INVOKE = f"/v1.0/invoke/{system.AGENT}/method/health"


@proves("scenario-31-api-tokens")
def test_all_goes_on_beside_sidecars_that_ask_for_a_token(
    cluster: Cluster,
    agent: Api,
    caller: Api,
    sidecar: Api,
    caller_sidecar: Api,
    faults: Faults,
    journal: Journal,
    waiting: Waiting,
    run: Run,
    bound: Bound,
    judge: Judge,
    within: Within,
) -> None:
    faults.require_steady()
    with asking(cluster, journal, run.masking) as token:
        started = time.monotonic()
        roll_out(cluster, waiting, bound("rolled_out_s"))
        judge(took("rolled_out_s", started, time.monotonic()))

        for one in (sidecar, caller_sidecar):
            # its pod is another one than before: a port-forward may still have to notice
            ask = partial(one.call, "GET", "/v1.0/metadata", headers={CREDENTIAL: ""})
            answer = waiting.until("a sidecar to answer", ask, FORWARDED_S)
            expect(answer.status_code == UNAUTHORIZED, "a call without the token to be refused", shorten(answer))
        within("reached_s", "/invoke/health to be answered", partial(system.reached, caller, "/invoke/health"))
        health = caller_sidecar.json("GET", INVOKE, headers={CREDENTIAL: token})
        expect(health.get("service") == system.AGENT, f"the answer of {system.AGENT}", health)
        key, value = f"acceptance-{uuid4()}", {"behind": "a token"}
        caller.json("POST", "/invoke/state", json={"key": key, "value": value})
        read = agent.json("GET", f"/state/{key}")
        expect(read["value"] == value, f"what the caller saved: {value}", read)
        agent.json("DELETE", f"/state/{key}")
        agent.json("GET", f"/state/{key}", status=404)
        judge(most("applied_s", system.publish_and_wait(agent, waiting, bound("applied_s"))))


@contextmanager
def asking(cluster: Cluster, journal: Journal, masking: Masking) -> Iterator[str]:
    """The token that both sidecars of the next pods ask for; they are told as before in any case, unless they did."""
    if token := tokens.read(cluster, masking, tokens.SIDECAR):
        yield token
        return
    token = masking.hide(secrets.token_urlsafe(32))
    undo = [journal.promise("delete secret", namespace=system.NAMESPACE, name=tokens.SIDECAR)]
    try:
        cluster.kubectl.run("create", "-f", "-", stdin=json.dumps(tokens.manifest(token)))
        for name in (system.AGENT, system.CALLER):
            change = {"namespace": system.NAMESPACE, "reference": f"deployment/{name}", "name": tokens.ASKS}
            undo.append(journal.promise("annotate", **change, value=None))
            cluster.annotate_pods(**change, value=tokens.SIDECAR)
        yield token
    finally:
        for entry in reversed(undo):
            journal.undo(entry)


def roll_out(cluster: Cluster, waiting: Waiting, within_s: float) -> None:
    """Wait until agent and caller have new pods only, in turn. Raises UnmetError naming who has not."""
    for name in (system.AGENT, system.CALLER):
        workload = find(cluster, system.NAMESPACE, name)
        old = {
            pod.uid
            for pod in cluster.pods(workload.namespace, workload.selector)
            if pod.annotations.get(tokens.ASKS) is None
        }
        until_new(cluster, workload, old, waiting, within_s)
