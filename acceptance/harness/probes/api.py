"""HTTP to the agent, the caller and their sidecars, through port-forwards."""

from typing import Any

import httpx

from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.kube.port_forward import PortForward


class Api:
    """One HTTP interface behind a port-forward; one client for the run, connections are proven by the answer itself."""

    def __init__(
        self, forward: PortForward, port: int, headers: dict[str, str] | None = None, timeout_s: float = 10
    ) -> None:
        self.forward = forward
        self._port = port
        self._client = httpx.Client(timeout=timeout_s, trust_env=False, headers=headers)

    def call(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer, whatever its status. Raises NotYetError or httpx.TransportError while nothing answers."""
        try:
            return self._client.request(method, f"http://{self.forward.address(self._port)}{path}", **content)
        except httpx.TransportError:
            if not self.answers():
                self.forward.renew()
            raise

    def answers(self) -> bool:
        """Whether any HTTP answer comes back: the proof that the forward works, whatever the state of the system."""
        try:
            self._client.get(f"http://{self.forward.address(self._port, within_s=0)}/", timeout=2)
        except (httpx.TransportError, NotYetError):
            return False
        return True

    def json(self, method: str, path: str, status: int = 200, **content: Any) -> Any:
        """The answer's JSON. Raises UnmetError unless it has the expected status."""
        answer = self.call(method, path, **content)
        expect(answer.status_code == status, f"{method} {path} to answer {status}", shorten(answer))
        return answer.json()

    def close(self) -> None:
        """Close the client; the forward is closed by its owner."""
        self._client.close()


def reached(api: Api, path: str) -> httpx.Response:
    """The answer to an invocation. Raises NotYetError unless it is 200.

    A sidecar looks another's name up every 30 s at most, so for that long it may dial a pod that was replaced.
    """
    answer = api.call("GET", path)
    if answer.status_code != httpx.codes.OK:
        raise NotYetError(f"{path} answers {shorten(answer)}")
    return answer


def shorten(answer: httpx.Response, limit: int = 300) -> str:
    """Status and the beginning of the body, for messages."""
    return f"{answer.status_code}: {answer.text[:limit]}"
