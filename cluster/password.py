"""The database's password: a database that was made with another one is told what its Secret says now."""

import base64
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster.console import CommandError, SurroundingsError, ask, run

# Namespace, name and key: PostgreSQL's own, and the one that agent and sidecar read.
SECRETS = (
    ("postgres", "postgres-postgresql", "postgres-password"),
    ("fastapi-app", "postgres-credentials", "password"),
)
WHERE = "components/development-secrets"
# Dapr's state.postgresql writes the password into a connection string as it is; Go's driver takes it apart there.
USABLE = re.compile(r"(?!')[^\s\\]+")
SERVER = ("postgres", "statefulset/postgres-postgresql")
# On the pod's own address the server asks for a password; on its socket the image, as the official one, asks for none.
MATCH = r"""
IFS= read -r PGPASSWORD && export PGPASSWORD
psql --host="$(cat /etc/hostname)" --username=postgres --command=SELECT >/dev/null 2>&1 && exit
psql --quiet --username=postgres --set=ON_ERROR_STOP=1 <<END
\getenv password PGPASSWORD
ALTER ROLE postgres PASSWORD :'password';
END
echo "PostgreSQL had another password than Secret postgres-postgresql, and has been told this one"
"""
NEITHER = (
    "PostgreSQL has another password than Secret postgres-postgresql, and could not be told this one; put back the old "
    f"one in {WHERE}, or give up the data: make down, then make up"
)


def match(kubectl: Sequence[str | Path]) -> None:
    """Make PostgreSQL's password what its Secret says. Raises SurroundingsError, at once for one nobody can use."""
    password, other = (_value(kubectl, *secret) for secret in SECRETS)
    if password != other:
        raise SurroundingsError(f"{WHERE}: Secrets {' and '.join(name for _, name, _ in SECRETS)} hold two passwords")
    if not USABLE.fullmatch(password):
        raise SurroundingsError(
            f"{WHERE}: Dapr takes no password that is empty, begins with ' or holds white space or \\"
        )
    namespace, server = SERVER
    run([*kubectl, "--namespace", namespace, "rollout", "status", server, "--timeout=180s"])
    with tempfile.TemporaryFile() as stdin:
        stdin.write(f"{password}\n".encode())
        stdin.seek(0)
        exec_ = [*kubectl, "--namespace", namespace, "exec", "--stdin", server, "--container=postgresql", "--"]
        try:
            run([*exec_, "sh", "-ec", MATCH], stdin=stdin, quiet=False)
        except CommandError as error:
            raise SurroundingsError(f"{NEITHER}\n{error}") from error


def _value(kubectl: Sequence[str | Path], namespace: str, name: str, key: str) -> str:
    """The value of a Secret's key; empty without one."""
    encoded = ask([*kubectl, "--namespace", namespace, "get", "secret", name, f"--output=jsonpath={{.data.{key}}}"])
    return base64.b64decode(encoded or "").decode()
