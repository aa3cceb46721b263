"""Debian packages, for machines where they may simply be installed: Debian, as root."""

import os
from pathlib import Path

from cluster.console import ask, run

OS_RELEASE = Path("/etc/os-release")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT = {"DEBIAN_FRONTEND": "noninteractive"}


def can_install() -> bool:
    """Tell whether packages may be installed here: Debian, and root."""
    return os.geteuid() == 0 and "ID=debian" in OS_RELEASE.read_text().split() if OS_RELEASE.exists() else False


def install(packages: list[str]) -> None:
    """Install Debian packages; `name/release` takes this one alone from another release. Raises CommandError."""
    run(["apt-get", "update"], env=APT)
    run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], env=APT)


def candidate(package: str) -> str:
    """Return the version of a package that apt would install, empty without one."""
    policy = ask(["apt-cache", "policy", package]) or ""
    versions = [line.split()[1] for line in policy.splitlines() if line.strip().startswith("Candidate:")]
    return versions[0] if versions else ""


def offer_release(release: str) -> None:
    """Let apt see another release of Debian, at a priority that installs from it only what is asked for by name."""
    mirror = next(
        line.split()[1]
        for line in Path("/etc/apt/sources.list.d/debian.sources").read_text().splitlines()
        if line.startswith("URIs:")
    )
    Path(f"/etc/apt/sources.list.d/{release}.sources").write_text(
        f"Types: deb\nURIs: {mirror}\nSuites: {release}\nComponents: main\nSigned-By: {KEYRING}\n"
    )
    Path(f"/etc/apt/preferences.d/{release}").write_text(f"Package: *\nPin: release n={release}\nPin-Priority: 100\n")
