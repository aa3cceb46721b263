"""The node image of kind: its base with every other image inside, so that a new cluster loads nothing."""

import hashlib
import json
import subprocess

from cluster.console import SurroundingsError, ask, run, say
from images.build import KEY_LABEL, image_key
from images.recipe import VERSIONS, Part

NODE_IMAGE = f"local/kind-node:v{VERSIONS['kubernetes']}"
BUILDER = "fastapi-dapr-agent-node-build"
# Inside a node: which images were brought in, by official name and content key.
INVENTORY = "/kind/images.json"
WAIT = "for i in $(seq 60); do {condition} && exit 0; sleep 0.5; done; exit 1"


def inside(parts: dict[str, Part]) -> list[Part]:
    """Return the images that belong into a node."""
    return [part for part in parts.values() if "official" in part.settings]


def bake(parts: dict[str, Part]) -> None:
    """Make the node image, unless it holds these very images. Raises CommandError."""
    base = parts["image.kind-base"]
    key = hashlib.sha256("".join([INVENTORY, *(part.key for part in [base, *inside(parts)])]).encode()).hexdigest()[:12]
    if image_key(NODE_IMAGE) == key:
        return
    say(f"    {NODE_IMAGE}")
    ask(["docker", "rm", "--force", BUILDER])
    options = ["--privileged", "--security-opt=seccomp=unconfined", "--tmpfs=/run", "--entrypoint=sleep"]
    run(["docker", "run", "--detach", f"--name={BUILDER}", *options, base.local, "infinity"])
    try:
        run(["docker", "exec", "--detach", BUILDER, "containerd"])
        run(["docker", "exec", BUILDER, "sh", "-c", WAIT.format(condition="ctr version >/dev/null 2>&1")])
        fill(BUILDER, parts)
        run(["docker", "exec", BUILDER, "sh", "-c", "kill $(pidof containerd)"])
        run(["docker", "exec", BUILDER, "sh", "-c", WAIT.format(condition="! pidof containerd")])
        entrypoint = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        run(["docker", "commit", f"--change={entrypoint}", f"--change=LABEL {KEY_LABEL}={key}", BUILDER, NODE_IMAGE])
    finally:
        ask(["docker", "rm", "--force", BUILDER])


def fill(node: str, parts: dict[str, Part]) -> None:
    """Bring into a running node the images it does not hold yet, under their official names. Raises CommandError."""
    wanted = {part.settings["official"]: part.key for part in inside(parts)}
    held = json.loads(ask(["docker", "exec", node, "cat", INVENTORY]) or "{}")
    missing = [part for part in inside(parts) if held.get(part.settings["official"]) != part.key]
    if not missing:
        return
    names = [part.local for part in missing]
    say(f"    $ docker save {' '.join(names)} |")
    save = subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE)
    # --local: twice as fast as through containerd's transfer service
    load = ["ctr", "--namespace=k8s.io", "images", "import", "--local", "--no-unpack", "-"]
    run(["docker", "exec", "--interactive", node, *load], stdin=save.stdout)
    if save.wait():
        raise SurroundingsError(f"docker save ended with {save.returncode}")
    ctr = "ctr --namespace=k8s.io images"
    renames = [
        f"{ctr} tag --force docker.io/{part.local} {part.settings['official']} && {ctr} rm docker.io/{part.local}"
        for part in missing
    ]
    note = f"cat >{INVENTORY} <<'END'\n{json.dumps(wanted, indent=1)}\nEND"
    run(["docker", "exec", node, "sh", "-c", " && ".join([*renames, note])])
