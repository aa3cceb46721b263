"""A Docker engine comes from a release that has a recent one, and is started when none runs."""

from pathlib import Path

import pytest

from cluster import debian, engine
from tests.cluster.conftest import StandIn


@pytest.mark.parametrize(
    ("candidate", "asked"),
    [
        ("20.10.24+dfsg1-1+deb12u1", "docker.io/trixie docker-cli/trixie docker-buildx/trixie"),
        ("26.1.5+dfsg1-9+deb13u1", "docker.io docker-cli docker-buildx"),
    ],
)
def test_the_engine_comes_from_a_release_with_a_recent_one(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, candidate: str, asked: str
) -> None:
    offered: list[str] = []
    monkeypatch.setattr(debian, "offer_release", offered.append)
    stand_in("docker", "exit 1")
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(engine, "_start", lambda: None)
    monkeypatch.setattr(debian, "can_install", lambda: True)
    stand_in("apt-cache", f"echo '  Candidate: {candidate}'")
    calls = stand_in("apt-get")
    engine.ensure()
    assert calls.read_text().splitlines()[-1].endswith(asked)
    assert bool(offered) == ("/trixie" in asked)


def test_an_engine_that_is_stopping_is_waited_for_and_started_again(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr("cluster.waiting.INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(engine, "SYSTEMD", tmp_path / "none")
    monkeypatch.setattr(engine, "_run_in_background", (tmp_path / "started").touch)
    stand_in("docker", f"test -e {tmp_path}/started && echo 26")
    asked = stand_in("pidof", f"test $(wc -l <{tmp_path}/pidof.calls) -lt 5 && echo 1")
    engine.ensure()
    assert len(asked.read_text().splitlines()) > 4
    assert (tmp_path / "started").exists()
