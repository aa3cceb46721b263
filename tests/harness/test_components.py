"""Where the backends are, as Components tell it in each of their ways."""

import pytest

from acceptance.harness import components
from acceptance.harness.components import Backend
from acceptance.harness.errors import UnmetError
from tests.harness.fakes import Data


@pytest.mark.parametrize(
    ("told", "backend"),
    [
        ({"host": "pg", "user": "me", "database": "app"}, Backend("pg", 5432, "me", "app")),
        ({"host": "pg", "connectionString": "connect_timeout=2"}, Backend("pg", 5432, "postgres", "postgres")),
        (
            {"connectionString": "host=pg port=6432 user=me dbname='my app' password=x"},
            Backend("pg", 6432, "me", "my app"),
        ),
        ({"connectionString": "postgres://me:x%40y@pg:6432/app?sslmode=require"}, Backend("pg", 6432, "me", "app")),
        ({"connectionString": "postgresql://me@[fd00::1]/"}, Backend("fd00::1", 5432, "me", "me")),
        ({"connectionString": "host=other port=1", "host": "pg"}, Backend("pg", 1, "postgres", "postgres")),
    ],
)
def test_postgresql_is_where_the_state_store_says(told: dict[str, str], backend: Backend) -> None:
    assert components.postgres(told) == backend


def test_nobody_guesses_a_server_that_is_not_named() -> None:
    with pytest.raises(UnmetError, match="expected a host in the metadata"):
        components.postgres({"connectionString": "sslmode=require"})


@pytest.mark.parametrize(
    ("brokers", "address"),
    [("a:1, b:2", ("a", 1)), ("kafka", ("kafka", 9092)), ("[fd00::1]:9093", ("fd00::1", 9093))],
)
def test_kafka_is_where_the_first_broker_is(brokers: str, address: tuple[str, int]) -> None:
    assert components.kafka({"brokers": brokers}).address == address


def test_a_component_that_is_missing_is_named_with_those_that_are_there() -> None:
    with pytest.raises(UnmetError, match="expected Component a in b; seen Components: kafka-pubsub"):
        components.metadata(Data().as_cluster(), "b", "a")
