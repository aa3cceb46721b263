"""Heads of requests: first lines that are none, headers that contradict each other, and lines that are no headers."""

from dataclasses import replace
from random import Random

from acceptance.agent.inputs.wire.case import Parts, Script

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


HOSTS: tuple[tuple[bytes, ...], ...] = (
    (), (b"Host:",), (b"Host: a", b"Host: b"), (b"Host: a", b"Host: a"), (b"Host: [",), (b"Host: ]",), (b"Host: [::1",),
    (b"Host: a b",), (b"Host: \xff\xfe",), (b"Host: a:99999999",), (b"Host: a:b",), (b"Host: a:",), (b"Host: @",),
    (b"Host: a@b:1",), (b"Host: a/../b",), (b"Host: a?b#c",), (b"Host: " + b"x" * 30_000,), (b"hOsT: a",),
    (b"Host : a",), (b'Host: "<>',), (b"Host: http://a/",), (b"Host: a\0b",), (b"Host: \\",), (b"Host: %5B",),
)  # fmt: skip
LINES = (
    b"X-Bad", b": value", b":", b"", b"X Bad: 1", b"X-Bad : 1", b" X-Folded: 1", b"X-Folded: a\r\n b", b"\tfold",
    b"X-Folded:\r\n\tb", b"X-Nul: a\0b", b"X-\0: a", b"X-CR: a\rb", b"X-LF: a\nX-More: b", b"X-CRs: a\r\r",
    b"X-\xff: 1", b"X-Latin: \xe4\xff", b"X-Utf8: \xe2\x82\xac", b"X-Empty:", b"X-Tab:\ta\t", b"(x): 1", b'"x": 1',
    b"X-Del: \x7f", b"X-Esc: \x1b[2J", b"X-Long: " + b"x" * 31_000, b"X-Long: " + b"x" * 33_000,
    b"X-Long: " + b"x" * 70_000, b"x" * 40_000 + b": 1", b"\r\n".join([b"X-Many: 1"] * 100),
    b"\r\n".join([b"X-Many: 1"] * 3000), b"Idempotency-Key: \xff", b"Idempotency-Key: a\r\nIdempotency-Key: b",
    b'Prefer: ,,;="respond-async', b"dapr-api-token: wrong", b"dapr-api-token:", b"dapr-api-token: \xff",
    b"dapr-caller-app-id: x", b"__partition: " + b"9" * 5000, b"__partition: \xb2", b"__offset: -1",
    b"__key: %ff%00%", b"traceparent: \xff", b"tracestate: " + b"a=b," * 2000, b"Range: bytes=9-1", b"If-Match: *",
    b"Accept: */*;q=x", b"Accept-Encoding: \xff", b"TE: trailers", b"Trailer: Content-Length", b"Max-Forwards: -1",
    b"Authorization: Basic \xff", b"X-Forwarded-Proto: \xff", b'Forwarded: for="[', b"X-HTTP-Method-Override: DELETE",
    b"Content-Location: \xff", b"Cookie: a=b; a=\xff;;=",
)  # fmt: skip
LENGTHS: tuple[tuple[bytes, ...], ...] = (
    (), (b"Content-Length: {}", b"Content-Length: {}"), (b"Content-Length: {}", b"Content-Length: 1{}"),
    (b"Content-Length: {}, {}",), (b"Content-Length: {},",), (b"Content-Length: +{}",), (b"Content-Length: -{}",),
    (b"Content-Length: -1",), (b"Content-Length: 0x{}",), (b"Content-Length: {}.0",), (b"Content-Length: 1e3",),
    (b"Content-Length:   {}  ",), (b"Content-Length: {} {}",), (b"Content-Length:",), (b"Content-Length: {};",),
    (b"Content-Length: 000{}",), (b"Content-Length: " + b"9" * 18,), (b"Content-Length: " + b"9" * 30,),
    (b"Content-Length: 18446744073709551616",), (b"Content-Length: 1844674407370955162{}",), (b"Content_Length: {}",),
    (b"Content-Length : {}",), (b"content-length:{}",), (b"Content-Length: {}\0",), (b"Content-Length: \xb2",),
    (b"Content-Length: {}", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: chunked", b"Content-Length: {}"),
    (b"Content-Length: {}", b"Transfer-Encoding: identity"), (b"Content-Length: {}", b"Transfer-Encoding:"),
    (b"Content-Length: 0",), (b"Content-Length: 1{}",),
)  # fmt: skip
CODINGS: tuple[tuple[bytes, ...], ...] = (
    (b"Transfer-Encoding: gzip",), (b"Transfer-Encoding: gzip, chunked",), (b"Transfer-Encoding: chunked, gzip",),
    (b"Transfer-Encoding: chunked;",), (b"Transfer-Encoding: chunked;a=b",), (b"Transfer-Encoding: ChunKed",),
    (b"Transfer-Encoding:\tchunked\t",), (b"Transfer-Encoding: xchunked",), (b"Transfer-Encoding: chunkedx",),
    (b"Transfer-Encoding: chunked\x0b",), (b"Transfer-Encoding: \x0bchunked",), (b"Transfer-Encoding : chunked",),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: chunked, chunked",),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), (b"Transfer-Encoding: identity",),
    (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding:\r\n chunked",),
    (b"Transfer-Encoding: ,chunked,",), (b"Transfer-Encoding: 'chunked'",), (b"Transfer-Encoding: chunked\0",),
    (b"Transfer-Encoding: \xff",), (b"Transfer-Encoding:",), (b"Transfer_Encoding: chunked",),
    (b"X: y\nTransfer-Encoding: chunked",), (b"X: y\rTransfer-Encoding: chunked",),
)  # fmt: skip
WEBSOCKET = (
    b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: eA==",
)  # fmt: skip
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
WISHES: tuple[tuple[bytes, ...], ...] = (
    (b"Expect: 100-continue",), (b"Expect: 100-Continue",), (b"Expect: 100-continue, x",), (b"Expect: 200-ok",),
    (b"Expect:",), (b"Expect: \xff",), (b"Expect: 100-continue", b"Expect: 100-continue"), WEBSOCKET, H2C,
    (b"Expect: 100-continue", *H2C), (b"Upgrade: h2c",), (b"Connection: Upgrade",),
    (b"Connection: close, upgrade", H2C[1]), (b"Connection: keep-alive, close",),
    (b"Connection: Content-Length",), (b"Connection: Host, \xff",),
    (b"Connection:",), (b"Connection: close", b"Connection: keep-alive"), (b"Connection: \0",),
    (b"Connection: upgrade", b"Upgrade: \xff"), (b"Connection: upgrade", b"Upgrade: TLS/1.0, HTTP/1.1"),
    (b"Proxy-Connection: close",), (b"Keep-Alive: timeout=0, max=0",), (b"HTTP2-Settings: \xff",), WEBSOCKET[2:],
)  # fmt: skip
TYPES = (
    b"application/json; charset=utf-16", b"application/json; charset=nonsense", b"application/json;charset=\xff",
    b"text/plain", b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=x",
    b"multipart/form-data; boundary=" + b"x" * 3000, b"application/x-www-form-urlencoded", b";", b"/", b"a/b/c", b"",
    b"application/+json", b"application/json; a*=utf-8''%ff", b"application/json; charset*0=u; charset*1*=x",
    b"APPLICATION/JSON", b"application/cloudevents-batch+json", b'application/json; a="', b"application/json, text/xml",
)  # fmt: skip
ENCODINGS = (b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"identity", b"\xff", b"", b"x" * 3000)


def host(chance: Random, good: Parts) -> Script:
    """No host, several, or none that is one."""
    return Script((good.without(b"host").having(chance, *chance.choice(HOSTS)).whole,))


def line(chance: Random, good: Parts) -> Script:
    """One to three lines that are no headers, too long, too many, or hold what headers do not."""
    return Script((good.having(chance, *chance.sample(LINES, chance.randint(1, 3))).whole,))


def length(chance: Random, good: Parts) -> Script:
    """A length that is none, several, or stands beside a coding."""
    given = [one.replace(b"{}", b"%d" % len(good.body)) for one in chance.choice(LENGTHS)]
    return Script((good.without(b"content-length").having(chance, *given).whole,))


def coding(chance: Random, good: Parts) -> Script:
    """A transfer coding that is none, or that one reader sees and another does not, over a plain or chunked body."""
    body = good.body or b"{}"
    plain = good.sized(body) if chance.random() < 0.3 else replace(good.without(b"content-length"), body=body)
    chunks = replace(plain, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    return Script((chance.choice((plain, chunks)).having(chance, *chance.choice(CODINGS)).whole,))


def wish(chance: Random, good: Parts) -> Script:
    """To be asked first, to speak another protocol, to close or not to."""
    return Script((good.having(chance, *chance.choice(WISHES)).whole,))


def kind(chance: Random, good: Parts) -> Script:
    """A type or an encoding that the body has not."""
    content_type = b"Content-Type: " + chance.choice(TYPES)
    encoding = b"Content-Encoding: " + chance.choice(ENCODINGS)
    changed = good if chance.random() < 0.3 else good.without(b"content-type").having(chance, content_type)
    return Script((changed.having(chance, encoding).whole if chance.random() < 0.5 else changed.whole,))
