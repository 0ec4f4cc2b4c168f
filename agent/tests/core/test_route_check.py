"""Routes are compared: what the database implies, what is believed, what the kernel has; and mended if so wished."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core import route_check
from sroamd.core.route_check_json import route_result_json
from sroamd.core.route_check_result import NextHopFault, RouteCheckResult, RouteFault, Wrong
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.wire.datum import lease_prefix
from tests.core.harness import ALICE, BOB, Lab, id_of, mac
from tests.core.routed import here, with_both

TICKET = 5
ASIDE = NextHop("bb0", IPv4Address("10.255.0.9"))
Fault = tuple[Wrong, Prefix | tuple[NodeId | None, int]]


@pytest.fixture
def lab() -> Lab:
    return with_both(wait=1)


def ended(lab: Lab, number: int = 1) -> list[RouteCheckResult | str]:
    return [effect.outcome for effect in lab[number].all(do.RouteCheckEnded)]


def check(lab: Lab, number: int = 1, *, repair: bool = False) -> RouteCheckResult:
    lab[number].forget()
    lab.do(number, ev.RouteCheckRequested(TICKET, repair))
    until = lab.now + 10
    while not ended(lab, number):
        assert lab.now < until, "the check does not end"
        lab.wait(0.1)
    (result,) = ended(lab, number)
    assert isinstance(result, RouteCheckResult)
    return result


def of_routes(faults: tuple[RouteFault | NextHopFault, ...]) -> set[tuple[Wrong, Prefix]]:
    return {(fault.wrong, fault.prefix) for fault in faults if isinstance(fault, RouteFault)}


def of_next_hops(faults: tuple[RouteFault | NextHopFault, ...]) -> set[tuple[Wrong, NodeId | None, int]]:
    return {(fault.wrong, fault.node, fault.version) for fault in faults if isinstance(fault, NextHopFault)}


def prefixes(lab: Lab, number: int, kind: RouteKind) -> list[Prefix]:
    return [prefix for prefix, route in lab[number].kernel.items() if route.kind is kind]


def touched(lab: Lab, number: int = 1) -> list[do.Effect]:
    """What was done to the kernel since the check began."""
    wanted = do.InstallRoute | do.RemoveRoute | do.SetNextHop | do.RemoveNextHop | do.RemoveStrayNextHop
    return [effect for effect in lab[number].effects if isinstance(effect, wanted)]


def test_routes_that_are_right_are_found_so_at_the_first_look(lab: Lab) -> None:
    result = check(lab)
    assert (result.faults, result.mended, result.looks) == ((), (), 1)
    assert (result.installed, result.kernel, result.objects) == (4, 4, 2)
    assert touched(lab) == []


@pytest.mark.parametrize("kind", [RouteKind.HERE, RouteKind.DIRECT])
def test_a_route_that_is_gone_is_missing_and_is_mended(lab: Lab, kind: RouteKind) -> None:
    gone, *_ = prefixes(lab, 1, kind)
    before = dict(lab[1].kernel)
    del lab[1].kernel[gone]
    found = check(lab)
    assert (of_routes(found.faults), found.mended, found.looks) == ({(Wrong.MISSING, gone)}, (), 2)
    assert touched(lab) == []
    mended = check(lab, repair=True)
    assert (mended.faults, of_routes(mended.mended), mended.looks) == ((), {(Wrong.MISSING, gone)}, 3)
    assert touched(lab) == [do.InstallRoute(before[gone])]
    assert lab[1].kernel == before


@pytest.mark.parametrize("kind", [RouteKind.HERE, RouteKind.DIRECT])
def test_a_route_by_another_way_is_wrong_and_is_mended(lab: Lab, kind: RouteKind) -> None:
    prefix, *_ = prefixes(lab, 1, kind)
    before = dict(lab[1].kernel)
    lab[1].kernel[prefix] = Route(prefix, RouteKind.DIRECT, ASIDE)
    assert of_routes(check(lab).faults) == {(Wrong.DIFFERENT, prefix)}
    mended = check(lab, repair=True)
    assert (mended.faults, of_routes(mended.mended)) == ((), {(Wrong.DIFFERENT, prefix)})
    assert lab[1].kernel == before


def test_a_direct_route_towards_a_wrong_node_is_wrong(lab: Lab) -> None:
    prefix, *_ = prefixes(lab, 1, RouteKind.DIRECT)
    lab[1].kernel[prefix] = Route(prefix, RouteKind.DIRECT, Towards(id_of(7)))
    (fault,) = check(lab).faults
    assert isinstance(fault, RouteFault)
    assert (fault.wrong, fault.wanted) == (Wrong.DIFFERENT, Route(prefix, RouteKind.DIRECT, Towards(id_of(2))))
    assert (fault.installed, fault.kernel) == (fault.wanted, lab[1].kernel[prefix])


@pytest.mark.parametrize("kind", [RouteKind.DEMOTED, RouteKind.DIRECT])
def test_a_route_that_follows_from_nothing_is_stray_and_is_removed(lab: Lab, kind: RouteKind) -> None:
    stray = IPv4Network("192.0.2.200/32")
    before = dict(lab[1].kernel)
    lab[1].kernel[stray] = Route(stray, kind, ASIDE)
    assert of_routes(check(lab).faults) == {(Wrong.STRAY, stray)}
    mended = check(lab, repair=True)
    assert (mended.faults, of_routes(mended.mended)) == ((), {(Wrong.STRAY, stray)})
    assert touched(lab) == [do.RemoveRoute(stray)]
    assert lab[1].kernel == before


def test_routes_of_another_length_with_our_protocol_are_somebody_else_s(lab: Lab) -> None:
    wide = IPv4Network("192.0.2.192/26")
    lab[1].kernel[wide] = Route(wide, RouteKind.HERE, ASIDE)
    result = check(lab, repair=True)
    assert (result.faults, result.mended, result.kernel) == ((), (), 4)
    assert wide in lab[1].kernel


# -- nexthop objects


def test_an_object_that_leads_elsewhere_is_wrong_and_only_it_is_mended(lab: Lab) -> None:
    object_ = id_of(2), 4
    right = lab[1].objects[object_]
    lab[1].objects[object_] = ASIDE
    assert of_next_hops(check(lab).faults) == {(Wrong.DIFFERENT, *object_)}
    mended = check(lab, repair=True)
    assert (mended.faults, of_next_hops(mended.mended)) == ((), {(Wrong.DIFFERENT, *object_)})
    assert touched(lab) == [do.SetNextHop(*object_, right)]
    assert lab[1].objects[object_] == right


def test_an_object_that_is_gone_is_missing_and_is_mended_with_its_routes(lab: Lab) -> None:
    before = dict(lab[1].kernel), dict(lab[1].objects)
    del lab[1].objects[id_of(2), 4]
    direct = {prefix for prefix in prefixes(lab, 1, RouteKind.DIRECT) if prefix.version == 4}
    for prefix in direct:
        del lab[1].kernel[prefix]
    found = check(lab).faults
    assert of_next_hops(found) == {(Wrong.MISSING, id_of(2), 4)}
    assert of_routes(found) == {(Wrong.MISSING, prefix) for prefix in direct}
    mended = check(lab, repair=True)
    assert (mended.faults, len(mended.mended)) == ((), 2)
    assert (lab[1].kernel, lab[1].objects) == before


def test_an_object_of_nobody_is_stray_and_is_removed(lab: Lab) -> None:
    lab[1].strays[77] = ASIDE
    assert of_next_hops(check(lab).faults) == {(Wrong.STRAY, None, 4)}
    mended = check(lab, repair=True)
    assert (mended.faults, of_next_hops(mended.mended)) == ((), {(Wrong.STRAY, None, 4)})
    assert touched(lab) == [do.RemoveStrayNextHop(77)]


def test_a_kernel_without_nexthop_objects_is_not_asked_for_them(lab: Lab) -> None:
    lab[1].forget()
    lab[1].effects.clear()
    node = lab[1].node
    node.handle(ev.RouteCheckRequested(TICKET, False), lab.now)
    node.handle(ev.KernelRead(TICKET, tuple(lab[1].kernel.values()), None, last=True), lab.now)
    lab.wait(1)
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert (result.faults, result.objects) == ((), 0)


# -- derivation


def test_what_the_database_implies_and_nobody_has_derived_is_a_fault_of_the_agent(lab: Lab) -> None:
    key, towards = next(iter(lab[1].node.routes.direct.installed.items()))
    prefix = lease_prefix(key)
    del lab[1].node.routes.direct.installed[key]
    del lab[1].kernel[prefix]
    assert of_routes(check(lab).faults) == {(Wrong.UNDERIVED, prefix)}
    mended = check(lab, repair=True)
    assert (mended.faults, of_routes(mended.mended)) == ((), {(Wrong.UNDERIVED, prefix)})
    assert lab[1].kernel[prefix] == Route(prefix, RouteKind.DIRECT, towards)


def test_a_route_that_nothing_implies_any_more_is_a_fault_of_the_agent(lab: Lab) -> None:
    del lab[1].node.state.present[ALICE]
    prefix = next(iter(prefixes(lab, 1, RouteKind.HERE)))
    assert (Wrong.UNDERIVED, prefix) in of_routes(check(lab).faults)
    assert touched(lab) == []


def test_a_route_that_is_held_back_is_missing(lab: Lab) -> None:
    prefix, *_ = prefixes(lab, 1, RouteKind.HERE)
    for _ in range(constants.REINSTALL_FREE + 4):
        lab.wait(constants.REINSTALL_WAIT_MAX)
        lab.do(1, ev.KernelRouteLost(lab[1].kernel.pop(prefix)))
    (fault,) = check(lab).faults
    assert isinstance(fault, RouteFault)
    assert (fault.wrong, fault.wanted, fault.installed) == (Wrong.MISSING, here(prefix), None)
    mended = check(lab, repair=True)
    assert (mended.faults, of_routes(mended.mended)) == ((), {(Wrong.MISSING, prefix)})
    assert lab[1].kernel[prefix] == here(prefix)


def test_what_a_start_has_found_and_nothing_explains_yet_is_right_as_it_is(lab: Lab) -> None:
    lab.restart(1, stations=None)
    assert check(lab).faults == ()
    assert prefixes(lab, 1, RouteKind.HERE)


def test_demoted_routes_are_right_while_they_last(lab: Lab) -> None:
    lab.join(2, ALICE)
    assert prefixes(lab, 1, RouteKind.DEMOTED)
    assert check(lab).faults == ()
    lab.wait(constants.DEMOTED_TIME)
    assert check(lab).faults == ()
    assert prefixes(lab, 1, RouteKind.DEMOTED) == []


# -- what moves


def test_what_only_moves_between_two_looks_is_no_fault(lab: Lab) -> None:
    gone, *_ = prefixes(lab, 1, RouteKind.DIRECT)
    route = lab[1].kernel.pop(gone)
    lab[1].forget()
    lab.do(1, ev.RouteCheckRequested(TICKET, True))
    lab.wait(0.5)
    assert not ended(lab)
    lab[1].kernel[gone] = route
    lab.wait(2)
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert (result.faults, result.mended, result.looks) == ((), (), 2)
    assert touched(lab) == []


def test_what_is_wrong_in_another_way_at_the_second_look_is_no_fault(lab: Lab) -> None:
    prefix, *_ = prefixes(lab, 1, RouteKind.DIRECT)
    lab[1].kernel[prefix] = Route(prefix, RouteKind.DIRECT, Towards(id_of(7)))
    lab[1].forget()
    lab.do(1, ev.RouteCheckRequested(TICKET, False))
    lab.wait(0.5)
    lab[1].kernel[prefix] = Route(prefix, RouteKind.DIRECT, Towards(id_of(8)))
    lab.wait(2)
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert result.faults == ()


def test_a_roam_in_the_middle_of_a_check_is_no_fault(lab: Lab) -> None:
    lab[1].strays[77] = ASIDE  # so that there are two looks
    lab[1].forget()
    lab.do(1, ev.RouteCheckRequested(TICKET, True))
    lab.wait(0.5)
    lab.join(2, ALICE)
    lab.wait(0.6)
    lab.join(1, BOB)
    lab.wait(3)
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert (result.faults, of_routes(result.mended)) == ((), set())


def test_what_cannot_be_mended_is_still_a_fault(lab: Lab) -> None:
    stray = IPv4Network("192.0.2.200/32")
    lab[1].kernel[stray] = Route(stray, RouteKind.DIRECT, ASIDE)
    lab[1].forget()
    lab.do(1, ev.RouteCheckRequested(TICKET, True))
    while not ended(lab):
        lab.wait(0.1)
        lab[1].kernel[stray] = Route(stray, RouteKind.DIRECT, ASIDE)  # somebody puts it back
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert (of_routes(result.faults), result.mended) == ({(Wrong.STRAY, stray)}, ())


def test_what_has_moved_since_it_was_found_is_not_mended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two faults are mended one after the other; the station roams between, and its routes are to stay demoted."""
    monkeypatch.setattr(route_check, "MEND_SLICE", 1)
    faulty = prefixes(lab, 1, RouteKind.HERE)
    for prefix in faulty:
        del lab[1].kernel[prefix]
    lab[1].forget()
    lab.do(1, ev.RouteCheckRequested(TICKET, True))
    while not touched(lab):
        lab.wait(0.001)
    lab.join(2, ALICE)
    lab.wait(1.5)
    assert set(prefixes(lab, 1, RouteKind.DEMOTED)) == set(faulty)
    lab.wait(2)
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert result.faults == ()


