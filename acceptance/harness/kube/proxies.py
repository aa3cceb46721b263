"""Proxy variables: kubectl spares loopback by itself, Python's clients do so only when they are told to."""

import os

# The last is where minikube's node is, in Docker.
SPARED = ("localhost", "127.0.0.1", "::1", "192.168.49.0/24")
# Clients read the one or the other, some the first they find.
VARIABLES = ("no_proxy", "NO_PROXY")


def spare(*hosts: str) -> None:
    """Let no proxy stand before what is on this machine, nor before these hosts: for us, and for what we start."""
    if not any(name.lower().endswith("_proxy") for name in os.environ.keys() - VARIABLES):
        return
    known = [one.strip() for name in VARIABLES for one in os.environ.get(name, "").split(",")]
    spared = dict.fromkeys(filter(None, [*known, *SPARED, *hosts]))
    # Some clients know `*` only where it stands alone.
    os.environ.update(dict.fromkeys(VARIABLES, "*" if "*" in spared else ",".join(spared)))
