"""What of Dapr's control plane has to be there."""

from collections.abc import Collection, Sequence
from itertools import pairwise

REQUIRED = ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector")
"""No sidecar is injected, and none starts, without these; the others may be scaled to 0 by who does not need them."""
ADDRESSES = ("--placement-host-address", "--scheduler-host-address")


def absent(workloads: Collection[str], arguments: Sequence[str]) -> list[str]:
    """Names of what does not exist though it has to, or though a sidecar with these arguments is told to go there."""
    told = [value for name, value in pairwise(arguments) if name in ADDRESSES]
    told += [value for one in arguments for name, _, value in [one.partition("=")] if name in ADDRESSES]
    services = {address.strip().partition(".")[0].partition(":")[0] for value in told for address in value.split(",")}
    # one Service for each of the Scheduler's instances: dapr-scheduler-server-a
    gone = [one for one in services if one and not any(f"{one}-".startswith(f"{name}-") for name in workloads)]
    return sorted({*REQUIRED} - {*workloads} | {*gone})
