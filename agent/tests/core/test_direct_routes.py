"""Direct routes: to the stations of all other nodes, as soon as the flood says where they are (routing, section 1)."""

from __future__ import annotations

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.values import Route, RouteKind, Towards
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, id_of
from tests.core.routed import kinds, with_alice


def test_moved_station_is_led_to_its_new_node_in_the_reaction_to_the_update() -> None:
    lab, address = with_alice(3)
    assert lab[3].kernel[address] == Route(address, RouteKind.DIRECT, Towards(id_of(1)))
    update = Update(50, 5400, association_key(ALICE), bytes(id_of(2)))
    effects = lab.do(3, ev.UpdatesReceived(2, (update,)))
    installed = [effect.route for effect in effects if isinstance(effect, do.InstallRoute)]
    assert {route.next_hop for route in installed} == {Towards(id_of(2))}
    assert len(installed) == 2
    assert not [effect for effect in effects if isinstance(effect, do.RemoveRoute | do.SetNextHop | do.RemoveNextHop)]


def test_roam_turns_direct_into_here_and_here_into_demoted_then_direct() -> None:
    lab, _ = with_alice(3)
    lab.join(2, ALICE)
    assert [kinds(lab, number)[0] for number in (1, 2, 3)] == ["DEMOTED", "HERE", "DIRECT"]
    assert not any(host.all(do.RemoveRoute) for host in lab.hosts)
    lab.wait(constants.DEMOTED_TIME)
    assert [kinds(lab, number)[0] for number in (1, 2, 3)] == ["DIRECT", "HERE", "DIRECT"]
    assert {route.next_hop for route in lab[1].kernel.values()} == {Towards(id_of(2))}


def test_list_without_direct_routes_says_nothing_of_them() -> None:
    """A link of a station interface has failed, say: sixty thousand routes elsewhere are not read for that."""
    lab, _ = with_alice(3)
    installed = dict(lab[3].kernel)
    assert kinds(lab, 3) == ["DIRECT", "DIRECT"]
    lab.do(3, ev.KernelRoutesListed(frozenset(), direct=False))
    lab.wait(1.0)
    assert not lab[3].all(do.InstallRoute)
    assert not lab[3].all(do.RemoveRoute)
    lab[3].kernel.clear()
    lab.do(3, ev.KernelRoutesListed(frozenset()))
    lab.wait(1.0)
    assert lab[3].kernel == installed, "the whole list is the truth about them too"
