"""TLS to the backends: whom the agent believes."""

import ssl
from pathlib import Path


def context(root_cert: Path | None) -> ssl.SSLContext:
    """Believe who has a certificate of the very host that is asked, vouched for by these, else by the system's.

    Raises ValueError for a file without a certificate.
    """
    try:
        return ssl.create_default_context(cafile=root_cert)
    except ssl.SSLError as error:
        raise ValueError(f"expected certificates in PEM, got {error.reason}") from error
