"""`python -m benchmarks`: the agent beside services that people write without it, on the cluster of `make up`.

Ends with 1 unless everything that was accepted took effect, once, by each: a fast run that loses an event has failed.
"""

import argparse
import sys

from benchmarks import both, consume, outbox, page, publish
from benchmarks.results import AGENT, table
from benchmarks.stage import Options, opened

COMPARISONS = {"consume": consume.compare, "publish": publish.compare, "both": both.compare, "outbox": outbox.compare}


def main() -> int:
    """Run comparisons, and print each round and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMPARISONS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--events", type=int, default=20_000, help="of a backlog (default: 20000)")
    parser.add_argument("--seconds", type=int, default=60, help="of publishing and consuming at once (default: 60)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its charts")
    given = parser.parse_args()
    if unknown := set(given.names) - COMPARISONS.keys():
        parser.error(f"expected {', '.join(COMPARISONS)}, not {', '.join(sorted(unknown))}")
    sections = []
    with opened() as stage:
        for name in given.names or COMPARISONS:
            print(f"==> {name}", flush=True)
            found = COMPARISONS[name](stage, Options(given.rounds, given.events, given.seconds))
            for section in found:
                print(f"\n{section.title}\n", *table(section.lines), "", sep="\n", flush=True)
            sections += found
    if given.write:
        page.write(sections, AGENT)
    for wrong in (one for section in sections for one in section.wrong):
        print(f"wrong: {wrong}")
    return 1 if any(section.wrong for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main())
