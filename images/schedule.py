"""When each part is built: as soon as what it needs is there, independent ones side by side."""

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

from cluster.console import say, speaking_for
from images.build import build, is_built
from images.recipe import Part

CORES = os.cpu_count() or 1
# Each uses every core by itself, and more of them would compile, at the same time, the same packages.
GO_AT_ONCE = 2
# beside those: what is downloaded and unpacked mostly waits, and must not wait for Go
OTHERS_AT_ONCE = CORES


# What an engine imports or builds waits for it; Go, Maven and PyPI do not.
ENGINE = "engine"
NEEDS_ENGINE = ("debian", "image")


def build_all(parts: dict[str, Part], engine: Callable[[], None]) -> None:
    """Build what is not there yet, and say so for each part; `engine` makes sure of Docker, beside what needs none.

    Raises what the first failure raised.
    """
    order = TopologicalSorter({name: _needs(part, parts) for name, part in parts.items()})
    order.prepare()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(GO_AT_ONCE) as go, ThreadPoolExecutor(OTHERS_AT_ONCE) as others:
        try:
            while order.is_active():
                for name in order.get_ready():
                    pool = go if name in parts and parts[name].kind == "go" else others
                    running[pool.submit(engine) if name == ENGINE else pool.submit(_build, parts[name])] = name
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    order.done(running.pop(future))
        except BaseException:
            for pool in (go, others):
                pool.shutdown(wait=False, cancel_futures=True)
            raise


def _needs(part: Part, parts: dict[str, Part]) -> list[str]:
    return [need.id for need in part.needs if need.id in parts] + [ENGINE] * (part.kind in NEEDS_ENGINE)


def _build(part: Part) -> None:
    if is_built(part):
        return
    with speaking_for(part.id):
        say(f"    {part.id}")
        build(part)
