"""Install a release of the agent on this host: RELEASES/ID.tar becomes the virtual environment RELEASES/ID.

    install_release.py RELEASES ID SHA256 KEEP

Runs on the access point, with nothing but Python's standard library and no network. All wheels are pure Python, so
installing one is unpacking it. The file `installed-pythonX.Y` is written last: a release without it is not whole.
KEEP releases stay, the current one, the one that runs and this one always among them. It switches nothing: that is the
symlink's part.
"""

from __future__ import annotations

import compileall
import configparser
import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

SCRIPT = """#!{python} -I
import sys

from {module} import {function}

sys.exit({function}())
"""


class InstallError(Exception):
    """The release cannot be installed. The message says what is wrong and what would be right."""


def checked(archive: Path, sha256: str) -> bytes:
    content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        archive.unlink()
        raise InstallError(f"{archive}: is damaged, or not the one that was built, and was removed; run the role again")
    return content


def unpack(archive: bytes, site: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            wheel = tar.extractfile(member)
            if wheel is None or not member.name.endswith(".whl"):
                raise InstallError(f"the archive holds {member.name}, which is not a wheel; build the release again")
            with wheel, zipfile.ZipFile(wheel) as files:
                files.extractall(site)


def write_scripts(site: Path, binaries: Path) -> None:
    """The agent's own commands. Those of the libraries it uses are of no use here."""
    points = configparser.ConfigParser(delimiters="=")
    points.read(next(site.glob("sroamd-*.dist-info/entry_points.txt")), encoding="utf-8")
    for name, target in points["console_scripts"].items():
        module, _, function = target.partition(":")
        script = binaries / name
        script.write_text(SCRIPT.format(python=binaries / "python3", module=module, function=function))
        script.chmod(0o755)


def running(releases: Path) -> set[str]:
    """The releases that processes run from: after a run that was cut off not what is current."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended, or is another program
            program = (process / "cmdline").read_bytes().split(b"\0", 1)[0].decode()
            found.add(Path(program).relative_to(releases).parts[0])
    return found


def prune(releases: Path, new: str, keep: int) -> None:
    needed = {new, os.path.basename(os.path.realpath(releases.parent / "current")), *running(releases)}
    # A release's directory is as old as its installation.
    others = [path for path in releases.iterdir() if path.is_dir() and path.name not in needed]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[max(0, keep - len(needed)) :]:
        shutil.rmtree(path)
    for archive in releases.glob("*.tar"):
        if not archive.with_suffix("").is_dir() and archive.name != f"{new}.tar":
            archive.unlink()


def install(releases: Path, name: str, sha256: str, keep: int) -> None:
    archive = checked(releases / f"{name}.tar", sha256)
    target = releases / name
    if target.exists():  # cut off half-way, or made for another version of Python
        shutil.rmtree(target)
    venv.create(target, symlinks=True, with_pip=False)
    python = target / "bin" / "python3"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    unpack(archive, site)
    write_scripts(site, target / "bin")
    # The agent's user cannot write here, so it is done now.
    compileall.compile_dir(site, quiet=2)
    os.sync()
    (target / f"installed-python{sys.version_info.major}.{sys.version_info.minor}").touch()
    prune(releases, name, keep)


def main(arguments: list[str]) -> int:
    releases, name, sha256, keep = arguments
    os.umask(0o022)
    try:
        install(Path(releases), name, sha256, int(keep))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
