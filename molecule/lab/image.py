"""The base root file system and the package feed of the nodes: built once, shared by every lab of the machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .apt import Distribution, configured_distribution, transport_options
from .cache import CACHE, cached, key_of, say
from .errors import LabError, execute

# A bare server, before any role has run: systemd, ssh and the Python that Ansible needs.
BASE_PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "systemd",
    "systemd-sysv",
)

# What roles and the lab's own router may install; their dependencies come along. The one place to add a package.
FEED_PACKAGES = (
    "babeld",
    "bird2",
    "hostapd",
    "iproute2",
    "iw",
    "nftables",
    "python3",
    "python3-venv",
    "sqlite3",
    "tcpdump",
)

# What the agent is judged by: other people's DHCP clients, servers and packet reader. In a tree of their own, since
# some of them would take over the network of the machine that they are installed on.
JUDGE_PACKAGES = (
    "dbus",
    "dhcpcd-base",
    "dnsmasq-base",
    "iproute2",
    "iputils-ping",
    "isc-dhcp-client",
    "kea-dhcp4-server",
    "ndisc6",
    "network-manager",
    "systemd",
    "tshark",
    "udhcpc",
)

# Raise when the recipe below changes in a way that the packages and sources do not show.
_RECIPE = "1"

# Timers and terminals that only make noise in a container. Not logind: a reboot from inside needs it.
_MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
)
_UNWANTED_DOCUMENTS = ("man", "doc", "locale", "info")
# Written anew for every node, or by systemd: none of them may come from the machine that built the image.
_HOST_TRACES = ("etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/lib/dbus/machine-id")


@dataclass(frozen=True, slots=True)
class Image:
    """Paths of the two read-only trees that nodes are made of."""

    base: Path
    feed: Path


def image(feed_packages: Iterable[str] = FEED_PACKAGES, cache: Path = CACHE) -> Image:
    """Return the base and a feed with the given packages and their dependencies, building what is not cached.

    The base takes about a minute and the network of the machine's apt; cached, both take nothing. Raises LabError
    when the build fails, e.g. without network.
    """
    distribution = configured_distribution()
    wanted = sorted(set(feed_packages))
    base_name = f"base-{key_of(_RECIPE, distribution.codename, _lines(distribution), BASE_PACKAGES)}"
    base = cached(cache, base_name, lambda target: _build_tree(distribution, "the base image", BASE_PACKAGES, target))
    feed_name = f"feed-{key_of(_RECIPE, base_name, wanted)}"
    feed = cached(cache, feed_name, lambda target: _build_feed(base, wanted, target))
    return Image(base, feed)


def judges(cache: Path = CACHE) -> Path:
    """Return a read-only tree in which JUDGE_PACKAGES are installed, building it where it is not cached (two minutes).

    Raises LabError as `image` does.
    """
    distribution = configured_distribution()
    name = f"judges-{key_of(_RECIPE, distribution.codename, _lines(distribution), JUDGE_PACKAGES)}"
    return cached(
        cache, name, lambda target: _build_tree(distribution, "other people's DHCP software", JUDGE_PACKAGES, target)
    )


def _lines(distribution: Distribution) -> list[str]:
    return [source.line() for source in distribution.sources]


def _build_tree(distribution: Distribution, what: str, packages: Iterable[str], target: Path) -> None:
    """Install packages, and what they need, in an empty directory, with nothing of this machine in it."""
    say(f"building {what} (Debian {distribution.codename}; about a minute, once)")
    started = time.monotonic()
    options = ['Acquire::Languages "none";', *transport_options()]
    _narrated(
        [
            # Dies with this process, with all its children, and takes its mounts of the machine's /dev along: a
            # build that is killed leaves nothing that runs on in a directory which the next one begins by removing.
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
            "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
            *(f"--aptopt={option}" for option in options),
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNWANTED_DOCUMENTS),
            distribution.codename, str(target), *_lines(distribution),
        ]
    )  # fmt: skip
    for name in _HOST_TRACES:
        (target / name).unlink(missing_ok=True)
    # Empty, not absent: each node gets its own id at boot, and systemd does not take that for a first boot.
    (target / "etc/machine-id").touch()
    (target / "etc/resolv.conf").touch()
    # Proxies of the build may carry passwords, and nodes never leave the machine.
    (target / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
    (target / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    for unit in _MASKED_UNITS:
        (target / "etc/systemd/system" / unit).symlink_to("/dev/null")
    say(f"{what}: ready after {time.monotonic() - started:.0f} s")


def _narrated(argv: list[str]) -> None:
    """Run a long command and pass on its own progress lines; keep the rest for the error."""
    said: list[str] = []
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as running:
        for line in running.stderr or ():
            said.append(line)
            if line.startswith("I: "):
                say(f"  {line[3:].strip()}")
    if running.returncode != 0:
        raise LabError(f"mmdebstrap: exit status {running.returncode}\n{''.join(said)[-3000:]}")


def _build_feed(base: Path, packages: list[str], target: Path) -> None:
    """Download packages, and what they need beyond the base, as a flat repository (`file:... ./`).

    The machine's own apt does it, with the base's package database and sources but its own network settings.
    """
    say(f"fetching {len(packages)} packages and their dependencies (once)")
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=target) as scratch:
        lists, archives = Path(scratch, "lists"), Path(scratch, "archives")
        (lists / "partial").mkdir(parents=True)
        (archives / "partial").mkdir(parents=True)
        options = {
            "Dir::Etc": str(base / "etc/apt"),
            "Dir::State::lists": str(lists),
            "Dir::State::status": str(base / "var/lib/dpkg/status"),
            "Dir::State::extended_states": str(base / "var/lib/apt/extended_states"),
            "Dir::Cache": scratch,
            "Dir::Cache::archives": str(archives),
            "Acquire::Languages": "none",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
        }
        apt_get = ["apt-get", "-q", "-y", *(f"-o{key}={value}" for key, value in options.items())]
        # Hooks of this machine's apt (desktop integration and the like) have no business in the base.
        apt_get += ["-oAPT::Update::Post-Invoke-Success=", "-oAPT::Update::Post-Invoke="]
        execute([*apt_get, "update"])
        execute([*apt_get, "install", "--download-only", *packages])
        for package in sorted(archives.glob("*.deb")):
            # Names in apt's cache escape the colon of an epoch; in a repository that would be decoded again.
            package.rename(target / package.name.replace("%3a", "."))
    (target / "Packages").write_text("\n".join(_stanza(path) for path in sorted(target.glob("*.deb"))))


def _stanza(package: Path) -> str:
    """The entry of one package in the index of a flat repository."""
    control = execute(["dpkg-deb", "--field", package]).stdout.rstrip("\n")
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return f"{control}\nFilename: ./{package.name}\nSize: {os.path.getsize(package)}\nSHA256: {digest}\n"
