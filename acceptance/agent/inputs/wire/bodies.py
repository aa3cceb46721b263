"""Bodies that are not what they say, one request behind the other, and when all of it is sent."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from acceptance.agent.inputs.bad_input import BODIES, VALUES
from acceptance.agent.inputs.wire.case import END, Cut, Parts, Script, Step, split
from acceptance.agent.inputs.wire.heads import H2C, WEBSOCKET

TEXTS = (
    *VALUES.values(), *(body for body in BODIES.values() if len(body) < 2_000_000),
    b'{"key": "k", "key": "l", "value": 1}', b'{"value": "\\ud800"}', b'{"key": "\\u0000", "value": 1}', b'{"a": 1} x',
    b"\xfe\xff\0{\0}", b"\0" * 100, b'"' + b"\\" * 1001, b"{" * 5000, b'{"":' * 200 + b"1" + b"}" * 200,
    b'{"message": "' + b"x" * 300_000 + b'"}', b'{"value": [' + b"1," * 600_000 + b"1]}",
)  # fmt: skip
SIZES = (
    b"{}", b"0000{}", b"0x{}", b"{};", b"{};a=b", b'{};a="\xff', b"{} ", b" {}", b"\t{}", b"+{}", b"-{}", b"{}g", b"",
    b"F" * 17, b"F" * 16, b"7" + b"F" * 15, b"{}\0", b"{};" + b"x" * 40_000, b"{}\n", b"{}.0", b"{} 1", b"\xff",
    b"0" * 5000 + b"{}", b"ffff{}",
)  # fmt: skip
BEHIND = (b"\r\n", b"", b"\n", b"\r", b"xx", b"\r\n\r\n", b" \r\n")
TRAILER = b"X-Trailer: 1\r\n"
LAST = (
    b"0\r\n\r\n", b"", b"0\r\n", b"0\r\n\r", b"0000\r\n\r\n", b"0;x=y\r\n\r\n", b"-0\r\n\r\n", b"0\n\n", b"0\r\n\r\nx",
    b"0\r\n" + TRAILER + b"\r\n", b"0\r\n" + TRAILER * 5000 + b"\r\n", b"0\r\nContent-Length: 5\r\n\r\n",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"0\r\nX: a\0b\r\n\r\n",
    b"0\r\ndapr-api-token: x\r\n\r\n", b"0\r\nX-Bad\r\n\r\n", b"0\r\n" + TRAILER, b"0\r\nX: " + b"x" * 300_000,
)  # fmt: skip
# What does not depend on anything that may be away.
KNOWN = (
    (b"GET", b"/health", 200), (b"HEAD", b"/health", 200), (b"OPTIONS", b"/health", 204), (b"GET", b"/", 200),
    (b"GET", b"/nowhere", 404), (b"POST", b"/nowhere", 404), (b"PUT", b"/health", 405),
    (b"GET", b"/dapr/subscribe", 200), (b"GET", b"/state/%ff", 400), (b"POST", b"/state", 422),
)  # fmt: skip
BEHIND_ALL = ((b"", ()), (b"\r\n", ()), (b"junk\r\n\r\n", (400,)), (b"GET / HTTP/1.1\r\nX", ()))
MOST = 20


def text(chance: Random, good: Parts) -> Script:
    """A body that is no JSON, or JSON that cannot be kept, with its right length, or in one chunk."""
    body = chance.choice((*TEXTS, chance.randbytes(chance.randrange(1, 400))))
    sized = good.sized(body)
    return Script((chance.choice((sized, good.chunked(_chunk(b"{}", body, END) + LAST[0]))).whole,))


def chunks(chance: Random, good: Parts) -> Script:
    """A body in chunks, of which one or the last is not written as it should be."""
    pieces = split(chance, good.body or b"{}", 5)
    wrong = chance.randrange(-1, len(pieces))
    written = [
        _chunk(chance.choice(SIZES), piece, chance.choice((END, *BEHIND))) if at == wrong else _chunk(b"{}", piece, END)
        for at, piece in enumerate(pieces)
    ]
    return Script((good.chunked(b"".join(written) + (LAST[0] if wrong >= 0 else chance.choice(LAST))).whole,))


def size(chance: Random, good: Parts) -> Script:
    """A body that is shorter or longer than it is said to be."""
    told = max(0, len(good.body) + chance.choice((-1000, -20, -1, 1, 2, 20, 1000, 10**9)))
    changed = good.without(b"content-length").having(chance, b"Content-Length: %d" % told)
    return Script((changed.whole,))


def pipeline(chance: Random, good: Parts) -> Script:
    """Requests one behind the other, each with the answer it has alone; some ask for another protocol."""
    del good
    known = [_known(chance, *chance.choice(KNOWN)) for _ in range(chance.randint(2, MOST))]
    behind, status = chance.choice(BEHIND_ALL)
    return Script((b"".join(one for one, _ in known) + behind,), (*(one for _, one in known), *status))


def mixed(chance: Random, good: Parts) -> Script:
    """A good request, whatever becomes of it, before and behind known ones."""
    before, after = (_known(chance, *chance.choice(KNOWN)) for _ in range(2))
    return Script((before[0] + good.whole * chance.randint(1, 3) + after[0],), (before[1],))


def ends(chance: Random, good: Parts) -> Script:
    """Lines that end in another way, all of them or one."""
    other = chance.choice((b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0", b"\x0b", b"\xe2\x80\xa8"))
    lines = good.head.split(END)
    place = chance.randrange(len(lines) - 1)
    mostly = END.join(lines[: place + 1]) + other + END.join(lines[place + 1 :])
    return Script((chance.choice((other.join(lines), mostly)) + good.body,))


def edited(chance: Random, good: Parts) -> Script:
    """A few bytes changed, taken out, doubled or put in, anywhere."""
    changed = bytearray(good.whole)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(changed))
        part = changed[place : place + chance.randint(1, 8)]
        changed[place : place + len(part)] = chance.choice(
            (b"", bytes(part) * 2, bytes([part[0] ^ 1 << chance.randrange(8)]), chance.randbytes(3), END)
        ) or (b"" if len(changed) > len(part) else b"x")
    return Script((bytes(changed),))


def noise(chance: Random, good: Parts) -> Script:
    """Any bytes, alone or behind the beginning of a request."""
    begin = good.whole[: chance.randrange(len(good.whole))] if chance.random() < 0.6 else b""
    return Script((begin + chance.randbytes(chance.randint(1, 2000)),))


def _chunk(size: bytes, piece: bytes, end: bytes) -> bytes:
    return size.replace(b"{}", b"%x" % len(piece)) + END + piece + end


def _known(chance: Random, method: bytes, target: bytes, status: int) -> tuple[bytes, int]:
    parts = Parts(method, target)
    if method in {b"POST", b"PUT"}:
        body = b'{"nothing": "of it"}'
        parts = chance.choice((parts.sized(body), parts.chunked(b"".join(_in_chunks(chance, body)))))
    if chance.random() < 0.2:
        parts = parts.having(chance, *chance.choice((H2C, WEBSOCKET)))
    return replace(parts, lines=(*parts.lines, b"Content-Type: application/json")).whole, status


def _in_chunks(chance: Random, body: bytes) -> Iterator[bytes]:
    yield from (_chunk(b"{}", piece, END) for piece in split(chance, body, 4))
    yield LAST[0]


PIECES = 12
LONGEST_PAUSE_S = 0.03
DRIBBLES = 20
DRIBBLE_S = (0.2, 0.45)
"""So many times this is longer than a head or a body may take."""


def slowly(chance: Random, script: Script) -> Script:
    """The same in pieces, with a pause behind each."""
    steps: list[Step] = []
    for piece in split(chance, _sent(script), PIECES):
        steps += [piece, chance.uniform(0, LONGEST_PAUSE_S)]
    return Script(tuple(steps), script.statuses)


def dribble(chance: Random, good: Parts) -> Script:
    """A head or a body that goes on, a little at a time, for longer than anybody waits."""
    body = good.body + b" " * 1000
    if chance.random() < 0.5:
        first, rest = replace(good, lines=(*good.lines, b"X-Slow: ")).head.removesuffix(b"\r\n\r\n"), b"x" * 1000
    elif chance.random() < 0.5:
        first, rest = good.sized(body).head, body
    else:
        first, rest = good.chunked(b"").head, b"1\r\n \r\n" * 200
    steps: list[Step] = [first]
    for _ in range(DRIBBLES):
        piece, rest = rest[: (count := chance.randint(1, 20))], rest[count:]
        steps += [chance.uniform(*DRIBBLE_S), piece]
    return Script(tuple(steps))


def unfinished(chance: Random, script: Script) -> Script:
    """The same, not to its end, and nothing more comes."""
    whole = _sent(script)
    return Script((whole[: chance.randint(1, max(1, len(whole) - 1))],))


def cut(chance: Random, script: Script, how: Cut) -> Script:
    """The same, whole or not to its end, at once or after a moment, and then the client goes."""
    whole = _sent(script)
    sent = whole if chance.random() < 0.4 else whole[: chance.randrange(len(whole) + 1)]
    pieces = split(chance, sent, 3)
    pause = (chance.choice((0.0, 0.001, LONGEST_PAUSE_S)),)
    return Script((*pieces, *pause, how))


def _sent(script: Script) -> bytes:
    return b"".join(step for step in script.steps if isinstance(step, bytes))
