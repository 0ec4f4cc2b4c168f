"""What the virtual machine is made of: Debian's kernel, and one archive that is its whole file system, in memory.

The kernel unpacks the archive into its initial file system and stays there: no disk, no driver of one, nothing to
mount, and each start begins with the same files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.cache import CACHE, cached, key_of, say
from lab.deploy import REPOSITORY
from lab.errors import LabError, execute
from lab.image import Image, image

# Beyond the base image of the lab's nodes. The kernel's package brings the tools that pack an archive.
PACKAGES = (
    "babeld",
    "busybox",
    "hostapd",
    "iw",
    "kmod",
    "linux-image-amd64",
    "tcpdump",
    "wireless-regdb",
    "wpasupplicant",
)

# Raise when the recipe below changes in a way that the packages do not show.
_RECIPE = "2"

# Of the kernel's 4000 modules: radios and what they need, and how we talk to the machine.
_MODULES = (
    "arch/x86/crypto",
    "crypto",
    "drivers/char/hw_random",
    "drivers/char/virtio_console.ko",
    "drivers/net/veth.ko",
    "drivers/net/wireless/mac80211_hwsim.ko",
    "drivers/virtio",
    "lib",
    "net",
)

_FILES = Path(__file__).parent / "files"
_UDHCPC_SCRIPT = Path(__file__).parents[1] / "udhcpc.sh"
_AGENT = REPOSITORY / "agent"
_ROLE = REPOSITORY / "roles/sroamd"
_RELEASES = "opt/sroamd/releases"


@dataclass(frozen=True, slots=True)
class Base:
    """Paths of the cached parts: a tree to install things in, the same tree packed, and the kernel."""

    tree: Path
    archive: Path
    kernel: Path


def base(cache: Path = CACHE) -> Base:
    """Return the parts that do not depend on the project, building them where they are not cached: half a minute.

    Raises LabError when that fails, e.g. without network.
    """
    parts = image(PACKAGES, cache)
    directory = cached(
        cache, f"wifi-{key_of(_RECIPE, parts.feed.name, _MODULES)}", lambda target: _build(parts, target)
    )
    return Base(directory / "tree", directory / "tree.cpio", directory / "vmlinuz")


def boot_archive(parts: Base, target: Path) -> None:
    """Write the archive to boot with: the base, the agent as the role's own installer installs it, and our init."""
    release = _release()
    with _changes(parts.tree) as (merged, upper):
        releases = merged / _RELEASES
        releases.mkdir(parents=True)
        shutil.copy(release["archive"], releases / f"{release['id']}.tar")
        shutil.copy(_ROLE / "files/install_release.py", merged / "tmp")
        command = ["python3", "/tmp/install_release.py", f"/{_RELEASES}", release["id"], release["sha256"], "1"]
        execute(_inside(merged, *command))
        (merged / "opt/sroamd/current").symlink_to(f"releases/{release['id']}")
        for path in (*_FILES.iterdir(), _UDHCPC_SCRIPT):
            shutil.copy(path, merged)
        changed = [str(path.relative_to(upper)) for path in upper.rglob("*")]
        _pack(merged, changed, target)
    # The kernel unpacks one archive after the other.
    agent = target.read_bytes()
    shutil.copy(parts.archive, target)
    with target.open("ab") as whole:
        whole.write(agent)


def _release() -> dict[str, str]:
    """The agent's release, as the role builds it on the control machine."""
    built = execute([sys.executable, _ROLE / "files/build_release.py", _AGENT, CACHE / "wheelhouse"])
    release: dict[str, str] = json.loads(built.stdout)
    return release


def _build(parts: Image, target: Path) -> None:
    say("building the file system of the virtual machine (half a minute, once)")
    tree = target / "tree"
    execute(["cp", "--archive", parts.base, tree])
    for package in sorted(parts.feed.glob("*.deb")):
        _unpack(package, tree)
    (kernel,) = tree.glob("boot/vmlinuz-*")
    kernel.rename(target / "vmlinuz")
    shutil.rmtree(tree / "boot")
    (modules,) = tree.glob("usr/lib/modules/*")
    _keep(modules / "kernel", _MODULES)
    execute(_inside(tree, "depmod", modules.name))
    # Which of the two signatures the kernel knows; the package's script would choose.
    (tree / "usr/lib/firmware/regulatory.db").symlink_to("regulatory.db-debian")
    (tree / "usr/lib/firmware/regulatory.db.p7s").symlink_to("regulatory.db.p7s-debian")
    execute(_inside(tree, "useradd", "--system", "--home-dir", "/nonexistent", "--no-create-home", "sroamd"))
    names = [str(path.relative_to(tree)) for path in tree.rglob("*")]
    _pack(tree, names, target / "tree.cpio")


def _unpack(package: Path, tree: Path) -> None:
    """Unpack without dpkg's own tar, which would replace the tree's link /lib by a directory."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
        command = ["tar", "--extract", "--keep-directory-symlink", "--directory", str(tree)]
        unpacked = subprocess.run(command, stdin=files.stdout, check=False, capture_output=True, text=True)
    if unpacked.returncode or files.returncode:
        raise LabError(f"{package.name} cannot be unpacked: {unpacked.stderr.strip()}")


def _inside(tree: Path, *command: str) -> list[str]:
    """The command that runs in there, whatever PATH the machine's user has."""
    return ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "chroot", str(tree), *command]


def _keep(modules: Path, wanted: tuple[str, ...]) -> None:
    for module in list(modules.rglob("*.ko")):
        name = str(module.relative_to(modules))
        if not any(name == each or name.startswith(f"{each}/") for each in wanted):
            module.unlink()


def _pack(root: Path, names: list[str], archive: Path) -> None:
    """Pack these files, directories before what is in them, with the cpio of the tree."""
    with archive.open("wb") as packed:
        command = _inside(root, "cpio", "--quiet", "--null", "--create", "--format=newc")
        listed = "".join(f"{name}\0" for name in sorted(names)).encode()
        done = subprocess.run(command, input=listed, stdout=packed, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise LabError(f"cpio: {done.stderr.decode(errors='replace').strip()}")


@contextmanager
def _changes(tree: Path) -> Iterator[tuple[Path, Path]]:
    """The tree to write in, and the directory in which only what is written is."""
    # An overlay needs a disk below it, which /tmp is not everywhere.
    with tempfile.TemporaryDirectory(prefix="sroamd-wifi-", dir="/run") as scratch:
        upper, work, merged = (Path(scratch, name) for name in ("upper", "work", "merged"))
        for each in (upper, work, merged):
            each.mkdir()
        layers = f"lowerdir={tree},upperdir={upper},workdir={work}"
        execute(["mount", "-t", "overlay", "overlay", "-o", layers, merged])
        try:
            yield merged, upper
        finally:
            execute(["umount", merged])
