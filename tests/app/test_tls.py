"""Backends that speak TLS: whom the agent believes, and what it says of all others."""

import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import trustme
from pydantic import SecretStr, ValidationError

from app.config import Settings
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.kafka.broker import Broker
from tests.app.broker import StandInBroker
from tests.app.postgres import PostgresServer
from tests.app.waiting import in_time

pytestmark = pytest.mark.anyio
REFUSED_S = 5
HOST = "127.0.0.1"
UNKNOWN, OTHER_HOST, EXPIRED = "unable to get local issuer certificate", "mismatch", "certificate has expired"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the backends."""
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(authority: trustme.CA) -> dict[str, trustme.LeafCert]:
    """A good certificate, one of yesterday, and one that another authority vouches for."""
    return {
        "good": authority.issue_cert(HOST),
        "expired": authority.issue_cert(HOST, not_after=datetime.now(UTC) - timedelta(days=1)),
        "of another host": authority.issue_cert("kafka.example.org"),
        "of another authority": trustme.CA().issue_cert(HOST),
    }


@pytest.fixture(scope="module")
def root_cert(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the authority's certificate is."""
    file = tmp_path_factory.mktemp("tls") / "ca.crt"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture
def server(request: pytest.FixtureRequest, certificates: dict[str, trustme.LeafCert]) -> Iterator[PostgresServer]:
    """PostgreSQL with TLS and one of the certificates."""
    server, certificate = PostgresServer(), certificates[request.param]
    server.keep("server.pem", b"".join(one.bytes() for one in certificate.cert_chain_pems))
    server.keep("server.key", certificate.private_key_pem.bytes())
    try:
        server.start(ssl="on", ssl_cert_file="../server.pem", ssl_key_file="../server.key")
        yield server
    finally:
        server.remove()


@pytest.fixture
async def secure(
    request: pytest.FixtureRequest, certificates: dict[str, trustme.LeafCert]
) -> AsyncIterator[StandInBroker]:
    """A broker with TLS and one of the certificates, that knows one user."""
    broker = StandInBroker()
    broker.tls, broker.passwords = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), {"agent": "its password"}
    certificates[request.param].configure_cert(broker.tls)
    await broker.start()
    yield broker
    await broker.stop()


def postgres_at(settings: Settings, port: int, root_cert: Path) -> Database:
    return Database(
        settings.model_copy(
            update={"postgres_port": port, "postgres_ssl_mode": "verify-full", "postgres_ssl_root_cert": root_cert}
        )
    )


def kafka_at(settings: Settings, port: int, root_cert: Path, **changes: object) -> Broker:
    asked = {
        "kafka_brokers": f"{HOST}:{port}",
        "kafka_ssl_root_cert": root_cert,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_sasl_username": "agent",
        "kafka_sasl_password": SecretStr("its password"),
    }
    return Broker(settings.model_copy(update=asked | changes), settings.database_timeout_seconds)


@pytest.mark.parametrize("server", ["good"], indirect=True)
async def test_postgresql_is_asked_over_tls(settings: Settings, server: PostgresServer, root_cert: Path) -> None:
    async with postgres_at(settings, server.port, root_cert) as database, database.connection() as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


@pytest.mark.parametrize(
    ("server", "reason"),
    [("expired", EXPIRED), ("of another host", OTHER_HOST), ("of another authority", UNKNOWN)],
    indirect=["server"],
)
async def test_a_server_that_is_not_to_be_believed_is_refused_and_named(
    settings: Settings, server: PostgresServer, root_cert: Path, reason: str
) -> None:
    async with postgres_at(settings, server.port, root_cert) as database:
        started = monotonic()
        with pytest.raises(DependencyUnavailableError, match=reason):
            await database.check()
        assert monotonic() - started < in_time(REFUSED_S)


async def test_a_server_without_tls_is_refused_and_named(settings: Settings, root_cert: Path) -> None:
    async with postgres_at(settings, settings.postgres_port, root_cert) as database:
        with pytest.raises(DependencyUnavailableError, match="rejected SSL upgrade"):
            await database.check()


@pytest.mark.parametrize("secure", ["good"], indirect=True)
@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
async def test_kafka_is_asked_over_tls(
    settings: Settings, secure: StandInBroker, root_cert: Path, protocol: str
) -> None:
    async with kafka_at(settings, secure.port, root_cert, kafka_security_protocol=protocol) as broker:
        await broker.check()


@pytest.mark.parametrize(
    ("secure", "changes", "reason"),
    [
        ("expired", {}, EXPIRED),
        ("of another host", {}, OTHER_HOST),
        ("of another authority", {}, UNKNOWN),
        ("good", {"kafka_sasl_password": SecretStr("another")}, "Invalid username or password"),
        ("good", {"kafka_sasl_username": "stranger"}, "Invalid username or password"),
        ("good", {"kafka_sasl_mechanism": "SCRAM-SHA-512"}, "UnsupportedSaslMechanism"),
        ("good", {"kafka_security_protocol": "PLAINTEXT"}, "does not answer"),
    ],
    indirect=["secure"],
)
async def test_a_broker_that_is_not_to_be_believed_or_refuses_is_named(
    settings: Settings, secure: StandInBroker, root_cert: Path, changes: dict[str, Any], reason: str
) -> None:
    async with kafka_at(settings, secure.port, root_cert, **changes) as broker:
        started = monotonic()
        with pytest.raises(DependencyUnavailableError, match=reason) as refused:
            await broker.check()
        assert monotonic() - started < in_time(REFUSED_S)
    assert "another" not in str(refused.value), "a password is shown"


async def test_a_broker_without_tls_is_refused_and_named(
    settings: Settings, broker: StandInBroker, root_cert: Path
) -> None:
    async with kafka_at(settings, broker.port, root_cert) as kafka:
        with pytest.raises(DependencyUnavailableError, match=r"does not answer: (?!Timeout)"):
            await kafka.check()


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("postgres_ssl_root_cert", {"postgres_ssl_root_cert": "/nowhere"}),
        ("postgres_ssl_root_cert", {"postgres_ssl_root_cert": __file__}),
        ("kafka_sasl_username", {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_password": "p"}),
        ("kafka_sasl_password", {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "u"}),
        ("kafka_security_protocol", {"kafka_security_protocol": "SASL_PLAINTEXT"}),
        ("postgres_ssl_mode", {"postgres_ssl_mode": "prefer"}),
    ],
)
async def test_what_cannot_be_meant_is_named(settings: Settings, named: str, told: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**{**settings.model_dump(), **told})
    assert [error["loc"] for error in refused.value.errors()] == [(named,)]
