"""What Dapr's Components say of the backends behind them: where they are, and how a client comes to them."""

import shlex
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from kubernetes import client

from acceptance.harness.errors import UnmetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import host

KAFKA_PORT, POSTGRES_PORT = 9092, 5432
MECHANISMS = {"SHA-256": "SCRAM-SHA-256", "SHA-512": "SCRAM-SHA-512", "PLAINTEXT": "PLAIN"}
"""Dapr's names and Kafka's; without one it is PLAIN."""
SPOKEN = ("none", "password", "mtls", "certificate")
TLS_OF_POSTGRES = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")
TRUE = {"1", "t", "true", "y", "yes"}


@dataclass(frozen=True)
class KafkaClient:
    """How a client comes to the brokers, as aiokafka calls it; TLS as texts in PEM, None without."""

    brokers: tuple[str, ...]
    sasl: dict[str, str] = field(default_factory=dict, repr=False)
    tls: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Where the first broker takes connections."""
        return _split(self.brokers[0], KAFKA_PORT)

    def arguments(self) -> dict[str, Any]:
        """What `in_cluster/clients.py` makes a client of."""
        protocol = ("SASL_" if self.sasl else "") + ("PLAINTEXT" if self.tls is None else "SSL")
        told = {"bootstrap_servers": list(self.brokers), "security_protocol": protocol}
        return {**told, **self.sasl, "tls": self.tls}


@dataclass(frozen=True)
class PostgresClient:
    """How a client comes to the server; the paths of its TLS are those of the sidecar."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(default="", repr=False)
    tls: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        """Where it takes connections."""
        return self.host, self.port

    def dsn(self) -> str:
        """All of it as a URL; never to be printed."""
        credentials = ":".join(quote(one, safe="") for one in (self.user, self.password) if one)
        database = quote(self.database, safe="")
        return f"postgresql://{credentials}@{host(self.host)}:{self.port}/{database}?{urlencode(self.tls)}"


def metadata(cluster: Cluster, namespace: str, component: str) -> dict[str, str]:
    """The metadata of a Component, its secrets too. Raises UnmetError when it does not exist, or its secrets do not."""
    components = cluster.dapr_resources(namespace, "components")
    if component not in components:
        raise UnmetError(f"Component {component} in {namespace}", f"Components: {', '.join(components) or 'none'}")
    members = components[component]["spec"]["metadata"]
    return {one["name"]: _value(cluster, namespace, component, one) for one in members}


def kafka(told: dict[str, str]) -> KafkaClient:
    """The client that pubsub.kafka's metadata describes. Raises UnmetError for credentials that only Dapr can get."""
    kind = told.get("authType", "none").lower()
    if kind not in SPOKEN:
        raise UnmetError(f"an authType that the suite speaks: {', '.join(SPOKEN)}", kind)
    brokers = tuple(one.strip() for one in told.get("brokers", "").split(",") if one.strip())
    if not brokers:
        raise UnmetError("brokers in the metadata of pubsub.kafka", "none")
    sasl = {}
    if kind == "password":
        mechanism = told.get("saslMechanism", "")
        sasl = {
            "sasl_mechanism": MECHANISMS.get(mechanism, mechanism or "PLAIN"),
            "sasl_plain_username": told.get("saslUsername", ""),
            "sasl_plain_password": told.get("saslPassword", ""),
        }
    tls = None
    if kind != "none" and told.get("disableTls", "").lower() not in TRUE:
        tls = {
            "ca": told.get("caCert", ""),
            "certificate": told.get("clientCert", ""),
            "key": told.get("clientKey", ""),
            "verify": told.get("skipVerify", "").lower() not in TRUE,
        }
    return KafkaClient(brokers, sasl, tls)


def postgres(told: dict[str, str]) -> PostgresClient:
    """The client that state.postgresql's metadata describes: its members, or its connection string beside them.

    Raises UnmetError when neither names a host: who is asked then is not for the suite to guess.
    """
    text = told.get("connectionString", "")
    said = _of_url(text) if "://" in text else dict(one.partition("=")[::2] for one in shlex.split(text))
    members = ("host", "port", "user", "database", "password", *TLS_OF_POSTGRES)
    # members are told in camel case too: sslRootCert
    lower = {name.lower(): value for name, value in told.items() if value}
    found = said | {name: lower[name] for name in members if name in lower}
    # libpq's name for it
    database = found.get("database") or found.get("dbname") or found.get("user", "postgres")
    if not found.get("host"):
        raise UnmetError("a host in the metadata of state.postgresql", f"{', '.join(found) or 'nothing'}")
    return PostgresClient(
        found["host"],
        int(found.get("port") or POSTGRES_PORT),
        found.get("user", "postgres"),
        database,
        found.get("password", ""),
        {name: found[name] for name in TLS_OF_POSTGRES if name in found},
    )


def _value(cluster: Cluster, namespace: str, component: str, member: dict[str, Any]) -> str:
    """What a member of a Component's metadata is; of a Secret what that has now."""
    reference = member.get("secretKeyRef")
    if not reference:
        return str(member.get("value", ""))
    name, key = reference["name"], reference.get("key") or reference["name"]
    try:
        return cluster.secret(namespace, name, key)
    except (client.ApiException, KeyError) as error:
        raise UnmetError(f"Secret {name} with {key}, for {member['name']} of {component}", _gist(error)) from error


def _gist(error: Exception) -> str:
    return f"{error.status} {error.reason}" if isinstance(error, client.ApiException) else f"no {error}"


def _of_url(text: str) -> dict[str, str]:
    url = urlsplit(text)
    found = {
        "host": url.hostname or "",
        "port": str(url.port or ""),
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "database": unquote(url.path.lstrip("/")),
        **dict(parse_qsl(url.query)),
    }
    return {name: value for name, value in found.items() if value}


def _split(address: str, port: int) -> tuple[str, int]:
    """Host and port of an address, which may leave out the port."""
    url = urlsplit(f"//{address}")
    return url.hostname or "", url.port or port
