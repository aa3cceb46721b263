"""How the programs reach Kafka: as the pub/sub Component says, which the run wrote into `kafka.json`."""

import json
import os
import ssl
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

FILE = Path("kafka.json")


def kafka() -> dict[str, Any]:
    """What any client of aiokafka is given."""
    told: dict[str, Any] = json.loads(FILE.read_text())
    tls = told.pop("tls")
    return told | ({"ssl_context": context(**tls)} if tls is not None else {})


def context(ca: str = "", certificate: str = "", key: str = "", *, verify: bool = True) -> ssl.SSLContext:
    """A client's side of TLS: whom it trusts (PEM; by default whom the system does), and as whom it comes."""
    made = ssl.create_default_context(cadata=ca or None)
    if not verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if certificate:
        with NamedTemporaryFile("w", dir=os.curdir) as file:
            file.write(f"{certificate}\n{key}\n")
            file.flush()
            made.load_cert_chain(file.name)
    return made
