"""What stations do: they come, roam, bounce, sleep, vanish, release and decline addresses; and some have a double."""

from __future__ import annotations

from random import Random

from sroamd.sim.machine import Machine
from sroamd.sim.station import Station
from sroamd.sim.world import World

PING_PONG = 0.1  # s: three further moves within this time
BOUNCE_INTERVAL = 0.2
BOUNCE_TIME = (2.0, 2.0, 5.0, 60.0)
SLEEP = (0.5, 60.0)
NO_MEMORY = 0.3  # share of absences during which a station forgets its lease
HOSTAPD_IDLE = 300.0  # hostapd's ap_max_inactivity
CLONE_TIME = (1.0, 30.0)
DECLINE_WAIT = 10.0  # RFC 2131 section 3.1, 5: before the configuration is begun again
OFF_AFTER_RELEASE = (0.1, 30.0)


class Wandering:
    """Plans all of it before the run, so that nothing a node does can change it. `some_time`: when things go wrong."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._bouncing: set[Station] = set()
        self._clones: list[Station] = []
        self._over = False

    def plan(self) -> None:
        scenario, time, rng = self._world.scenario, self._world.time, self._rng
        for station in self._world.stations:
            came_at = rng.uniform(0, scenario.appear_within)
            time.at(came_at, self._walk, station)
            for begin, end in scenario.trouble_times:
                if rng.random() < scenario.restless:
                    time.at(max(begin, came_at) + rng.expovariate(1 / scenario.stay), self._roam, station, end)
            at = came_at
            while scenario.quiet_stay is not None and at < scenario.duration:
                at += rng.expovariate(1 / scenario.quiet_stay)
                time.at(at, self._walk, station)
        for what, number in (
            (self._bounce, scenario.bounces),
            (self._sleep, scenario.sleeps),
            (self._vanish, scenario.vanishings),
            (self._clone, scenario.clones),
            (self._release, scenario.releases),
            (self._decline, scenario.declines),
            (self._inform, scenario.informs),
        ):
            for _ in range(number):
                time.at(self._world.some_time(rng), what, rng.choice(self._world.stations))

    def stop(self) -> None:
        """Every station is awake, somewhere, and stays; every double is gone."""
        world = self._world
        self._over = True
        for clone in self._clones:
            self._clone_leaves(clone)
        for station in world.stations:
            station.asleep_until = 0.0
            if station.ap is None:
                world.come_back(station, station.stay, self._rng.choice(world.access_points))
            elif station.dhcp.wants_link_up:
                station.dhcp.link_up()
            if station.ap is not None and station.prefix is None:
                station.solicit()  # a real one never gives up (RFC 7559)

    # -- moves

    def _roam(self, station: Station, until: float) -> None:
        """Again and again until the episode ends."""
        if self._over or self._world.time.now > until:
            return
        self._walk(station)
        if self._rng.random() < self._world.scenario.ping_pong:
            for _ in range(3):
                self._world.time.after(self._rng.uniform(0, PING_PONG), self._walk, station)
        stay = self._rng.expovariate(1 / self._world.scenario.stay)
        self._world.time.after(PING_PONG + stay, self._roam, station, until)

    def _walk(self, station: Station) -> None:
        if self._over or station.away or station in self._bouncing:
            return
        scenario, world = self._world.scenario, self._world
        choices = self._others(station)
        if choices:
            told = self._rng.random() < scenario.explicit_departures
            departure = "explicit" if told else self._rng.choice(("silent", "idle"))
            asks = self._rng.random() < scenario.asks_dhcp
            world.walk(station, self._rng.choice(choices), departure, ask_dhcp=asks)

    def _others(self, station: Station) -> list[Machine]:
        return [ap for ap in self._world.access_points if ap.on_air and ap is not station.ap]

    def _bounce(self, station: Station) -> None:
        others = self._others(station)
        if self._over or station.ap is None or not others or station in self._bouncing:
            return
        until = self._world.time.now + self._rng.choice(BOUNCE_TIME)
        self._bouncing.add(station)
        self._bounce_on(station, (self._rng.choice(others), station.ap), until)

    def _bounce_on(self, station: Station, between: tuple[Machine, Machine], until: float) -> None:
        if self._over or self._world.time.now > until or station.away:
            self._bouncing.discard(station)
            return
        self._world.walk(station, between[0])
        self._world.time.after(BOUNCE_INTERVAL, self._bounce_on, station, between[::-1], until)

    # -- silence

    def _sleep(self, station: Station) -> None:
        if not self._over:
            station.asleep_until = self._world.time.now + self._rng.uniform(*SLEEP)
            self._world.note(f"{station.name} sleeps until {station.asleep_until:.3f} s")

    def _vanish(self, station: Station) -> None:
        """Out of range, or its battery is empty."""
        if self._over or station.ap is None or station in self._bouncing:
            return
        world, rng = self._world, self._rng
        seconds = rng.uniform(*world.scenario.absence)
        world.note(f"{station.name} vanishes from {station.where()} for {seconds:.0f} s")
        left = station.depart()
        station.away = True
        if left is not None and rng.random() < 0.5:
            world.time.after(HOSTAPD_IDLE, world.departed, left, station)
        world.time.after(seconds, self._reappear, station, rng.random() < NO_MEMORY)

    def _reappear(self, station: Station, forgets: bool) -> None:
        if self._over or not station.away:
            return
        if forgets:
            station.forget_everything()
        self._world.come_back(station, station.stay, self._rng.choice(self._world.access_points))

    # -- a double

    def _clone(self, station: Station) -> None:
        others = self._others(station)
        if self._over or station.ap is None or not others:
            return
        clone = self._world.add_clone(station, len(self._clones) + 1)
        self._clones.append(clone)
        ap = self._rng.choice(others)
        self._world.note(f"{clone.name} takes the MAC of {station.name} at {ap.name}")
        clone.arrive(ap, ask_dhcp=self._rng.random() < 0.5)
        self._world.time.after(self._rng.uniform(*CLONE_TIME), self._clone_leaves, clone)

    def _clone_leaves(self, clone: Station) -> None:
        if not clone.away:
            self._world.note(f"{clone.name} is gone")
            left = clone.depart()
            clone.away = True
            self._world.air.forget(clone)
            if left is not None and self._rng.random() < 0.5:
                self._world.time.after(0.01, self._world.departed, left, clone)

    # -- what DHCP clients do now and then

    def _release(self, station: Station) -> None:
        if not self._over and station.ap is not None and station.dhcp.release():
            self._world.time.after(self._rng.uniform(*OFF_AFTER_RELEASE), self._ask_again, station, station.stay)

    def _decline(self, station: Station) -> None:
        if not self._over and station.ap is not None and station.dhcp.decline():
            self._world.time.after(DECLINE_WAIT, self._ask_again, station, station.stay)

    def _ask_again(self, station: Station, stay: int) -> None:
        if station.stay == stay and station.ap is not None:
            station.dhcp.link_up()

    def _inform(self, station: Station) -> None:
        if not self._over and station.ap is not None:
            station.dhcp.inform()
