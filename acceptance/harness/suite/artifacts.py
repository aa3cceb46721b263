"""The folder of a run: what it leaves for its reader."""

import os
from pathlib import Path

from acceptance.harness.suite.masking import Masking


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
