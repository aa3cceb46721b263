"""Settings, read once from environment variables of the same name in capitals. Names carry their unit."""

import re
import sys
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import SERVICE, tls

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
Required = Annotated[str, Field(min_length=1)]


def _brokers(value: str) -> str:
    for broker in value.split(","):
        host, _, port = broker.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"expected host:port[,host:port...], got {broker!r}")
    return value


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch("[!-~]+", value.get_secret_value()):
        raise ValueError("expected visible ASCII characters alone, for it is sent as an HTTP header")
    return value


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _certificates(file: FilePath) -> FilePath:
    tls.context(file)
    return file


RootCert = Annotated[Annotated[FilePath, AfterValidator(_certificates)] | None, BeforeValidator(_none_if_blank)]
"""Certificates of who vouches for a server; those of the system unless given."""
Token = Annotated[SecretStr, AfterValidator(_token)]
Retention = Annotated[
    Annotated[float, Field(ge=1, le=3_153_600_000, allow_inf_nan=False)] | None, BeforeValidator(_none_if_blank)
]


class ServiceSettings(BaseSettings):
    """What both services need: the sidecar, and how they end."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    app_port: Port = 8000
    dapr_http_port: Port = 3500
    dapr_grpc_port: Port = 50001
    """Part of the sidecar's contract; the app itself speaks HTTP to it."""
    dapr_api_token: Annotated[Token | None, BeforeValidator(_none_if_blank)] = None
    """What the sidecar asks of whoever calls its API; it asks nothing unless it was given a token of its own."""
    sidecar_timeout_seconds: Seconds = 2.0
    """Longest wait for one answer of the sidecar; clients are promised an answer within 3 s."""
    requests_at_once: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Requests that are worked on at once, probes and deliveries beside them."""
    place_timeout_seconds: Seconds = 1.0
    """Longest wait of a further one for its turn."""
    body_timeout_seconds: Seconds = 4.0
    """Longest wait for the whole of a request's body; clients are promised some answer within 5 s."""
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 3.0
    """From SIGTERM on `/ready` says no; requests are served until none has come for this long (`app/__main__.py`)."""
    longest_drain_seconds: Annotated[float, Field(ge=0, le=300)] = 10.0
    """Longest wait for that: whoever goes on asking this very pod does not keep it from ending."""
    graceful_shutdown_seconds: Annotated[int, Field(ge=1, le=300)] = 10
    """After draining, longest wait for requests in flight."""

    @field_validator("longest_drain_seconds")
    @classmethod
    def _check_longest(cls, longest: float, info: ValidationInfo) -> float:
        if longest < info.data.get("drain_seconds", 0.0):
            raise ValueError("expected DRAIN_SECONDS at least")
        return longest


class CallerSettings(ServiceSettings):
    """Settings of the second service."""

    agent_app_id: Required = SERVICE
    sidecar_timeout_seconds: Seconds = 2.8
    """Longer than the agent's own longest wait, so that its 503 arrives."""


class Settings(ServiceSettings):
    """Settings of the agent."""

    app_api_token: Token
    """What the sidecar shows with whatever it sends to the app: who does not show it delivers nothing."""
    postgres_host: Required
    postgres_port: Port = 5432
    postgres_user: Required
    postgres_password: Annotated[SecretStr, Field(min_length=1)]
    postgres_database: Required
    postgres_ssl_mode: Literal["disable", "verify-full"] = "disable"
    """`verify-full`: only over TLS, with a certificate of that very host. Nothing falls back to anything."""
    postgres_ssl_root_cert: RootCert = None
    postgres_pooling: Literal["session", "transaction"] = "session"
    """`transaction` where host and port are those of a pooler that gives each transaction another session."""
    database_timeout_seconds: Seconds = 2.0
    """Longest time for one use of the database, waiting for a connection included."""
    key_lookup_timeout_seconds: Seconds = 0.5
    """Longest look for an earlier use of an idempotency key before an event is published without it."""
    outbox_poll_seconds: Seconds = 0.5
    """How often the relay looks for events that another replica queued, and its pause after a failure."""
    outbox_resend_seconds: Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)] = 300.0
    """After this long an event of the outbox that was published and not applied is published again, then after twice as
    long, and so on: Kafka may have lost it."""
    processed_events_retention_seconds: Retention = None
    """How old a row gets before it is deleted; unless it is set, it never is. It stays for longer while Kafka, the
    outbox or a dead letter can bring its event again (`app/retention/deletion.py`)."""
    effects_retention_seconds: Retention = None
    failed_events_retention_seconds: Retention = None
    dead_letters_retention_seconds: Retention = None
    kafka_brokers: Annotated[Required, AfterValidator(_brokers)]
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    """How the agent itself asks the brokers; its sidecar is told by the Component."""
    kafka_ssl_root_cert: RootCert = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: Annotated[str | None, BeforeValidator(_none_if_blank)] = Field(
        default=None, validate_default=True
    )
    kafka_sasl_password: Annotated[SecretStr | None, BeforeValidator(_none_if_blank)] = Field(
        default=None, validate_default=True
    )
    kafka_consumer_group: Required = "fastapi-consumer-group"
    """The sidecar's; a test keeps it equal to the Component's."""
    check_period_seconds: Seconds = 0.5
    check_timeout_seconds: Seconds = 1.0
    """Period + timeout bound how late a loss shows in `/ready`."""
    events_period_seconds: Seconds = 1.0
    """Pause between looks at where the consumer group is."""
    silent_seconds: Seconds = 10.0
    """How long events may wait in a partition while nothing is taken from it; `/ready` names it within 15 s."""
    refused_seconds: Seconds = 4.0
    """How long the database may refuse every event in ways that its check does not see."""
    unsubscribe_after_seconds: Seconds = 3.0
    """How long the database may be away until `/ready?for=events` gives the events to another replica."""
    unsubscribing_seconds: Seconds = 4.0
    """What the sidecar takes to notice (two probes) that it is to unsubscribe, and to do so."""
    subscribing_seconds: Seconds = 6.0
    """What the sidecar takes to subscribe, and to join the consumer group; after that it is told to do so anew."""
    backend_retry_seconds: Seconds = 2.5
    """Pause between checks of a backend that is away. A Service without endpoints refuses a pod about one connection a
    second (net.ipv4.icmp_ratelimit) and drops the others: the sidecar's own would hang longer than the outage."""
    sidecar_grace_seconds: Seconds = 2.0
    """How long a Component or subscription may be missing once its backend is back, until the sidecar is restarted."""
    sidecar_restart_interval_seconds: Annotated[float, Field(ge=1, le=86400)] = 120.0
    """The same while its backend was there all the time; the sidecar itself tries again each minute."""
    max_event_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Deliveries of an event whose handling raises, before it is dead-lettered."""

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _check_sasl(cls, told: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        if told is None and info.data.get("kafka_security_protocol") == "SASL_SSL":
            raise ValueError("expected one where KAFKA_SECURITY_PROTOCOL is SASL_SSL")
        return told


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S]) -> S:
    """Read settings from the environment; a bad one ends the process with a line that names its variable."""
    try:
        return settings()
    except ValidationError as error:
        # only location and message: the input of a bad secret must not be shown
        problems = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("bad settings: " + "; ".join(problems))
