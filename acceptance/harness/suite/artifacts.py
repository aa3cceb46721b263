"""What a run leaves for its reader: files without a secret in them."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from acceptance.harness.errors import KubectlError
from acceptance.harness.kube.kubectl import Kubectl

MASK = "*****"
# A quote, escaped as often as the JSON in JSON that it may stand in.
QUOTE = r"""(?:\\*["'])"""
NAME = r"(?:password|passwd|token|secret|authorization)"
# Up to the quote that it began with, else one word.
VALUE = rf"""(?P<open>{QUOTE})?)(?(open).*?(?=(?P=open)|$)|[^\s"',}}]+)"""
# What gives a secret away, whatever its value: its name, its name in a pair of name and value, its place in an address.
SHAPES = [
    re.compile(shape, re.IGNORECASE | re.MULTILINE)
    for shape in (
        rf"({NAME}{QUOTE}?[ \t]*[:=][ \t]*(?:(?:basic|bearer)[ ]+)?{VALUE}",
        rf"(\bname{QUOTE}?:[ \t]*{QUOTE}?[\w.-]*{NAME}[\w.-]*{QUOTE}?[\s,]+{QUOTE}?value{QUOTE}?:[ \t]*{VALUE}",
        r"""(://[^\s:/@"']*:)[^\s/"']+(?=@)""",
    )
]


class Masking:
    """Replaces known secret values, and values that are called by a secret's name."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def hide(self, value: str) -> str:
        """Remember a secret, so that it is masked from now on; the secret itself."""
        if value:
            self._values.add(value)
        return value

    def mask(self, text: str) -> str:
        """The text without any secret."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        for shape in SHAPES:
            text = shape.sub(rf"\1{MASK}", text)
        return text


class Artifacts:
    """`artifacts/<run-id>/`, with `artifacts/latest` pointing at the last one; no secret gets into it."""

    def __init__(self, root: Path, run_id: str, masking: Masking) -> None:
        self.folder = root / "artifacts" / run_id
        self._masking = masking

    def create(self) -> None:
        """Make the folder, and make it the latest."""
        self.folder.mkdir(parents=True)
        latest = self.folder.parent / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to(self.folder.name)

    def keep(self, name: str, text: str) -> str:
        """Write a text, masked, into a file of the folder; where it is, as seen from here."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._masking.mask(text))
        return os.path.relpath(file)


SHOWN = "deployments,statefulsets,services,endpointslices,pods,persistentvolumeclaims,events"
Commands = dict[str, tuple[str, ...]]


def commands(namespaces: Iterable[str]) -> Commands:
    """What kubectl is asked, by the file that keeps it; Secrets are on none of these lists."""
    found: Commands = {"versions.txt": ("version",), "nodes.txt": ("describe", "nodes")}
    for name in namespaces:
        found |= {
            f"{name}/describe.txt": ("-n", name, "describe", "deployments,statefulsets,pods"),
            f"{name}/manifests.yaml": ("-n", name, "get", SHOWN, "-o", "yaml"),
            f"{name}/events.txt": ("-n", name, "get", "events", "--sort-by=.lastTimestamp"),
        }
    return found


def collect(kubectl: Kubectl, wanted: Commands, folder: Path, mask: Callable[[str], str]) -> None:
    """Write down what the cluster says; a question it does not answer leaves the reason in its file."""
    for name, arguments in wanted.items():
        try:
            text = kubectl.run(*arguments, timeout_s=15)
        except KubectlError as error:
            text = f"{error}\n"
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(mask(text))
