"""What the lab needs of the machine, asked before anything is built, and answered in sentences."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .apt import configured_distribution
from .cache import CACHE
from .errors import LabError, execute

_PROGRAMS = {
    "busybox": "busybox",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
_NEEDED_BYTES = 1 << 30


def preflight() -> list[str]:
    """Say what is missing for a lab on this machine and what to do about it; empty when nothing is.

    Tries what it asks about (a network namespace, a bridge, an overlay) and leaves nothing behind.
    """
    if os.geteuid() != 0:
        return ["The lab makes network namespaces and mounts, which needs root: run it as root or with sudo."]
    packages = sorted({package for program, package in _PROGRAMS.items() if shutil.which(program) is None})
    if packages:
        return [f"Programs are missing: run `apt-get install {' '.join(packages)}`."]
    return [*_no_namespace(), *_no_ipv6(), *_no_overlay(), *_no_cgroup(), *_no_space(), *_no_debian()]


def _no_namespace() -> Iterator[str]:
    name = f"sroamd-preflight-{os.getpid()}"
    made = execute(["ip", "netns", "add", name], check=False)
    if made.returncode != 0:
        yield (
            f"This machine does not allow network namespaces ({made.stderr.strip()}): inside a container, start it "
            "privileged; otherwise use a kernel with CONFIG_NET_NS."
        )
        return
    try:
        for kind, arguments in (("bridge", []), ("veth", ["peer", "name", "trial1"])):
            added = execute(["ip", "-n", name, "link", "add", f"{kind}0", "type", kind, *arguments], check=False)
            if added.returncode != 0:
                yield f"The kernel has no {kind} interfaces ({added.stderr.strip()}): load the module {kind}."
    finally:
        execute(["ip", "netns", "delete", name], check=False)


def _no_ipv6() -> Iterator[str]:
    disabled = Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6")
    if not disabled.exists():
        yield "The kernel has no IPv6: boot without ipv6.disable=1."
    elif disabled.read_text().strip() == "1":
        yield "The loopback interface has no ::1, which tests use: run `sysctl -w net.ipv6.conf.lo.disable_ipv6=0`."


def _no_overlay() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="sroamd-preflight-", dir="/run") as scratch:
        for part in ("lower", "upper", "work", "root"):
            Path(scratch, part).mkdir()
        layers = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work,volatile"
        mounted = execute(["mount", "-t", "overlay", "overlay", "-o", layers, f"{scratch}/root"], check=False)
        if mounted.returncode == 0:
            execute(["umount", f"{scratch}/root"])
        else:
            yield (
                f"An overlay cannot be mounted on /run ({mounted.stderr.strip()}): the kernel needs overlayfs "
                "(5.10 or newer), and /run must not be an overlay itself."
            )


def _no_cgroup() -> Iterator[str]:
    if not os.access("/sys/fs/cgroup", os.W_OK) or not any(Path("/sys/fs/cgroup").rglob("cgroup.procs")):
        yield "/sys/fs/cgroup is not writable: inside a container, start it privileged and with its own cgroup tree."


def _no_space() -> Iterator[str]:
    for directory in (CACHE, Path("/run")):
        exists = next(path for path in (directory, *directory.parents) if path.exists())
        if shutil.disk_usage(exists).free < _NEEDED_BYTES:
            yield f"Less than 1 GiB is free below {exists}: the nodes' disks are there. {_more_space(exists)}"


def _more_space(directory: Path) -> str:
    """Most machines give /run a tenth of their memory; what is written there takes memory, or swap."""
    is_small = directory == Path("/run") and shutil.disk_usage(directory).total < 2 * _NEEDED_BYTES
    return "Run `mount -o remount,size=2G /run`, for until the next boot." if is_small else "Free some space."


def _no_debian() -> Iterator[str]:
    try:
        configured_distribution()
    except LabError as error:
        yield f"{error} (`apt-get indextargets` shows none with the origin Debian)."
