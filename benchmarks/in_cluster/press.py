"""Runs inside the cluster: keeps connections busy with publishes for some seconds; prints what was answered, and when.

On stdin, a JSON object: host, port, path, body, headers, connections, seconds, per_second, and run, with which ids and
keys begin. `path` and `body` may hold ID, KEY, and SENT for the time in seconds. Each connection sends its next request
when the last is answered, or when it is due where there are to be so many a second; how long one took counts from then.
The bytes are made by hand: a client of HTTP would cost more CPU than what is measured.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

KEYS = 64
PLACE = re.compile("ID|KEY|SENT")
DETAIL = re.compile('"detail": "(.{0,200}?)"')
PATIENCE_S = 10.0


@dataclass
class Press:
    """What is to be sent, and what became of it."""

    wanted: dict[str, Any]
    began: float
    sent: int = 0
    taken: int = 0
    seconds: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    ended_at: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether no more is to be sent."""
        return time.monotonic() - self.began >= float(self.wanted["seconds"])

    async def due(self) -> float:
        """Wait until the next request is due; since when that is."""
        now, number = time.monotonic(), self.taken
        self.taken += 1
        if not (per_second := float(self.wanted["per_second"])):
            return now
        due = self.began + number / per_second
        await asyncio.sleep(due - now)
        return due

    def request(self) -> bytes:
        """The next request."""
        number, self.sent = self.sent, self.sent + 1
        event_id = f"{self.wanted['run']}-{number}"
        key = f"{self.wanted['run']}-{number % KEYS}"
        texts = [str(self.wanted[part]) for part in ("path", "body")]
        filled = {"ID": event_id, "KEY": key, "SENT": f"{time.time():.6f}"}
        path, body = (PLACE.sub(lambda found: filled[found[0]], text) for text in texts)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self.wanted['host']}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.wanted["headers"].items()]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def note(self, status: str, body: bytes, seconds: float) -> None:
        """Note an answer; of a refusal also why."""
        self.ended_at = time.monotonic()
        if status.startswith("2"):
            self.seconds.append(seconds)
        else:
            why = f"{status} {DETAIL.findall(body.decode())}"
            self.refused[why] = self.refused.get(why, 0) + 1


async def keep_busy(press: Press) -> None:
    """Use one connection until the time is over."""
    reader, writer = await asyncio.open_connection(press.wanted["host"], press.wanted["port"])
    while not press.is_over:
        began = await press.due()
        writer.write(press.request())
        async with asyncio.timeout(PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, rest = head.partition(b"\r\ncontent-length:")
            body = await reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
        press.note(head.split()[1].decode(), body, time.monotonic() - began)
    writer.close()


async def main() -> None:
    """Keep as many connections busy as are wanted, and print what was seen."""
    wanted = json.load(sys.stdin)
    began = time.monotonic()
    press = Press(wanted, began)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(wanted["connections"]):
            tasks.create_task(keep_busy(press))
    tenths = quantiles(press.seconds, n=100) if len(press.seconds) > 1 else [0.0] * 99
    answered = {"accepted": len(press.seconds), "refused": press.refused, "per_s": 0.0}
    answered["per_s"] = len(press.seconds) / (press.ended_at - began)
    print(
        json.dumps(answered | {"p50_ms": 1000 * tenths[49], "p90_ms": 1000 * tenths[89], "p99_ms": 1000 * tenths[98]})
    )


if __name__ == "__main__":
    asyncio.run(main())
