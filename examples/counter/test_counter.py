"""The counter, held against criteria.toml."""

from functools import partial

import pytest

from acceptance.harness.toolkit import (
    Api,
    Cluster,
    Faults,
    Judge,
    NotYetError,
    Reach,
    Target,
    Timeline,
    expect,
    proves,
    require_ready,
    slowest,
)

COUNTER = Target("counter", "counter", "counter")


@pytest.fixture(scope="session")
def namespaces() -> tuple[str, ...]:
    """Where logs are followed, and causes looked for."""
    return (COUNTER.namespace,)


@pytest.fixture(scope="session")
def counter(reach: Reach) -> Api:
    """Its HTTP interface, by a port-forward that follows its pod."""
    return reach.api(reach.forward(COUNTER.namespace, COUNTER.name, 8000), 8000)


@proves("counter-1-health")
def test_it_is_there(cluster: Cluster, counter: Api, judge: Judge) -> None:
    judge.within("ready_s", "the counter to be ready", partial(require_ready, cluster, COUNTER.namespace, COUNTER.name))
    answer = counter.call("GET", "/health")
    expect(answer.status_code == 200, "GET /health to answer 200", answer)
    judge(slowest("answer_s", [answer]))


@proves("counter-2-counts")
def test_it_counts(counter: Api, judge: Judge) -> None:
    before = int(counter.call("GET", "/count").text)
    answer = counter.call("POST", "/count")
    expect(int(answer.text) == before + 1, f"{before + 1}", answer.text)
    judge(slowest("answer_s", [answer]))


@proves("counter-3-unknown-routes")
def test_what_it_does_not_know_is_not_there(counter: Api, judge: Judge) -> None:
    answer = counter.call("GET", "/nowhere")
    expect(answer.status_code == 404, "GET /nowhere to answer 404", answer)
    judge(slowest("answer_s", [answer]))


@proves("counter-4-killed")
def test_it_is_back_with_its_number(counter: Api, faults: Faults, timeline: Timeline, judge: Judge) -> None:
    number = counter.call("POST", "/count").text

    def back() -> None:
        now = counter.call("GET", "/count").text
        if now != number:
            raise NotYetError(f"it says {now}, and said {number}")

    with faults.killed_in_place(COUNTER, timeline):
        judge.within("back_s", f"the counter to say {number} again", back)
