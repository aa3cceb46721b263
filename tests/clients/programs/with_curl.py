"""curl, with options of its own before the origin: one command for all, so that it keeps its connection."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients.exchanges import answer, requests

TOLD = '%{stdout}{"status": "%{response_code}", "headers": %{header_json}},'


def main(options: list[str], origin: str, text: str) -> None:
    """Make the exchanges; a body of no stated length comes from stdin."""
    piped = ""
    # by itself curl would go on after a second, as if it had been told to
    options = [*options, "--silent", "--show-error", "--fail-early", "--expect100-timeout", "60", "--write-out", TOLD]
    with tempfile.TemporaryDirectory() as folder:
        bodies = []
        command = ["curl"]
        for number, (method, path, body, headers) in enumerate(requests(text)):
            sent, got = Path(folder) / f"{number}.sent", Path(folder) / f"{number}.got"
            command += ["--next"] * (number > 0)
            command += [*options, *(["--head"] if method == "HEAD" else ["--request", method])]
            if headers.pop("Transfer-Encoding", None):
                piped = body
                command += ["--upload-file", "-"]
            elif body:
                sent.write_text(body, encoding="utf-8")
                command += ["--data-binary", f"@{sent}"]
            for header in headers.items():
                command += ["--header", ": ".join(header)]
            # what --head puts out are the headers
            command += ["--output", "/dev/null" if method == "HEAD" else str(got), origin + path]
            bodies.append(got)
        done = subprocess.run(command, input=piped.encode(), stdout=subprocess.PIPE, check=False)
        for told, body_file in zip(json.loads(f"[{done.stdout.decode().rstrip(',')}]"), bodies, strict=False):
            if told["status"] == "000":  # there is no answer
                break
            got_body = body_file.read_text(encoding="utf-8") if body_file.exists() else ""
            headers_told = [(name, value) for name, values in told["headers"].items() for value in values]
            sys.stdout.write(answer(told["status"], got_body, headers_told) + "\n")
    sys.exit(done.returncode)


main(sys.argv[1:-1], sys.argv[-1], sys.stdin.read())
