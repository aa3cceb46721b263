"""Where the backends are, as Components tell it in each of their ways."""

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from acceptance.agent import components
from acceptance.agent.components import PostgresClient
from acceptance.harness.errors import UnmetError
from tests.acceptance.fakes import Data


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ({"host": "pg", "user": "me", "database": "app"}, PostgresClient("pg", 5432, "me", "app")),
        ({"host": "pg", "connectionString": "connect_timeout=2"}, PostgresClient("pg", 5432, "postgres", "postgres")),
        (
            {"connectionString": "host=pg port=6432 user=me dbname='my app' password=x"},
            PostgresClient("pg", 6432, "me", "my app", "x"),
        ),
        (
            {"connectionString": "postgres://me:x%40y@pg:6432/app?sslmode=require"},
            PostgresClient("pg", 6432, "me", "app", "x@y", {"sslmode": "require"}),
        ),
        (
            {"connectionString": "sslmode=verify-full", "host": "pg", "password": "p", "sslRootCert": "/tls/ca.pem"},
            PostgresClient(
                "pg", 5432, "postgres", "postgres", "p", {"sslmode": "verify-full", "sslrootcert": "/tls/ca.pem"}
            ),
        ),
        ({"connectionString": "postgresql://me@[fd00::1]/"}, PostgresClient("fd00::1", 5432, "me", "me")),
        ({"connectionString": "host=other port=1", "host": "pg"}, PostgresClient("pg", 1, "postgres", "postgres")),
    ],
)
def test_postgresql_is_where_the_state_store_says(told: dict[str, str], client: PostgresClient) -> None:
    assert components.postgres(told) == client


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


def test_what_a_component_takes_from_a_secret_is_read_there() -> None:
    cluster = Data().as_cluster()
    assert components.metadata(cluster, "fastapi-app", "postgres-statestore")["password"] == "secret"
    with pytest.raises(UnmetError, match="Secret postgres-credentials with password, for password of postgres-state"):
        components.metadata(Data(secrets={"postgres-credentials": {}}).as_cluster(), "a", "postgres-statestore")


def test_every_character_of_a_password_reaches_postgresql() -> None:
    password = "p@ss:/?#[]% ü&"
    url = urlsplit(PostgresClient("fd00::1", 5432, "me@home", "my/app", password).dsn())
    assert (unquote(url.password or ""), url.hostname, unquote(url.path)) == (password, "fd00::1", "/my/app")


PEMS = {"caCert": "CA", "clientCert": "CERT", "clientKey": "KEY"}
TLS = {"ca": "CA", "certificate": "CERT", "key": "KEY", "verify": True}
SASL = {"authType": "password", "saslUsername": "me", "saslPassword": "p"}


@pytest.mark.parametrize(
    ("told", "protocol", "mechanism", "tls"),
    [
        ({"authType": "none", **PEMS}, "PLAINTEXT", None, None),
        ({**SASL, "disableTls": "true"}, "SASL_PLAINTEXT", "PLAIN", None),
        ({**SASL, **PEMS, "saslMechanism": "SHA-512"}, "SASL_SSL", "SCRAM-SHA-512", TLS),
        ({"authType": "mtls", **PEMS, "skipVerify": "true"}, "SSL", None, {**TLS, "verify": False}),
    ],
)
def test_kafka_is_spoken_to_as_its_component_says(
    told: dict[str, str], protocol: str, mechanism: str | None, tls: dict[str, Any] | None
) -> None:
    client = components.kafka({"brokers": "a:1,b:2", **told})
    arguments = client.arguments()
    assert arguments["bootstrap_servers"] == ["a:1", "b:2"]
    assert (arguments["security_protocol"], arguments.get("sasl_mechanism")) == (protocol, mechanism)
    assert arguments["tls"] == tls
    assert "KEY" not in repr(client)


def test_credentials_that_only_dapr_can_get_are_named() -> None:
    with pytest.raises(UnmetError, match="none, password, mtls, certificate; seen awsiam"):
        components.kafka({"brokers": "a", "authType": "awsiam"})
