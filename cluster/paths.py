"""Where things lie: the checkout, and what outlives it."""

import os
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastapi-dapr-agent"
LOGS = CACHE / "logs"
STATE = CACHE / "state"
TOOLS = CACHE / "bin"
CHART = CACHE / "chart"
VERSIONS: dict[str, str] = tomllib.loads((CHECKOUT / "images/images.toml").read_text())["versions"]
