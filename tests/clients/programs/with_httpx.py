"""httpx's client as it comes."""

import sys

import httpx

from tests.clients.exchanges import answer, requests

with httpx.Client() as client:
    for method, path, body, headers in requests(sys.stdin.read()):
        content = body.encode() or None
        if content and headers.pop("Transfer-Encoding", None):
            got = client.request(method, sys.argv[1] + path, headers=headers, content=iter([content]))
        else:
            got = client.request(method, sys.argv[1] + path, headers=headers, content=content)
        sys.stdout.write(answer(got.status_code, got.text, got.headers.items()) + "\n")
