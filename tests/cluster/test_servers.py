"""Servers of other versions are brought whole, or not at all."""

import os
import tarfile
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from cluster import servers
from cluster.console import SurroundingsError
from tests.cluster.conftest import StandIn

VERSION = "16.0.0"
# dependency:copy: the last argument says where to
MAVEN = 'for option; do :; done; cp {jar} "${{option#-DoutputDirectory=}}"'


@pytest.fixture(params=[0o077, 0o022], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: StandIn) -> Path:
    """What Maven has: a program and a library, without their folders."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as inner:
        for name in ("bin/postgres", "lib/libpq.so"):
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            inner.addfile(member)
    jar = tmp_path / f"{servers.ARTIFACT}-{VERSION}.jar"
    with zipfile.ZipFile(jar, "w") as outer:
        outer.writestr("postgres-linux-x86_64.txz", packed.getvalue())
    monkeypatch.setattr(servers, "SHA256", {VERSION: sha256(jar.read_bytes()).hexdigest()})
    monkeypatch.setattr(servers, "FOLDER", tmp_path / "servers")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    stand_in("mvn", MAVEN.format(jar=jar))
    return jar


@pytest.mark.usefixtures("_umask", "jar")
def test_a_server_is_unpacked_once_for_anybody_to_run() -> None:
    servers.ensure()
    assert servers.missing() == []
    folder = servers.folder_of(VERSION)
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))} == {0o755}
    assert list(servers.FOLDER.iterdir()) == [folder], "something was left behind"


def test_what_is_not_what_it_was_is_refused(jar: Path) -> None:
    jar.write_bytes(jar.read_bytes() + b"more")
    with pytest.raises(SurroundingsError, match=rf"{jar.name} has another content"):
        servers.ensure()
    assert servers.missing() == [VERSION]
    assert list(servers.FOLDER.iterdir()) == []
