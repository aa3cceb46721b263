"""The agent's image: built when what goes into it has changed."""

import hashlib
import os
import tomllib
from pathlib import Path

from cluster import images
from cluster.console import ask, run, say
from cluster.paths import CHECKOUT, VERSIONS

IMAGE = "fastapi-dapr-agent:latest"
# By its version too: that is the name overlays/existing-backends asks for.
IMAGES = (IMAGE, f"fastapi-dapr-agent:{tomllib.loads((CHECKOUT / 'pyproject.toml').read_text())['project']['version']}")
KEY_LABEL = "fastapi-dapr-agent.key"
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def python_image() -> str:
    """Return the base image: ours where there is no registry."""
    return f"{'local/' if images.are_local() else ''}python:{VERSIONS['python']}-slim"


def sources() -> list[Path]:
    """Return every file that the image is made of: how it is built, and what .dockerignore lets in."""
    ignore = CHECKOUT / ".dockerignore"
    let_in = [CHECKOUT / line[1:] for line in ignore.read_text().splitlines() if line.startswith("!")]
    found = [path for one in let_in for path in (one, *one.rglob("*")) if "__pycache__" not in path.parts]
    return [CHECKOUT / "Dockerfile", ignore, *sorted(path for path in found if path.is_file())]


def content_key() -> str:
    """Return a hash of all that goes into the image, its names among it."""
    base = ask(["docker", "image", "inspect", "--format", "{{.Id}}", python_image()]) or python_image()
    content = hashlib.sha256("\0".join([base, *IMAGES]).encode())
    for path in sources():
        content.update(f"\0{path.relative_to(CHECKOUT)}\0".encode() + path.read_bytes())
    return content.hexdigest()[:12]


def build() -> str:
    """Build the image if its content has changed, and return its content key. Raises CommandError."""
    key = content_key()
    if ask(["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}', IMAGE]) == key:
        say(f"    {IMAGE} is built ({key})")
        return key
    bundle = next((path for name in CA_VARIABLES if (path := os.environ.get(name)) and Path(path).is_file()), None)
    secret = [f"--secret=id=ca-bundle,src={bundle}"] if bundle else []
    run(
        [
            "docker",
            "buildx",
            "build",
            "--load",
            *(f"--tag={image}" for image in IMAGES),
            f"--label={KEY_LABEL}={key}",
            f"--build-arg=PYTHON_IMAGE={python_image()}",
            *secret,
            CHECKOUT,
        ]
    )
    return key
