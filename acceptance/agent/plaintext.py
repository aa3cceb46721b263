"""Whether a port talks to a stranger without TLS."""

import socket
import ssl
from dataclasses import dataclass

# The connection preface and an empty SETTINGS frame: how an HTTP/2 client without TLS begins.
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_FRAME = 4


@dataclass(frozen=True)
class Answer:
    """What a port said to a plaintext HTTP/2 client, and whether it can speak TLS at all."""

    plaintext: bytes
    tls: bool

    @property
    def plaintext_http2(self) -> bool:
        """Whether it went on in plaintext: its first frame is SETTINGS."""
        return len(self.plaintext) > SETTINGS_FRAME and self.plaintext[3] == SETTINGS_FRAME


def first_answer(address: str, timeout_s: float = 5) -> Answer:
    """Ask one port both ways."""
    host, _, port = address.partition(":")
    return Answer(_plaintext(host, int(port), timeout_s), _tls(host, int(port), timeout_s))


def _plaintext(host: str, port: int, timeout_s: float) -> bytes:
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(HTTP2_HELLO)
        try:
            return connection.recv(64)
        except OSError:
            return b""


def _tls(host: str, port: int, timeout_s: float) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as connection,
            context.wrap_socket(connection) as tls,
        ):
            return tls.version() is not None
    except ssl.SSLError as error:
        # An alert that asks for a certificate is TLS too; an answer that is no TLS record is not.
        return "ALERT" in str(error).upper()
    except OSError:
        return False
