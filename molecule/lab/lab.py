"""A whole lab: made, taken apart, and operated. The one door through which Molecule, the demo and the tests come."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import cgroups, router, saved, switch
from .cache import CACHE, exclusively, remove_tree, say
from .errors import LabError, execute
from .image import Image, image
from .machine import Machine
from .topology import Kind, Node, Topology

STATE = Path("/run/sroamd-lab")
_PARALLEL = 8


class Lab:
    """Operations on the lab of one topology. Holds no resource: making a second one for the same lab is fine."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.state = STATE / topology.prefix

    @classmethod
    def running(cls, prefix: str) -> Lab:
        """The lab that somebody created under this prefix. Raises LabError when there is none."""
        return cls(saved.load(STATE / prefix)[0])

    # -- life -------------------------------------------------------------------------------------------------

    def create(self, made_of: Image | None = None) -> None:
        """Make everything and return when all nodes are up and reachable by ssh.

        What an earlier, perhaps killed, run of this prefix left behind is removed first.
        """
        made_of = made_of or image()
        with exclusively(_locks(self.topology.prefix)):
            _destroy(self.topology.prefix)
            self.state.mkdir(parents=True)
            saved.save(self.state, self.topology, made_of)
            self._make_keys(made_of)
            switch.lay_cables(self.topology)
            for node in self.topology.of_kind(Kind.CORRESPONDENT):
                router.configure_correspondent(self.topology, node)
            for node in self.topology.of_kind(Kind.STATION):
                router.configure_host(switch.namespace(self.topology, node), "wlan0")
            with ThreadPoolExecutor(_PARALLEL) as pool:
                list(pool.map(lambda node: self._install(node, made_of), self._machines()))

    def destroy(self) -> None:
        """Remove all that has this lab's prefix; needs nothing that `create` may have failed to write."""
        with exclusively(_locks(self.topology.prefix)):
            _destroy(self.topology.prefix)

    def _install(self, node: Node, made_of: Image) -> None:
        machine = self.machine(node.name)
        machine.install_disk(made_of)
        if node.has_management:
            public = (self.state / "ssh/id_ed25519.pub").read_text()
            machine.write("root/.ssh/authorized_keys", public, mode=0o600)
        if node.has_lan:
            router.prepare_lan(machine)
        if node.kind is Kind.ROUTER:
            router.prepare_router(machine, node)
        machine.start(made_of)
        machine.wait_until_up()
        if node.kind is Kind.ROUTER:
            router.install_router(machine)

    def _make_keys(self, made_of: Image) -> None:
        """Make a key to log in with, and note the host key that all nodes have from the base."""
        directory = self.state / "ssh"
        directory.mkdir(mode=0o700)
        comment = f"{self.topology.prefix}-lab"
        execute(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", directory / "id_ed25519"])
        host_key = " ".join((made_of.base / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])
        addresses = (self.topology.management_address(node).ip for node in self._machines() if node.has_management)
        (directory / "known_hosts").write_text("".join(f"{address} {host_key}\n" for address in addresses))

    # -- nodes ------------------------------------------------------------------------------------------------

    def machine(self, name: str) -> Machine:
        """A booted node by its name. Raises LabError for bare namespaces."""
        if not self.topology.node(name).kind.boots:
            raise LabError(f"{name} is a bare namespace, not a machine")
        return Machine(self.topology.prefix, name, self.state / "nodes" / name)

    def enter(self, name: str, argv: Sequence[str]) -> list[str]:
        """The words that run argv inside any node: in a machine as its root, or in a bare namespace."""
        node = self.topology.node(name)
        if node.kind.boots:
            return self.machine(name).enter(argv)
        return ["ip", "netns", "exec", switch.namespace(self.topology, node), *argv]

    def run(
        self, name: str, argv: Sequence[str], *, stdin: str = "", check: bool = True, timeout: float | None = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside any node and return it with its output. Raises LabError as `execute` does."""
        if self.topology.node(name).kind.boots:
            return self.machine(name).run(argv, stdin=stdin, check=check, timeout=timeout)
        return execute(self.enter(name, argv), stdin=stdin, check=check, timeout=timeout)

    def is_on(self, name: str) -> bool:
        return self.machine(name).leader() is not None

    def power_off(self, *names: str) -> None:
        """Pull the plug of nodes: nothing is told, nothing flushed. What was written to disk is still there.

        Addresses, routes and all else in the kernel go with the power, so the node's namespace goes too.
        """
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(lambda name: self.machine(name).cut_power(), names))
        for name in names:
            switch.disconnect(self.topology, self.topology.node(name))

    def power_on(self, *names: str) -> None:
        """Switch nodes on again and return when they are up."""
        _, made_of = saved.load(self.state)
        switch.connect(self.topology, [self.topology.node(name) for name in names])

        def start(name: str) -> None:
            self.machine(name).start(made_of)
            self.machine(name).wait_until_up()

        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(start, names))

    def cut(self, name: str, link: str, *, silent: bool = False) -> None:
        """Interrupt a link of a node. It sees the carrier go, unless silent: then only frames stop passing."""
        switch.cut(self.topology, self.topology.node(name), link, silent=silent)

    def plug(self, name: str, link: str, bridge: str) -> None:
        """Pull the cable of a link and plug it into this bridge; the node forgets the neighbours that it had there."""
        switch.plug(self.topology, self.topology.node(name), link, bridge)

    def rewire(self, topology: Topology) -> None:
        """Make this lab one of another topology with the same nodes and interfaces: only cables are plugged anew."""
        switch.rewire(self.topology, topology)
        self.topology = topology
        saved.save(self.state, topology, saved.load(self.state)[1])

    def heal(self, name: str, link: str) -> None:
        """Repair a link that was cut."""
        switch.heal(self.topology, self.topology.node(name), link)

    def _machines(self) -> tuple[Node, ...]:
        return tuple(node for node in self.topology.nodes if node.kind.boots)


def prefixes() -> list[str]:
    """Prefixes of all labs of this machine that were created and not destroyed."""
    return sorted(path.name for path in STATE.glob("*") if path.is_dir())


def destroy(prefix: str) -> None:
    """Remove everything of a prefix, without knowing what it was."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", prefix):
        raise LabError(f"not a lab prefix: {prefix!r}")
    with exclusively(_locks(prefix)):
        _destroy(prefix)


def _destroy(prefix: str) -> None:
    state = STATE / prefix
    names = set(cgroups.existing(prefix))
    with contextlib.suppress(FileNotFoundError):
        names.update(path.name for path in (state / "nodes").iterdir())
    if names:
        say(f"stopping {', '.join(sorted(names))}")
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(lambda name: Machine(prefix, name, state / "nodes" / name).cut_power(), sorted(names)))
    switch.remove_network(prefix)
    remove_tree(state)
    with contextlib.suppress(OSError):
        # Only when no other lab is there.
        STATE.rmdir()


def _locks(prefix: str) -> Path:
    """Where the lock of a prefix is: outside its state, of which destroy leaves nothing."""
    return CACHE / "locks" / prefix
