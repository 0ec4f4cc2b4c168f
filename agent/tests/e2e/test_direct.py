"""Direct routes: a moved station is reached as soon as the flood has told, and not when Babel has.

`make routes` measures the same in nets of five nodes; here the sender is a station, so that its packets enter at a node
of ours.
"""

from __future__ import annotations

import time

from lab.downstream import Downstream
from lab.sightings import Settled, longest_pause_ms, percentile, settled
from lab.station import Station
from tests.e2e.fleet import SETTLED_WITHIN, STALL_MS, TRIES, Fleet, assert_reaches, eventually, tell

ROAMS = 10
STAY_S = 1.0
RATE = 500.0  # packets per second and family
MEDIAN_MS = 50.0  # Babel alone takes 134
WORST_MS = 500.0


def test_roams_settle_at_flood_speed(fleet: Fleet) -> None:
    sender, roamer = fleet.all_joined([(50, "ap1"), (51, "ap2")])
    ipv4, ipv6 = roamer.ipv4(), roamer.ipv6()
    assert ipv4
    eventually(lambda: assert_reaches(sender, str(ipv4.ip), str(ipv6[0].ip)), SETTLED_WITHIN)
    for _ in range(TRIES):
        found, pause_ms = roams_of(roamer, sender)
        if pause_ms <= STALL_MS:
            break
        tell(f"(the machine stood still for {pause_ms:.0f} ms: measured again)")
    times = [each.ms for each in found]
    lost = sum(each.lost for each in found)
    astray = sum(each.astray for each in found)
    tell(f"direct routes: settled p50 {percentile(times, 0.5):.1f} ms, worst {max(times):.1f} ms")
    tell(f"  {lost} packets lost in {ROAMS} roams, all but {astray} of them into the air that the station had left")
    assert percentile(times, 0.5) <= MEDIAN_MS
    assert max(times) <= WORST_MS


def roams_of(roamer: Station, sender: Station) -> tuple[list[Settled], float]:
    """To and fro under a stream of packets: what each roam was in each family, and the sender's longest pause in ms."""
    with Downstream([roamer], rate=RATE, sender=sender.name) as stream:
        moves = []
        for number in range(ROAMS):
            time.sleep(STAY_S)
            moves.append(roamer.roam(("ap3", "ap2")[number % 2]))
        time.sleep(STAY_S)
    ends = [*(move.started for move in moves[1:]), moves[-1].authorized + STAY_S]
    families = stream.streams[0].values()
    found = [settled(each, move.authorized, end) for each in families for move, end in zip(moves, ends, strict=True)]
    return found, max(longest_pause_ms(each.sent) for each in families)