def test_more_faults_than_are_remembered_are_told_of_and_mended_by_and_by(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_check, "FAULTS_MAX", 3)
    before = dict(lab[1].kernel)
    lab[1].kernel.clear()
    found = check(lab)
    assert (len(found.faults), found.is_cut) == (3, True)
    mended = check(lab, repair=True)
    assert (len(mended.mended), mended.faults, mended.is_cut) == (3, (), True)
    assert len(check(lab, repair=True).mended) == 1
    assert lab[1].kernel == before


# -- checks that run


def test_a_large_table_is_looked_at_in_slices() -> None:
    lab = Lab(1)
    for number in range(150):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    lab.wait(1)
    lab[1].forget()
    lab.do(1, ev.RouteCheckRequested(TICKET, False))
    ticks = 0
    while not ended(lab):
        ticks += 1
        lab.wait(0.002)
    (result,) = ended(lab)
    assert isinstance(result, RouteCheckResult)
    assert (result.kernel, result.faults) == (300, ())
    assert ticks >= 3


def test_only_so_many_checks_run_at_a_time(lab: Lab) -> None:
    lab[1].strays[77] = ASIDE
    for ticket in range(constants.CHECKS_MAX + 1):
        lab.do(1, ev.RouteCheckRequested(ticket, False))
    assert ended(lab) == ["too many checks run already"]
    lab.wait(3)
    assert len(ended(lab)) == constants.CHECKS_MAX + 1
    assert check(lab).faults != ()


