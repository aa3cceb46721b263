"""The images of our own Python code, the agent's and the toolbox's: built when what goes into one has changed."""

import hashlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cluster import images
from cluster.console import ask, run, say
from cluster.paths import CHECKOUT, VERSIONS

VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
KEY_LABEL = "fastapi-dapr-agent.key"
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True)
class Image:
    """An image, its names, and the folder that it is built of."""

    names: tuple[str, ...]
    folder: Path

    def sources(self) -> list[Path]:
        """Return every file that it is made of: how it is built, and what .dockerignore lets in."""
        ignore = self.folder / ".dockerignore"
        let_in = [self.folder / line[1:] for line in ignore.read_text().splitlines() if line.startswith("!")]
        found = [path for one in let_in for path in (one, *one.rglob("*")) if "__pycache__" not in path.parts]
        return [self.folder / "Dockerfile", ignore, *sorted(path for path in found if path.is_file())]

    def content_key(self) -> str:
        """Return a hash of all that goes into it, its names among it."""
        base = ask(["docker", "image", "inspect", "--format", "{{.Id}}", python_image()]) or python_image()
        content = hashlib.sha256("\0".join([base, *self.names]).encode())
        for path in self.sources():
            content.update(f"\0{path.relative_to(self.folder)}\0".encode() + path.read_bytes())
        return content.hexdigest()[:12]

    def build(self) -> str:
        """Build it if its content has changed, and return its content key. Raises CommandError."""
        key, name = self.content_key(), self.names[0]
        if ask(["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}', name]) == key:
            say(f"    {name} is built ({key})")
            return key
        bundle = next((path for name in CA_VARIABLES if (path := os.environ.get(name)) and Path(path).is_file()), None)
        secret = [f"--secret=id=ca-bundle,src={bundle}"] if bundle else []
        run(
            [
                "docker",
                "buildx",
                "build",
                "--load",
                *(f"--tag={name}" for name in self.names),
                f"--label={KEY_LABEL}={key}",
                f"--build-arg=PYTHON_IMAGE={python_image()}",
                *secret,
                self.folder,
            ]
        )
        return key


# By its version too: that is the name overlays/existing-backends asks for.
AGENT = Image(("fastapi-dapr-agent:latest", f"fastapi-dapr-agent:{VERSION}"), CHECKOUT)
TOOLBOX = Image((f"acceptance-toolbox:{VERSION}",), CHECKOUT / "acceptance/toolbox")
ALL = (AGENT, TOOLBOX)


def python_image() -> str:
    """Return the base image: ours where there is no registry."""
    return f"{'local/' if images.are_local() else ''}python:{VERSIONS['python']}-slim"


def build() -> dict[str, str]:
    """Build what has changed, and return the content keys by name. Raises CommandError."""
    return {image.names[0]: image.build() for image in ALL}


def names() -> list[str]:
    """Return every name of every image."""
    return [name for image in ALL for name in image.names]
