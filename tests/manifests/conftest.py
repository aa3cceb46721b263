"""Every overlay, rendered once a run."""

import pytest

from .rendering import OVERLAYS, Overlay, render


@pytest.fixture(scope="session")
def overlays() -> list[Overlay]:
    return [Overlay(path, render(path)) for path in OVERLAYS]


@pytest.fixture(params=[path.name for path in OVERLAYS])
def overlay(request: pytest.FixtureRequest, overlays: list[Overlay]) -> Overlay:
    return next(overlay for overlay in overlays if overlay.name == request.param)
