"""The supervised port-forward, against a stand-in kubectl."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.kube.port_forward import PortForward
from acceptance.harness.probes.api import Api
from acceptance.harness.waiting import Waiting
from tests.acceptance.fakes import POD


@pytest.fixture
def forward(kubectl: Kubectl) -> Iterator[PortForward]:
    forward = PortForward(kubectl, "a workload", lambda: POD, (8000,)).open()
    yield forward
    forward.close()


@pytest.fixture
def api(forward: PortForward) -> Iterator[Api]:
    api = Api(forward, 8000)
    yield api
    api.close()


def test_it_takes_a_free_port_and_is_proven_by_an_answer(api: Api, forward: PortForward) -> None:
    assert answer(api) == "pod"
    assert forward.reopened == 0


def test_it_comes_back_by_itself_and_is_counted(api: Api, forward: PortForward, kubectl_pid: int) -> None:
    os.kill(kubectl_pid, signal.SIGKILL)
    assert answer(api) == "pod"
    assert forward.reopened == 1


def test_a_connection_that_fails_makes_it_pick_a_pod_anew(api: Api, forward: PortForward) -> None:
    before = forward.address(8000, within_s=60)
    forward.renew()
    after = Waiting().until("another port", lambda: other_than(before, forward), within_s=60)
    assert after != before
    assert answer(api) == "pod"


def test_what_kubectl_said_last_is_in_the_message(kubectl: Kubectl) -> None:
    forward = PortForward(kubectl, "a workload", lambda: replace(POD, name="absent"), (8000,)).open()
    try:
        assert "absent not found" in Waiting().until("kubectl's word", lambda: said(forward), within_s=60)
    finally:
        forward.close()


def test_nothing_is_left_when_it_is_closed(kubectl: Kubectl) -> None:
    forward = PortForward(kubectl, "a workload", lambda: POD, (8000,)).open()
    address = forward.address(8000, within_s=60)
    forward.close()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{address}/", trust_env=False)


@pytest.fixture
def kubectl_pid(forward: PortForward) -> int:
    forward.address(8000, within_s=60)
    assert forward._process  # noqa: SLF001 -- there is no other way to kill exactly this one
    return forward._process.pid  # noqa: SLF001


def answer(api: Api) -> str:
    return Waiting().until("an answer", lambda: api.call("GET", "/").text, within_s=60)


def said(forward: PortForward) -> str:
    try:
        return forward.address(8000, within_s=0)
    except NotYetError as error:
        if "not opened yet" in str(error):
            raise
        return str(error)


def other_than(address: str, forward: PortForward) -> str:
    found = forward.address(8000, within_s=0)
    if found == address:
        raise NotYetError(f"still {address} at {time.monotonic():.1f}")
    return found
