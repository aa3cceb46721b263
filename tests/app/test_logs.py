"""What the log and the errors at start may show."""

import asyncio
import json
import logging
from io import StringIO

import pytest

from app.config import Settings, load
from app.logs import JsonFormatter, TurnHandler

GOOD = {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": "do-not-show",
    "APP_API_TOKEN": "nor-this",
    "POSTGRES_DATABASE": "postgres",
    "KAFKA_BROKERS": "127.0.0.1:1",
}


def test_a_bad_setting_says_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOD | {"POSTGRES_PORT": "many"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    assert "POSTGRES_PORT: Input should be a valid integer" in str(stopped.value)
    assert "do-not-show" not in str(stopped.value)


def test_settings_do_not_show_the_password_nor_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOD | {"DAPR_API_TOKEN": "not-that-either"}).items():
        monkeypatch.setenv(name, value)
    settings = load(Settings)
    assert settings.postgres_password.get_secret_value() == "do-not-show"
    assert settings.app_api_token.get_secret_value() == "nor-this"
    for secret in ("do-not-show", "nor-this", "not-that-either"):
        assert secret not in f"{settings!r} {settings}"


@pytest.mark.parametrize("name", ["APP_API_TOKEN", "DAPR_API_TOKEN"])
def test_a_token_that_no_header_can_carry_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable, value in (GOOD | {name: "secret-\n"}).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    assert f"bad settings: {name}: " in str(stopped.value)
    assert "secret-" not in str(stopped.value)


def test_a_log_line_is_one_json_object_with_its_extra_fields() -> None:
    record = logging.LogRecord("app", logging.INFO, __file__, 1, "Received event %s", ("1\n2",), None)
    record.id, record.key = "1\n2", "ü"
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert line.pop("time")
    assert line == {"level": "info", "logger": "app", "message": "Received event 1\n2", "id": "1\n2", "key": "ü"}


def test_an_exception_stays_on_its_line() -> None:
    error = ValueError("why")
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, None))
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: why" in json.loads(text)["exception"]


class Written(StringIO):
    """A stream that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Remember it."""
        self.writes.append(text)
        return len(text)


def test_the_lines_of_one_turn_are_one_write() -> None:
    handler, stream = TurnHandler(), Written()
    handler.setStream(stream)

    async def turns() -> None:
        for lines in ("ab", "c"):
            for line in lines:
                handler.handle(logging.makeLogRecord({"msg": line}))
            await asyncio.sleep(0)

    asyncio.run(turns())
    handler.handle(logging.makeLogRecord({"msg": "without a loop"}))
    assert stream.writes == ["a\nb\n", "c\n", "without a loop\n"]
