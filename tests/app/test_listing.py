"""Dead letters as operators see them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.commands.arguments import read_listing
from app.commands.listing import list_dead_letters
from app.config import Settings
from tests.app.letters import command, written
from tests.app.postgres import PostgresServer

pytestmark = pytest.mark.anyio

HOSTILE = (
    "".join(map(chr, (*range(1, 32), *range(127, 160)))) + "\u061c\u200b\u200f\u2028\u2029\u202e\u2066\ufeff\U000e0001"
)
"""What a terminal obeys: C0, DEL, C1, marks of direction, of lines, and what is not seen."""


async def listed(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    text = await list_dead_letters(settings, read_listing([*arguments, "--json"]))
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("agent")
async def test_a_dead_letter_is_a_line_of_a_table(settings: Settings, sql: asyncpg.Connection) -> None:
    await written(
        sql, "an id", partition=6, offset=66, source=None, key="a%2Fb+c", reason="the body is not JSON", size=9
    )
    code, stdout, stderr = await command(settings, "dead-letters")
    heading, line, last = stdout.splitlines()
    assert (code, stderr, last) == (0, "", "1 dead letters, the latest first")
    assert dict(zip(heading.split(), line.split(maxsplit=8), strict=True)) == {
        "RECORDED": line.split()[0],
        "REPLAYED": "-",
        "PARTITION:OFFSET": "agent-events/6:66",
        "ATTEMPTS": "3",
        "COMPLETE": "2/9",
        "ID": r"an\x20id",
        "SOURCE": "-",
        "KEY": r"a/b\x20c",
        "REASON": "the body is not JSON",
    }
    assert datetime.fromisoformat(line.split()[0]) > datetime.now(UTC) - timedelta(minutes=5)


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("how", [(), ("--json",)], ids=["table", "JSON"])
async def test_what_a_producer_wrote_commands_no_terminal(
    settings: Settings, sql: asyncpg.Connection, how: tuple[str, ...]
) -> None:
    names = {"event_id": HOSTILE, "source": HOSTILE, "reason": HOSTILE, "key": HOSTILE}
    await written(sql, **names, position=f"{HOSTILE}/1:2/sha256:x", original=HOSTILE.encode())
    _, stdout, _ = await command(settings, "dead-letters", *how)
    lines = stdout.removesuffix("\n").split("\n")
    assert len(lines) == (1 if how else 3)
    assert [line for line in lines if not line.isprintable()] == []
    assert r"\u202e" in stdout


@pytest.mark.usefixtures("agent")
async def test_a_long_name_or_reason_does_not_make_every_line_long(settings: Settings, sql: asyncpg.Connection) -> None:
    await written(sql, "x" * 256, source="y" * 1024, reason="z" * 1000)
    await written(sql, "short", reason="why")
    _, short, long, _ = (await list_dead_letters(settings, read_listing([]))).splitlines()
    assert len(short) < 200
    assert long.endswith("z" * 200 + "\N{HORIZONTAL ELLIPSIS}")
    assert "x" * 256 in long


FILTERS = [
    (["b"], "b"),
    (["a", "b"], "ba"),
    ([r"c\x20\\d"], "c"),
    (["c \\d"], "c"),
    (["--source", "another"], "b"),
    (["--source", ""], "c"),
    (["--key", "k/1 2"], "a"),
    (["--key", r"k/1\x202"], "a"),
    (["--key", "k/1 3"], "b"),
    (["--reason", "DEADLOCK"], "ba"),
    (["--reason", "100%"], "c"),
    (["--reason", "_"], ""),
    (["--partition", "agent-events/3"], "a"),
    (["--partition", "agent-events/3", "--offset", "7"], "a"),
    (["--partition", "agent-events-dead-letters/3"], "c"),
    (["--offset", "8"], "b"),
    (["--replayed", "yes"], "b"),
    (["--replayed", "no"], "ca"),
    (["--since", "1h"], "cb"),
    (["--until", "1h"], "a"),
    (["--since", "2026-01-01", "--until", "2026-01-02T00:00Z"], "a"),
    (["--since", "2026-01-02"], "cb"),
    (["--reason", "deadlock", "--source", "another"], "b"),
]


@pytest.mark.usefixtures("agent")
async def test_dead_letters_are_found_by_what_is_known_of_them(settings: Settings, sql: asyncpg.Connection) -> None:
    await written(sql, "a", key="k%2F1+2", reason="Deadlock detected", partition=3, offset=7)
    await sql.execute("UPDATE dead_letters SET recorded_at = '2026-01-01T12:00Z'")
    now = datetime.now(UTC)
    await written(
        sql, "b", source="another", key="k%2F1%203", reason="deadlock", partition=33, offset=8, replayed_at=now
    )
    position = "agent-events-dead-letters/3:9/sha256:x"
    await written(sql, "c \\d", source=None, reason="100% full", position=position, partition=3, offset=9)
    for arguments, expected in FILTERS:
        found = "".join(letter["id"][0] for letter in await listed(settings, *arguments))
        assert found == expected, arguments


@pytest.mark.usefixtures("agent")
async def test_pages_have_every_letter_once_the_latest_first(settings: Settings, sql: asyncpg.Connection) -> None:
    ids = [await written(sql) for _ in range(5)]
    await sql.execute("UPDATE dead_letters SET recorded_at = date_trunc('minute', recorded_at)")
    first = (await list_dead_letters(settings, read_listing(["--limit", "2"]))).splitlines()
    told, _, token = first[-1].rpartition("BEFORE=")
    assert told == "2 dead letters, the latest first; 3 more: "
    await written(sql, "meanwhile")
    rest = await listed(settings, "--before", token)
    assert [letter["more"] for letter in rest] == [2, 1, 0]
    assert rest[0]["before"] != rest[1]["before"]
    seen = [line.split()[5] for line in first[1:-1]] + [letter["id"] for letter in rest]
    assert sorted(seen) == sorted(ids)


@pytest.mark.usefixtures("agent")
async def test_a_line_of_json_says_all_that_is_known(settings: Settings, sql: asyncpg.Connection) -> None:
    await written(sql, "\u00fc", partition=6, offset=66, key="a%2Fb", reason="z" * 500, original=b"\xff" + b"x" * 2000)
    (letter,) = await listed(settings)
    assert datetime.fromisoformat(letter.pop("recorded_at")).tzinfo
    assert letter.pop("before")
    assert letter == {
        "id": "\u00fc",
        "source": "fastapi-dapr-agent",
        "key": "a/b",
        "reason": "z" * 500,
        "attempts": 3,
        "replayed_at": None,
        "place": "agent-events/6:66",
        "complete": True,
        "bytes": 2001,
        "beginning": "\ufffd" + "x" * 999,
        "more": 0,
    }


async def test_a_list_without_the_database_says_so(settings: Settings, postgres: PostgresServer) -> None:
    postgres.stop()
    code, stdout, stderr = await command(settings, "dead-letters")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("error: database is unavailable: ")
