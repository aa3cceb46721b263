"""HTTP as the server parses it: what cannot be parsed never reaches the application, and is a problem all the same."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import problem


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for the answer to a request that is not HTTP."""

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem and close the connection."""
        answer = problem(400, f"request: {msg}", {"Connection": "close"})
        head = b"".join(b"%b: %b\r\n" % header for header in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body))
        self.transport.close()
