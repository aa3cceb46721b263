"""The node image of kind: its base with every other image inside, so that a new cluster loads nothing."""

import hashlib
import subprocess

from cluster.console import SurroundingsError, ask, run, say
from images.build import KEY_LABEL, image_key
from images.recipe import VERSIONS, Part

NODE_IMAGE = f"local/kind-node:v{VERSIONS['kubernetes']}"
BUILDER = "fastapi-dapr-agent-node-build"
CTR = ["docker", "exec", "--interactive", BUILDER, "ctr", "--namespace", "k8s.io"]


def bake(parts: dict[str, Part]) -> None:
    """Make the node image, unless it holds these very images. Raises CommandError."""
    inside = [part for part in parts.values() if "official" in part.settings]
    base = parts["image.kind-base"]
    key = hashlib.sha256("".join(part.key for part in [base, *inside]).encode()).hexdigest()[:12]
    if image_key(NODE_IMAGE) == key:
        return
    say(f"    {NODE_IMAGE}: {base.local} with {len(inside)} images inside")
    ask(["docker", "rm", "--force", BUILDER])
    run(["docker", "run", "--detach", f"--name={BUILDER}", "--privileged", "--security-opt=seccomp=unconfined", "--tmpfs=/run", "--entrypoint=sleep", base.local, "infinity"])
    try:
        run(["docker", "exec", "--detach", BUILDER, "containerd"])
        run(["docker", "exec", BUILDER, "sh", "-c", "for i in $(seq 60); do ctr version >/dev/null 2>&1 && exit 0; sleep 0.5; done; exit 1"])
        load([part.local for part in inside], CTR)
        for part in inside:
            rename(part.local, part.settings["official"], CTR)
        run(["docker", "exec", BUILDER, "sh", "-c", "kill $(pidof containerd); for i in $(seq 60); do pidof containerd >/dev/null || exit 0; sleep 0.5; done; exit 1"])
        entrypoint = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        run(["docker", "commit", f"--change={entrypoint}", f"--change=LABEL {KEY_LABEL}={key}", BUILDER, NODE_IMAGE])
    finally:
        ask(["docker", "rm", "--force", BUILDER])


def load(images: list[str], ctr: list[str]) -> None:
    """Pipe images of this machine into the containerd behind `ctr`. Raises CommandError."""
    save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
    say(f"    $ docker save {' '.join(images)} |")
    assert save.stdout is not None
    run([*ctr, "images", "import", "--no-unpack", "-"], stdin=save.stdout.fileno())
    if save.wait():
        raise SurroundingsError(f"docker save ended with {save.returncode}")


def rename(local: str, official: str, ctr: list[str]) -> None:
    """Give an image inside a node its official name, and only that."""
    run([*ctr, "images", "tag", "--force", f"docker.io/{local}", official])
    run([*ctr, "images", "rm", f"docker.io/{local}"])
