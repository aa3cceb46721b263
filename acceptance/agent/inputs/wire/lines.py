"""First lines: methods, targets and versions that are none, and what other protocols say first."""

from dataclasses import replace
from random import Random

from acceptance.agent.inputs.wire.case import Script
from acceptance.agent.inputs.wire.parts import Parts

METHODS = (
    b"BREW", b"get", b"Post", b"X" * 20, b"X" * 40_000, b"G\0T", b"GE\tT", b"G\x7fT", b"", b" ", b"PRI", b"CONNECT",
    b"TRACE", b"OPTIONS", b"HEAD", b"PATCH", b"PROPFIND", b"M-SEARCH", b"SOURCE", b"DESCRIBE", b"GET GET", b"\xff\xfe",
    b"GET\r\n", b"GET\r", b"@", b"-GET", b"G E T", "ГЕТ".encode(),
)  # fmt: skip
TARGETS = (
    b"http://agent{}", b"http://agent", b"http://", b"http:", b"https://user:pw@agent:99999{}", b"HTTP://[::1]:80{}",
    b"http://[{}", b"http://]{}", b"ftp://agent{}", b"agent:80", b"*", b"**", b"//agent{}", b"/{}", b"//{}", b"{}/",
    b"{}/.", b"{}/..", b"/..{}", b"/../..{}", b"/.{}", b"/x/..{}", b"{}%", b"{}%z", b"{}%zz", b"{}%2", b"{}%ff",
    b"{}%c3%28", b"{}%ED%A0%80", b"{}%00", b"{}%0d%0a", b"{}%0A", b"{}%25%30%30", b"{}\0", b"{}\x7f", b"{}\x1b[2J",
    b"{}\xff", b"{}\xc3\xbc", b"{}\t", b"{} x", b"{}?", b"{}??", b"{}?%", b"{}?a=%ff", b"{}?key=%C3",
    b"{}?key=a&key=b", b"{}?key=%00", b"{}?for=%00", b"{}?\xff", b"{}?a=b#c", b"{}#x", b"{}##", b"#", b"?", b"", b"x",
    b"x{}", b"\\", b"{}\\..\\", b"{};a=b", b'{}"<>^`|', b"{}{{{{", b"javascript:alert(1)", b"{}" + b"x" * 1000,
    b"{}" + b"x" * 30_000, b"{}" + b"x" * 70_000, b"{}?" + b"a=b&" * 7000, b"{}" + b"/" * 20_000, b"/" + b"%41" * 9000,
    b"{}?page_token=\xff", b"{}?page_token=%FF", b"{}?page_size=1e9", b"{}?page_size=" + b"9" * 5000,
)  # fmt: skip
VERSIONS = (
    b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/2", b"HTTP/3.7", b"HTTP/1", b"HTTP/1.", b"HTTP/.1",
    b"HTTP/11", b"HTTP/1.10", b"http/1.1", b"HTTP/1,1", b"HTTP /1.1", b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/1.1\t",
    b"HTTP/1.1\0", b"HTTP/-1.1", b"HTTP/9.9", b"HTCPCP/1.0", b"RTSP/1.0", b"ICE/1.0", b"HTTPS/1.1", b"", b"\xff",
    b"HTTP/" + b"1" * 5000 + b".1",
)  # fmt: skip
FIRST = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(256)) * 2,  # TLS
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1 80\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x50",  # PROXY, its second version
    b"SSH-2.0-x\r\n",
    b"EHLO x\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"\0\0\0\x10\0\x12\0\0\0\0\0\x01\0\x04test",  # Kafka
    b"\0\0\0\x08\x04\xd2\x16\x2f",  # PostgreSQL
    b"GET /health\r\n",
    b"GET /health\r\n\r\n",
    b"GET\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"\xef\xbb\xbf",
    b" ",
    b"\t",
    b"\0",
    b"\0" * 5000,
)
BLANK = (b"\r\n", b"\n", b"\r\n" * 10, b"\n\n\n", b"\r\n" * 40_000)
"""What may stand before a request (RFC 9112, 2.2)."""


def method(chance: Random, good: Parts) -> Script:
    """A method that no route has, or that is none."""
    return Script((replace(good, method=chance.choice(METHODS)).whole,))


def target(chance: Random, good: Parts) -> Script:
    """A target that is written in another form, or not at all as it should be."""
    written = chance.choice(TARGETS).replace(b"{}", good.target)
    return Script((replace(good, target=written).whole,))


def version(chance: Random, good: Parts) -> Script:
    """Another version of HTTP, or something else in its place."""
    return Script((replace(good, version=chance.choice(VERSIONS)).whole,))


def first(chance: Random, good: Parts) -> Script:
    """What other protocols begin with, alone or before a request."""
    return Script((chance.choice((*FIRST, *BLANK)) + chance.choice((b"", good.whole)),))
