"""No bytes lead to a server error, a hang, an error in the log or a leak; FUZZ_BYTES is how many cases are played."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from acceptance.agent.inputs.wire.case import Case, packed
from acceptance.agent.inputs.wire.cases import HEALTH, KINDS, cases
from acceptance.agent.inputs.wire.verdict import LONGEST_S, Outcome, judge
from acceptance.in_cluster import wire
from tests.app.broker import StandInBroker
from tests.app.client import APP_TOKEN
from tests.app.databases import new_database
from tests.app.fuzz.document import ROUTES
from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.served import Served, served
from tests.app.sidecar import StandInSidecar
from tests.app.test_service import ENVIRONMENT
from tests.app.waiting import until

pytestmark = pytest.mark.anyio

CASES = int(os.environ.get("FUZZ_BYTES", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
AT_ONCE = 40
GREW_MIB = 16
"""Over the second half of the cases; seen are 1 to 3, of 5,000 as of 200."""
SHOWN = 5
ALONE = ENVIRONMENT | {
    "APP_API_TOKEN": APP_TOKEN,
    "DAPR_HTTP_PORT": "1",
    "POSTGRES_PORT": "1",
    "POSTGRES_PASSWORD": PASSWORD,
}
Serving = Callable[[Path, PostgresServer], AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def alone(folder: Path, _: PostgresServer) -> AsyncIterator[Served]:
    """An agent none of whose dependencies is there."""
    with served(folder, **ALONE) as agent:
        yield agent


@asynccontextmanager
async def ready(folder: Path, server: PostgresServer) -> AsyncIterator[Served]:
    """An agent all of whose dependencies are there."""
    sidecar, broker = StandInSidecar(), StandInBroker()
    await sidecar.start()
    await broker.start()
    async with new_database(server) as database:
        there = {
            "DAPR_HTTP_PORT": str(sidecar.port),
            "POSTGRES_PORT": str(server.port),
            "POSTGRES_DATABASE": database,
            "KAFKA_BROKERS": f"127.0.0.1:{broker.port}",
        }
        with served(folder, **ALONE | there) as agent:
            await until("/ready to be 200", lambda: first_line(agent, b"/ready"), lambda line: b" 200 " in line, 20)
            yield agent
    await broker.stop()
    await sidecar.stop()


@asynccontextmanager
async def calling(folder: Path, _: PostgresServer) -> AsyncIterator[Served]:
    """The caller, and a sidecar that answers whatever it invokes."""
    sidecar = StandInSidecar()
    await sidecar.start()
    with served(folder, "caller", DAPR_HTTP_PORT=str(sidecar.port)) as caller:
        yield caller
    await sidecar.stop()


async def first_line(one: Served, path: bytes) -> bytes:
    """How the answer of GET begins; nothing while nobody listens."""
    (script,) = packed([Case(0, 0, "", HEALTH._replace(steps=(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path,)))])
    told = await wire.play({"host": "127.0.0.1", "port": one.port, "seconds": LONGEST_S}, script)
    return Outcome.of(told).got.partition(b"\r\n")[0]


async def wrong(one: Served, chosen: list[Case]) -> list[str]:
    """What is wrong with the outcomes of some cases, each with what repeats it."""
    wanted = {"host": "127.0.0.1", "port": one.port, "at_once": AT_ONCE, "seconds": LONGEST_S}
    told = await wire.run(wanted, packed(chosen, APP_TOKEN))
    judged = [(case, judge(case, Outcome.of(outcome))) for case, outcome in zip(chosen, told, strict=True)]
    return [f"{verdict.complaint}\n{case.told}" for case, verdict in judged if verdict.complaint]


@pytest.mark.parametrize(
    ("serving", "share", "prefix"),
    [(alone, 1, ""), (ready, 2, ""), (calling, 4, "/invoke")],
    ids=["without dependencies", "with all of them", "the caller"],
)
async def test_no_bytes_do_harm(
    serving: Serving, share: int, prefix: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    chosen = [*cases(ROUTES, SEED, CASES // share, prefix)]
    half = len(chosen) // 2
    async with serving(tmp_path, postgres_server) as one:
        await until("an answer", lambda: first_line(one, b"/health"), lambda line: b" 200 " in line, 20)
        sockets = one.sockets
        found = await wrong(one, chosen[:half])
        before = one.resident_mib
        found += await wrong(one, chosen[half:])
        grew = one.resident_mib - before

        async def held() -> int:
            return one.sockets

        await until(f"{sockets} sockets, as before", held, lambda count: count <= sockets + AT_ONCE // 2, LONGEST_S)
        errors = [*one.errors()]
    assert not found, f"{len(found)} of {len(chosen)} not as promised:\n" + "\n".join(found[:SHOWN])
    assert not errors, f"{len(errors)} errors in the log:\n" + "\n".join(errors[:SHOWN])
    assert grew < GREW_MIB, f"grew by {grew:.0f} MiB from {before:.0f} MiB"


def test_each_kind_of_case_is_met() -> None:
    assert {case.kind for case in cases(ROUTES, SEED, CASES // 4)} == KINDS.keys()
