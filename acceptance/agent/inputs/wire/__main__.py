"""`python -m acceptance.agent.inputs.wire HOST:PORT SEED/NUMBER [PREFIX]`: plays one case again, and shows all of it.

APP_API_TOKEN is what the agent's sidecar shows the agent. The routes are asked of the agent, by way of PREFIX.
"""

import asyncio
import os
import sys

import httpx

from acceptance.agent.inputs.request import routes_of
from acceptance.agent.inputs.wire.case import packed
from acceptance.agent.inputs.wire.cases import case
from acceptance.agent.inputs.wire.verdict import LONGEST_S, Outcome, judge
from acceptance.in_cluster import wire


def main(address: str, which: str, prefix: str = "") -> int:
    """Print the steps, what came, and what is wrong with it."""
    host, _, port = address.rpartition(":")
    seed, _, number = which.partition("/")
    token = os.environ.get("APP_API_TOKEN", "")
    document = httpx.get(f"http://{address}{prefix}/openapi.json", trust_env=False).raise_for_status().json()
    one = case(routes_of(document), int(seed), int(number), prefix)
    wanted = {"host": host, "port": int(port), "at_once": 1, "seconds": LONGEST_S}
    (told,) = asyncio.run(wire.run(wanted, packed([one], token)))
    outcome = Outcome.of(told)
    complaint = judge(one, outcome).complaint
    sys.stdout.write(f"{one.told}\n{outcome.end} after {outcome.seconds:.3f} s, seen {outcome.got!r}\n")
    sys.stdout.write(f"{complaint or 'as promised'}\n")
    return bool(complaint)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
