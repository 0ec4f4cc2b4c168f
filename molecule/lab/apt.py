"""What the machine's own apt configuration says, so that the lab names no mirror, no suite and no proxy itself."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import LabError, execute

_FIELDS = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CODENAME)"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One line of a sources.list: where the distribution's packages come from."""

    uri: str
    release: str
    component: str

    def line(self) -> str:
        return f"deb {self.uri} {self.release} {self.component}"


@dataclass(frozen=True, slots=True)
class Distribution:
    """The Debian release that this machine runs, with every source of it that apt is configured for."""

    codename: str
    sources: tuple[Source, ...]


def parse_targets(text: str) -> Distribution | None:
    """Read lines of `uri release component origin codename` and keep those of Debian itself.

    Other repositories of the machine (vendors, language runtimes) are left out: the nodes are plain Debian.
    The codename is that of the shortest release name, e.g. bookworm of bookworm, bookworm-updates.
    """
    found: dict[Source, str] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 5 and fields[3] == "Debian":
            found[Source(fields[0], fields[1], fields[2])] = fields[4]
    if not found:
        return None
    return Distribution(min(found.values(), key=len), tuple(sorted(found)))


def configured_distribution() -> Distribution:
    """Ask apt for its Debian sources, refreshing its package lists once where it has none yet.

    Raises LabError where apt knows no Debian source at all.
    """
    for attempt in range(2):
        if attempt:
            execute(["apt-get", "update", "-q"])
        listed = execute(["apt-get", "indextargets", "--format", _FIELDS, "Created-By: Packages"])
        if (found := parse_targets(listed.stdout)) is not None:
            return found
    raise LabError("apt has no Debian source on this machine; the lab's nodes are made from Debian packages")


def transport_options() -> tuple[str, ...]:
    """How this machine's apt gets through its network (proxies, certificates), as `Key "value";` words."""
    dump = execute(["apt-config", "dump", "--format", "%F %v%n"]).stdout
    pairs = (line.split(" ", 1) for line in dump.splitlines() if line.startswith(("Acquire::http", "Acquire::https")))
    return tuple(f'{pair[0]} "{pair[1]}";' for pair in pairs if len(pair) == 2 and pair[1])
