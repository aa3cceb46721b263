"""How each kind of part is built: by the ordinary client of its registry, into the cache, once per content."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cluster.console import ask, run
from cluster.modes import let_read
from cluster.paths import CACHE
from images.recipe import Part

KEY_LABEL = "fastapi-dapr-agent.key"
# A compiler lives for a second and collects garbage for nothing: kind took 42 s of CPU to be built so, and 33 without.
GO_HEAP = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}


def folder_of(part: Part) -> Path:
    """Return where the cache keeps what a part (of a kind that makes files) consists of."""
    return CACHE / part.kind / f"{part.name}-{part.key}"


def is_built(part: Part) -> bool:
    """Tell whether this very content is there already."""
    if part.kind == "image":
        return image_key(part.local) == part.key
    if part.kind == "debian":
        return folder_of(part).exists() and image_key(part.local) == part.key
    return folder_of(part).exists()


def image_key(image: str) -> str | None:
    """Return the content key that a local image was labelled with."""
    return ask(["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}', image])


def build(part: Part) -> None:
    """Build a part; parts it needs must be there. Raises CommandError."""
    if part.kind == "image":
        _image(part)
        return
    if not folder_of(part).exists():
        _into_cache(part)
    if part.kind == "debian":
        archive = folder_of(part) / "rootfs.tar"
        run(["docker", "import", "--change", f"LABEL {KEY_LABEL}={part.key}", archive, part.local])


def _into_cache(part: Part) -> None:
    """Build beside the final place and move there at the end, so that what was interrupted is never taken for whole."""
    final = folder_of(part)
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f".{part.name}-*"):  # by a build that was killed
        shutil.rmtree(left)
    work = Path(tempfile.mkdtemp(prefix=f".{part.name}-", dir=final.parent))
    try:
        _write(part, work)
        FILES[part.kind](part, work)
        let_read(work)
        work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(part: Part, folder: Path) -> None:
    """Write the part's own files; of their modes only what Git keeps counts: whether they can be run."""
    for path, data in part.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if os.access(part.folder / path, os.X_OK) else 0o644)
    let_read(folder)  # also now: a root file system takes over the modes of its folders


def _go(part: Part, work: Path) -> None:
    tags = part.settings.get("tags", "")
    env = {"CGO_ENABLED": "0", "GOFLAGS": f"-buildvcs=false -mod=mod -tags={tags.replace(' ', ',')}", **GO_HEAP}
    flags = f"-s -w {part.settings.get('ldflags', '')}".strip()
    # -s -w leaves out what -dwarf=false does not even make: the same binaries, a tenth sooner
    build = ["go", "build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", flags, "-o", f"bin{os.sep}"]
    for destination, (module, source) in part.settings.get("files", {}).items():
        _copied(module, source, work, destination)
    for module, (folder, *kept) in part.settings.get("trimmed", {}).items():
        copy = _copied(module, ".", work, f"trimmed/{module}")
        for file in (copy / folder).iterdir():
            if file.name not in kept:
                file.unlink()
        run(["go", "mod", "edit", f"-replace={module}=./trimmed/{module}"], cwd=work)
    run([*build, *part.settings["packages"]], cwd=work, env=env)
    shutil.rmtree(work / "trimmed", ignore_errors=True)


def _copied(module: str, source: str, work: Path, destination: str) -> Path:
    """Copy a folder of a module that go.mod names, so that it can be changed; its place."""
    found = subprocess.run(
        ["go", "mod", "download", "-json", module], cwd=work, capture_output=True, text=True, check=True
    )
    shutil.copytree(Path(json.loads(found.stdout)["Dir"]) / source, work / destination)
    run(["chmod", "-R", "u+w", work / destination])
    return work / destination


def _debian(part: Part, work: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="root-", dir=work) as root:
        run(["mmdebstrap", "--variant=minbase", "--format=directory", part.name, root])
        shutil.copytree(work / "etc", Path(root) / "etc", dirs_exist_ok=True)
        left_out = f"--exclude-from={work / 'left-out'}"
        run(["tar", "--create", "--file", work / "rootfs.tar", "--directory", root, left_out, "."])


def _maven(_: Part, work: Path) -> None:
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={work / 'libs'}"]
    run(["mvn", "--batch-mode", "--no-transfer-progress", *copy], cwd=work)


def _pypi(part: Part, work: Path) -> None:
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--dest",
            work,
            f"{part.name}=={next(iter(part.build_args.values()))}",
        ]
    )


FILES: dict[str, Callable[[Part, Path], None]] = {"go": _go, "debian": _debian, "maven": _maven, "pypi": _pypi}


def _image(part: Part) -> None:
    with tempfile.TemporaryDirectory() as context:
        _write(part, Path(context))
        options = [f"--target={part.settings['target']}"] if "target" in part.settings else []
        options += [f"--build-arg={name}={value}" for name, value in part.build_args.items()]
        options += [
            f"--build-context={need.kind}-{need.name}={folder_of(need)}"
            for need in part.needs
            if need.kind in FILES and need.kind != "debian"
        ]
        run(
            [
                "docker",
                "buildx",
                "build",
                "--load",
                f"--tag={part.local}",
                f"--label={KEY_LABEL}={part.key}",
                *options,
                context,
            ]
        )
