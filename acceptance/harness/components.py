"""What Dapr's Components say of the backends behind them."""

import shlex
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from acceptance.harness.cluster import Cluster
from acceptance.harness.database import PORT
from acceptance.harness.errors import UnmetError

KAFKA_PORT = 9092


@dataclass(frozen=True)
class Backend:
    """Where a backend is, and as whom and on what it is used; the last two are empty where there is no such thing."""

    host: str
    port: int
    user: str = ""
    database: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Where it takes connections."""
        return self.host, self.port


def metadata(cluster: Cluster, namespace: str, component: str) -> dict[str, str]:
    """The literal metadata of a Component. Raises UnmetError when it does not exist."""
    components = cluster.dapr_resources(namespace, "components")
    if component not in components:
        raise UnmetError(f"Component {component} in {namespace}", f"Components: {', '.join(components) or 'none'}")
    return {one["name"]: str(one.get("value", "")) for one in components[component]["spec"]["metadata"]}


def kafka(told: dict[str, str]) -> Backend:
    """The first broker of pubsub.kafka's metadata."""
    host, port = _split(told.get("brokers", "").partition(",")[0].strip(), KAFKA_PORT)
    return Backend(host, port)


def postgres(told: dict[str, str]) -> Backend:
    """The server of state.postgresql's metadata: its members, or what its connection string says beside them.

    Raises UnmetError when neither names a host: who is asked then is not for the suite to guess.
    """
    text = told.get("connectionString", "")
    said = _of_url(text) if "://" in text else dict(one.partition("=")[::2] for one in shlex.split(text))
    found = said | {name: told[name] for name in ("host", "port", "user", "database") if told.get(name)}
    # libpq's name for it
    database = found.get("database") or found.get("dbname") or found.get("user", "postgres")
    if not found.get("host"):
        raise UnmetError("a host in the metadata of state.postgresql", f"{', '.join(found) or 'nothing'}")
    return Backend(found["host"], int(found.get("port") or PORT), found.get("user", "postgres"), database)


def _of_url(text: str) -> dict[str, str]:
    url = urlsplit(text)
    found = {
        "host": url.hostname or "",
        "port": str(url.port or ""),
        "user": unquote(url.username or ""),
        "database": unquote(url.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}


def _split(address: str, port: int) -> tuple[str, int]:
    url = urlsplit(f"//{address}")
    return url.hostname or "", url.port or port
