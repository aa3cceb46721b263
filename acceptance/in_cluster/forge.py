"""Sends requests as anybody may, byte by byte as they are given, and tells how each was answered.

One JSON object a line on stdin: host, port, method, path, headers, body. Prints the statuses, 0 without an answer.
"""

import http.client
import json
import sys
from typing import Any

TIMEOUT_S = 5


def status_of(request: dict[str, Any]) -> int:
    """The status of the answer; 0 where nobody answers. No path is cleaned on its way, as most clients would."""
    connection = http.client.HTTPConnection(request["host"], request["port"], timeout=TIMEOUT_S)
    try:
        connection.request(request["method"], request["path"], request["body"].encode(), request["headers"])
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    print(json.dumps([status_of(json.loads(line)) for line in sys.stdin]))
