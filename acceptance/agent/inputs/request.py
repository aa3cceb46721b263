"""A request as data, down to its bytes."""

import gzip
import shlex
from base64 import b64encode
from dataclasses import dataclass

CREDENTIAL = "dapr-api-token"


@dataclass(frozen=True)
class Request:
    """One request; the path is encoded already."""

    method: str
    path: str
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""
    by_daprd: bool = False
    """Whether it is sent in daprd's place, with its token; that is always answered 200."""

    def raw_headers(self, app_token: str) -> list[tuple[bytes, bytes]]:
        """Headers as bytes, which no client changes; daprd's own requests carry the app's token."""
        credential = [(CREDENTIAL.encode(), app_token.encode())] if self.by_daprd else []
        return [*((name.encode(), value) for name, value in self.headers), *credential]

    def curl(self, base: str) -> str:
        """A line of bash that sends this request again; a body that no argument can hold is packed."""
        words = ["curl", "--include", "--request", self.method, shlex.quote(base + self.path)]
        for name, value in self.headers:
            words += ["--header", _quoted(name.encode() + b": " + value)]
        if self.by_daprd:
            words += ["--header", f'"{CREDENTIAL}: $APP_API_TOKEN"']
        if not self.body:
            return " ".join(words)
        if _is_plain(self.body) and len(self.body) < 1000:
            return " ".join([*words, "--data-binary", shlex.quote(self.body.decode())])
        packed = b64encode(gzip.compress(self.body, mtime=0)).decode()
        return f"base64 -d <<<{packed} | gunzip | " + " ".join([*words, "--data-binary", "@-"])


def _is_plain(text: bytes) -> bool:
    return text.isascii() and text.decode().isprintable() and not text.startswith(b"@")


def _quoted(text: bytes) -> str:
    if _is_plain(text):
        return shlex.quote(text.decode())
    return "$'" + "".join(f"\\x{byte:02x}" for byte in text) + "'"
