"""What /ready said of a check, as a timeline has it."""

import json

from acceptance.harness.errors import NotYetError
from acceptance.harness.watching.timeline import Timeline

NOT_CHECKED = "not checked yet"


def named(timeline: Timeline, check: str, since: float = 0.0, text: str = "") -> float:
    """When /ready first said 503 with an error of this check that holds a text. Raises NotYetError while it did not."""
    for seen in timeline.of("ready", since):
        checks = json.loads(seen.detail)["checks"] if seen.state == "503" else {}
        error = checks.get(check, {}).get("error") or NOT_CHECKED
        if error != NOT_CHECKED and text in error:
            return seen.at
    raise NotYetError(f"/ready has not named {check}{text and f', saying {text!r}'}")
