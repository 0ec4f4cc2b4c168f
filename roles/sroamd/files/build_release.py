"""Build a release of the agent on the control machine: one archive of wheels that any access point can install.

    build_release.py SOURCE WHEELHOUSE [-- PIP_ARGUMENT...]

SOURCE is the agent's directory, with its pyproject.toml. The release is named VERSION-HASH after what it is made from
(sources, metadata, pins of what it needs at run time), and built only if WHEELHOUSE does not have it whole.
Prints one JSON object: id, archive (path), sha256 (of the archive), wheels (name to SHA256), built (now, or earlier).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMAT = "1"  # part of every hash: a change of what is in the archive makes all releases new
# What the access points run at least (Debian 12). Wheels are chosen for it, not for the control machine's Python.
TARGET_PYTHON = "3.11"
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]


class BuildError(Exception):
    """The release cannot be built. The message says what is wrong and what would be right."""


def project_of(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError as error:
        raise BuildError(f"{source}: is not the agent's directory ({error}); set sroamd_agent_source") from None


def runtime_pins(source: Path, project: dict[str, Any]) -> list[str]:
    """The lines of the tests' pins that concern what the agent needs at run time, so that it runs what was tested."""
    needed = {_normal(re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0]) for each in project["project"]["dependencies"]}
    pins = source / "requirements-dev.txt"
    lines = pins.read_text(encoding="utf-8").splitlines() if pins.exists() else []
    return sorted(line for line in lines if "==" in line and _normal(line.split("==")[0]) in needed)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def sources(source: Path) -> Iterator[Path]:
    for path in sorted((source / "src").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.endswith((".pyc", "~")):
            yield path


def release_id(source: Path) -> str:
    """VERSION-HASH. Settings of linters and pins of test tools are not part of it."""
    project = project_of(source)
    digest = hashlib.sha256(FORMAT.encode())
    relevant = [project["project"], project["build-system"], project.get("tool", {}).get("hatch")]
    digest.update(json.dumps([relevant, runtime_pins(source, project)], sort_keys=True).encode())
    for path in sources(source):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(source)}\0{len(content)}\0".encode() + content)
    return f"{project['project']['version']}-{digest.hexdigest()[:12]}"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pip(*arguments: str) -> None:
    done = subprocess.run([*PIP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        hint = " Install pip for this Python." if "No module named pip" in said else ""
        raise BuildError(f"pip {arguments[0]} on the control machine failed:{hint} {said}")


def make_wheels(source: Path, into: Path, pip_arguments: list[str]) -> None:
    """The agent's wheel, and the wheels of what it needs: for any machine, since one release serves them all."""
    project = project_of(source)
    backend = project["build-system"]["build-backend"].partition(".")[0]
    # Without isolation nothing has to be fetched; that works where the build backend is there already.
    isolation = ["--no-build-isolation"] if importlib.util.find_spec(backend) else []
    pip("wheel", "--no-deps", "--wheel-dir", str(into), *isolation, *pip_arguments, str(source))
    needed = project["project"]["dependencies"]
    if not needed:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraint:
        constraint.write("\n".join(runtime_pins(source, project)))
        constraint.flush()
        target = ["--implementation", "py", "--abi", "none", "--platform", "any", "--python-version", TARGET_PYTHON]
        pip(
            *("download", "--only-binary", ":all:", *target, "--constraint", constraint.name),
            *("--dest", str(into), *pip_arguments, *needed),
        )


def check_wheel(wheel: Path) -> None:
    if not wheel.name.endswith("-none-any.whl"):
        raise BuildError(f"{wheel.name}: is not pure Python, and would fit one kind of machine only; do without it")
    with zipfile.ZipFile(wheel) as archive:
        data = [name for name in archive.namelist() if name.partition("/")[0].endswith(".data")]
    if data:
        raise BuildError(f"{wheel.name}: installs files outside its package ({data[0]}), which releases do not do")


def pack(wheels: list[Path], archive: Path) -> None:
    """The same wheels always make the same archive."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o644
        return member

    with tarfile.open(archive, "w") as tar:
        for wheel in wheels:
            tar.add(wheel, wheel.name, filter=anonymous)


def recorded(wheelhouse: Path, name: str) -> dict[str, Any] | None:
    """What is known about a release that is there, whole and unchanged; else None."""
    try:
        record: dict[str, Any] = json.loads((wheelhouse / f"{name}.json").read_text(encoding="utf-8"))
        return record if sha256_of(wheelhouse / f"{name}.tar") == record["sha256"] else None
    except (OSError, ValueError, KeyError):
        return None


def build(source: Path, wheelhouse: Path, name: str, pip_arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=wheelhouse) as work:
        make_wheels(source, Path(work), pip_arguments)
        wheels = sorted(Path(work).glob("*.whl"))
        for wheel in wheels:
            check_wheel(wheel)
        archive = Path(work) / "archive"
        pack(wheels, archive)
        record = {"id": name, "sha256": sha256_of(archive), "wheels": {each.name: sha256_of(each) for each in wheels}}
        os.replace(archive, wheelhouse / f"{name}.tar")
        note = Path(work) / "record"
        note.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        os.replace(note, wheelhouse / f"{name}.json")
    return record


def release(source: Path, wheelhouse: Path, pip_arguments: list[str]) -> dict[str, Any]:
    wheelhouse.mkdir(parents=True, exist_ok=True)
    name = release_id(source)
    with (wheelhouse / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = recorded(wheelhouse, name)
        record = known or build(source, wheelhouse, name, pip_arguments)
    return {**record, "archive": str(wheelhouse / f"{name}.tar"), "built": known is None}


def main(arguments: list[str]) -> int:
    source, wheelhouse, *rest = arguments
    try:
        print(json.dumps(release(Path(source).resolve(), Path(wheelhouse).resolve(), rest[1:])))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"{error.filename}: may not be written; make it yours, or set sroamd_wheelhouse", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
