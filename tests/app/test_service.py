"""The service as a whole: settings, errors, documentation, log, start and end."""

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest

import app
from app.__main__ import USAGE
from app.config import Settings
from app.main import create_app
from app.services import AgentDatabase
from app.sidecar.api import CREDENTIAL
from tests.app.client import assert_problem, running
from tests.app.postgres import free_port
from tests.app.waiting import until

pytestmark = pytest.mark.anyio

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
ENVIRONMENT = {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": "do-not-show",
    "APP_API_TOKEN": "nor-this",
    "POSTGRES_DATABASE": "postgres",
    "KAFKA_BROKERS": "127.0.0.1:1",
}
BAD_SETTINGS = [
    ("POSTGRES_HOST", None),
    ("POSTGRES_HOST", ""),
    ("POSTGRES_PORT", "tcp://10.0.0.1:5432"),
    ("POSTGRES_PORT", "0"),
    ("POSTGRES_USER", None),
    ("POSTGRES_PASSWORD", None),
    ("POSTGRES_DATABASE", None),
    ("KAFKA_BROKERS", None),
    ("KAFKA_BROKERS", "kafka"),
    ("KAFKA_BROKERS", "kafka:9092,"),
    ("DAPR_HTTP_PORT", "65536"),
    ("APP_API_TOKEN", None),
    ("APP_API_TOKEN", ""),
    ("APP_API_TOKEN", "a token\n"),
    ("APP_API_TOKEN", "tökén"),
    ("DAPR_API_TOKEN", "a-token\n"),
    ("DAPR_API_TOKEN", "a\x7f"),
    ("CHECK_PERIOD_SECONDS", "0"),
    ("CHECK_TIMEOUT_SECONDS", "inf"),
    ("LONGEST_DRAIN_SECONDS", "2.9"),
]


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS)
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    for variable, good in ENVIRONMENT.items():
        monkeypatch.setenv(variable, good)
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"bad settings: {name}: "):
        create_app()


def run(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_bad_start_ends_with_one_line() -> None:
    process = run(**(ENVIRONMENT | {"POSTGRES_PORT": "x"}))
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (1, "")
    assert len(stderr.splitlines()) == 1
    assert stderr.startswith("bad settings: POSTGRES_PORT: ")


def test_a_port_that_is_taken_ends_with_one_line() -> None:
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
        port = taken.getsockname()[1]
        process = run(**ENVIRONMENT, APP_PORT=str(port))
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 1
    assert stderr.startswith(f"port {port} cannot be listened on: ")
    assert len(stderr.splitlines()) == 1


async def test_the_service_starts_without_any_dependency_and_drains_on_sigterm() -> None:
    port = str(free_port())
    process = run(**ENVIRONMENT, APP_PORT=port, DRAIN_SECONDS="1", CHECK_PERIOD_SECONDS="0.1", DAPR_HTTP_PORT="1")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

            async def status(path: str) -> int:
                try:
                    return (await client.get(path)).status_code
                except httpx.ConnectError:
                    return 0

            await until("/health to answer", lambda: status("/health"), lambda code: code == 200, 20)
            # a record's headers come as headers too, and say of themselves what they like
            forwarded = {"X-Forwarded-For": "nobody", "X-Forwarded-Proto": "?", "Forwarded": "for=x", CREDENTIAL: "x"}
            assert (await client.get("/dapr/subscribe", headers=forwarded)).status_code == 200
            assert (await client.post("/subscribe", headers=forwarded)).status_code == 401
            process.send_signal(signal.SIGTERM)
            await until("/ready to say so", lambda: _detail(client), lambda text: "api (shutting down)" in text, 0.5)
            answer = await client.get("/health")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        stdout, stderr = process.communicate(timeout=5)
    finally:
        process.kill()
        process.communicate()
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert stderr == ""
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert "do-not-show" not in stdout
    assert [line["message"] for line in lines if line["level"] == "error"] == []


async def _detail(client: httpx.AsyncClient) -> str:
    detail: str = (await client.get("/ready")).json()["detail"]
    return detail


def test_an_unknown_service_is_refused() -> None:
    process = run("cook")
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (1, f"{USAGE}, got 'cook'\n")


async def test_the_root_names_service_version_and_endpoints(agent: httpx.AsyncClient) -> None:
    body = (await agent.get("/")).json()
    assert (body["service"], body["version"]) == ("fastapi-dapr-agent", PROJECT["version"])
    assert app.__version__ == PROJECT["version"]
    documented = (await agent.get("/openapi.json")).json()["paths"]
    assert {entry.split()[1] for entry in body["endpoints"].values()} <= {*documented, "/docs", "/events?key="}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/publish", 405)])
async def test_errors_of_the_framework_are_problems(
    agent: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await agent.request(method, path)
    assert_problem(response, status)
    assert (status == 405) == ("allow" in response.headers)


async def test_an_unexpected_error_is_a_problem_that_tells_nothing(settings: Settings) -> None:
    application = create_app(settings)

    @application.get("/broken")
    async def broken(_: AgentDatabase) -> None:
        raise RuntimeError("inside")

    async with running(application) as client:
        body = assert_problem(await client.get("/broken"), 500)
    assert "inside" not in json.dumps(body)


async def test_every_documented_error_is_a_problem(agent: httpx.AsyncClient) -> None:
    assert (await agent.get("/docs")).status_code == 200
    document = (await agent.get("/openapi.json")).json()
    errors = [
        (path, method, status, set(response["content"]))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status, response in operation["responses"].items()
        if status >= "400"
    ]
    assert len(errors) > 15
    assert [error for error in errors if error[3] != {"application/problem+json"}] == []
    assert set(document["paths"]["/subscribe"]["post"]["responses"]) == {"200", "401"}


async def test_the_documentation_has_examples(agent: httpx.AsyncClient) -> None:
    schemas: dict[str, Any] = (await agent.get("/openapi.json")).json()["components"]["schemas"]
    for name in ("PublishedData", "Entry"):
        assert schemas[name]["examples"], f"expected an example in the schema {name}"
