"""The commands of the README's chapter on routes, run by a shell, answer what it shows."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.app.client import cloud_event
from tests.app.gate import Gate
from tests.app.sidecar import as_delivered
from tests.app.test_service import ENVIRONMENT

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^## Routes\n+```sh\n(.*?)```", re.MULTILINE | re.DOTALL)
JSON = "content-type: application/json"
QUIET = 'unset ALL_PROXY all_proxy http_proxy; curl() { command curl --silent "$@"; }; '


class Shown(NamedTuple):
    """A command, and what the README shows of its answer."""

    command: str
    answer: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """What answers are like this one, without white space: `...` is anything."""
        return re.compile(".*".join(map(re.escape, re.sub(r"\s", "", self.answer).split("..."))))


def shown() -> list[Shown]:
    """Every command of the chapter with the line below it."""
    found = BLOCK.search(README.read_text())
    assert found, "the README has no chapter on routes that begins with a block of commands"
    lines = found[1].splitlines()
    return [Shown(line, answer.removeprefix("# ")) for line, answer in pairwise(lines) if line.startswith("curl ")]


def apply(agent: str, published: str, command: str) -> None:
    """Deliver the event that a command published, as the sidecar does not that stands in here."""
    data = re.search(r"-d '(.*)'", command)
    event_id = re.search(r'"id":"([^"]+)"', published)
    assert data
    assert event_id
    event = cloud_event(None, id=event_id[1]) | {"data": httpx.Response(200, text=data[1]).json()}
    headers = {"content-type": "application/cloudevents+json", "dapr-api-token": ENVIRONMENT["APP_API_TOKEN"]}
    position = {"__topic": "agent-events", "__partition": "3", "__offset": "17"}
    body = as_delivered(httpx.Request("POST", agent, json=event).content, "agent-events")
    answer = httpx.post(f"{agent}/subscribe", content=body, headers=headers | position, trust_env=False)
    assert answer.json() == {"status": "SUCCESS"}


def test_every_command_answers_what_the_readme_shows(gate: Gate) -> None:
    agent = f"http://127.0.0.1:{gate.port}"
    wrong = []
    for one in shown():
        script = f"agent={agent}; json='{JSON}'; {QUIET}{one.command}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        if "/publish" in one.command and '"published"' in done.stdout:
            apply(agent, done.stdout, one.command)
        if not one.pattern.fullmatch(re.sub(r"\s", "", done.stdout)):
            wrong.append(f"{one.command}\n  shown    {one.answer}\n  answered {done.stdout.strip()}")
    assert not wrong, "\n".join(wrong)