def test_a_kernel_that_cannot_be_read_is_no_result(lab: Lab) -> None:
    node = lab[1].node
    node.handle(ev.RouteCheckRequested(TICKET, False), lab.now)
    effects = node.handle(ev.KernelRead(TICKET, error="no memory"), lab.now)
    assert do.RouteCheckEnded(TICKET, "no memory") in effects
    assert node.handle(ev.KernelRead(TICKET, last=True), lab.now) == []


def test_progress_is_told_every_second(lab: Lab) -> None:
    node, now = lab[1].node, lab.now
    node.handle(ev.RouteCheckRequested(TICKET, False), now)
    routes = tuple(lab[1].kernel.values())
    said = [node.handle(ev.KernelRead(TICKET, routes), now + n / 4) for n in range(9)]
    told = [effect for effects in said for effect in effects]
    assert told == [do.RouteCheckProgressed(TICKET, 1, 20), do.RouteCheckProgressed(TICKET, 1, 36)]


def test_the_result_in_json_names_nodes_and_ways(lab: Lab) -> None:
    (v4,) = (prefix for prefix in prefixes(lab, 1, RouteKind.DIRECT) if prefix.version == 4)
    lab[1].kernel[v4] = Route(v4, RouteKind.DIRECT, ASIDE)
    lab[1].objects[id_of(2), 6] = NextHop("bb0", None)
    lab[1].strays[77] = ASIDE
    result = check(lab)
    answer: Any = json.loads(json.dumps(route_result_json(lab[1].node.nodes, result), default=list))
    assert (answer["right"], answer["installed"], answer["kernel"], answer["more"]) == (False, 4, 4, False)
    by_subject = {fault["subject"]: fault for fault in answer["faults"]}
    assert by_subject[str(v4)] == {
        "fault": "wrong",
        "what": "route",
        "subject": str(v4),
        "wanted": "direct, towards ap2",
        "installed": "direct, towards ap2",
        "kernel": "direct, via 10.255.0.9 dev bb0",
    }
    assert by_subject["77 of IPv4"]["fault"] == "stray"
    (towards,) = (fault for subject, fault in by_subject.items() if subject.endswith("towards ap2 of IPv6"))
    assert (towards["wanted"], towards["kernel"]) == ("via fd00:255::2 dev bb0", "dev bb0")
