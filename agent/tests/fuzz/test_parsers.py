"""A budget of hostile inputs for each parser in every test run, and proof that faults of every kind would be found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import sroamd
from sroamd.wire import arp
from sroamd.wire.cursor import DecodeError, Reader
from tests.fuzz import run_parsers
from tests.fuzz.guide import corpus
from tests.fuzz.parsers import ARP, PARSERS, Parser, Unstable
from tests.fuzz.run_parsers import FINDINGS_MAX, GUIDED, rearm, session, torn_out_if_endless

INPUTS = 100_000
SEED = "quick"
ACCEPTED_MIN = 0.005  # of the inputs: else they would show little of what lies behind the first check
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PARSERS)
def test_hostile_octets_are_accepted_or_refused_at_once_and_leave_nothing_behind(name: str) -> None:
    parser = PARSERS[name]
    with torn_out_if_endless():
        kept = corpus(parser, Random(SEED), INPUTS // GUIDED, rearm)
    tally = session(name, parser, kept, SEED, INPUTS - INPUTS // GUIDED)
    assert tally.findings == [], str(tally.findings[0])
    assert tally.inputs + INPUTS // GUIDED == INPUTS
    assert tally.accepted > ACCEPTED_MIN * tally.inputs


@pytest.mark.parametrize("name", PARSERS)
def test_seeds_are_accepted(name: str) -> None:
    for octets in PARSERS[name].seeds:
        PARSERS[name].judge(octets)


# -- the guide


def behind_three_doors(octets: bytes) -> None:
    """A bug that random octets find in 2^32 inputs, and damage to the seed in 2^24."""
    if octets[:1] != b"a":
        raise DecodeError("a")
    if octets[1:2] != b"b":
        raise DecodeError("b")
    if octets[2:3] != b"c":
        raise DecodeError("c")
    raise KeyError("found")


def test_what_gets_further_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.guide.SOURCE", str(Path(__file__).parent))
    kept = corpus(Parser(behind_three_doors, (b"....",)), Random("doors"), 100_000)
    assert [octets[:3] for octets in kept[-1:]] == [b"abc"]
    assert kept[1][:1] == b"a"
    assert len(kept) == 4


def test_a_corpus_is_the_same_each_time() -> None:
    first, second = (corpus(PARSERS["dhcpv4"], Random("same"), 1_000) for _ in range(2))
    assert first == second
    assert len(first) > len(PARSERS["dhcpv4"].seeds) + 5


def test_a_debugger_or_a_measurement_goes_on_afterwards() -> None:
    before = sys.gettrace()
    corpus(PARSERS["arp"], Random(1), 10)
    assert sys.gettrace() is before


# -- what it would find

HOARD: list[bytes] = []


def raises(octets: bytes) -> None:
    arp.decode_arp(octets)
    if octets[7] == 2:
        raise KeyError("a bug")


def hangs(octets: bytes) -> None:
    raises_nothing = octets[:1] == b"\xff"
    while raises_nothing:
        pass


def dawdles(octets: bytes) -> None:
    if octets[:1] == b"\xff":
        sum(range(200_000))


def hoards(octets: bytes) -> None:
    HOARD.append(bytes(octets[:4]))


def forgets_a_field(octets: bytes) -> None:
    packet = arp.decode_arp(octets)
    if arp.encode_arp(packet) != octets:
        raise Unstable(repr(packet))


def reads_on(octets: bytes) -> None:
    with Reader(octets) as reader:
        reader.take(reader.u8())
        octets[len(octets)]


@pytest.mark.parametrize(
    ("judge", "what"),
    [
        (raises, "KeyError: 'a bug'"),
        (hangs, "Endless: was not done after "),
        (dawdles, "takes "),
        (hoards, "blocks of memory more than at the start"),
        (forgets_a_field, "Unstable: ArpPacket"),
        (reads_on, "IndexError"),
    ],
)
def test_a_fault_is_found_and_can_be_had_again(
    judge: Callable[[bytes], None], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_parsers, "ENDLESS", 0.2)
    monkeypatch.setattr(run_parsers, "FINDINGS_MAX", 1)
    HOARD.clear()
    tally = session("arp", Parser(judge, (ARP, b"\xff\0")), [ARP, b"\xff\0"], "faults", 10_000)
    (finding,) = tally.findings
    assert what in finding.what
    assert f"make fuzz-parsers PARSER=arp OCTETS={finding.octets.hex()}" in str(finding)


def test_a_session_ends_when_more_findings_say_nothing_new() -> None:
    tally = session("arp", Parser(raises, (ARP,)), [ARP], "many", 10_000)
    assert len(tally.findings) == FINDINGS_MAX
    assert tally.inputs < 1_000


# -- the command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{Path(sroamd.__file__).parents[1]}:{ROOT}"}
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run_parsers", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_command_says_what_it_has_done() -> None:
    done = command("--inputs", "600", "--seed", "x", "--workers", "2", "--parser", "arp", "--parser", "babel")
    assert (done.returncode, done.stderr) == (0, "")
    *lines, total = done.stdout.splitlines()
    assert [line.split()[:3] for line in sorted(lines)] == [["arp", "600", "inputs,"], ["babel", "600", "inputs,"]]
    assert total.startswith("1,200 inputs in ")
    assert total.endswith("(seed x), 0 findings")


def test_the_command_tries_octets_again() -> None:
    done = command("--parser", "arp", "--octets", ARP.hex())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
