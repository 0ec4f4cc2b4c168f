"""A directory of things that are dear to build: made once, under a lock, complete or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import execute

CACHE = Path("/var/cache/sroamd-lab")


def say(text: str) -> None:
    """Tell the person who waits what is being waited for."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def key_of(*parts: object) -> str:
    """A short name that changes when anything that the content depends on changes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@contextlib.contextmanager
def exclusively(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory; the kernel gives it back when the holder dies, however it dies."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / ".lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that holds {directory}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(cache: Path, name: str, build: Callable[[Path], None]) -> Path:
    """Return cache/name, calling build(empty directory) first where it is not there.

    The directory gets its name only when build has returned, so that whoever is killed in the middle leaves
    nothing that looks finished; the next build begins by removing what was left.
    """
    ready = cache / name
    with exclusively(cache):
        if not ready.is_dir():
            unfinished = cache / f"{name}.part"
            remove_tree(unfinished)
            unfinished.mkdir(parents=True)
            build(unfinished)
            unfinished.rename(ready)
    return ready


def remove_tree(directory: Path) -> None:
    """Remove a directory, after unmounting all that is mounted in it.

    An interrupted build may have left the machine's own /dev or /sys mounted there: never descend into another
    file system.
    """
    unmount_below(directory)
    execute(["rm", "-rf", "--one-file-system", directory])


def unmount_below(directory: Path) -> None:
    """Detach every mount at or below directory, the innermost first."""
    prefix = str(directory)
    for line in reversed(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()):
        point = line.split()[1]
        if point == prefix or point.startswith(prefix + "/"):
            execute(["umount", "--lazy", point], check=False)
