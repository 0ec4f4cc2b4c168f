"""What `python3 -m sroamd.sim leases` measures: one address for two stations, on the two sides of a partition."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest

from sroamd.sim.partitions import Case, cases, measure, show

V4, V6 = IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/56")


@pytest.mark.parametrize("case", [Case(V4, 0, 30), Case(V6, 0, 30), Case(V4, 80, 30)], ids=str)
def test_sides_that_prefer_parts_of_their_own_give_nothing_twice(case: Case) -> None:
    row = measure(case, trials=5)
    assert row.plain[1] > 1
    assert row.apart == (0.0, 0.0)


def test_one_node_alone_has_little_of_its_own_but_gives_less_twice_than_by_the_plain_order() -> None:
    row = measure(Case(V4, 0, 20, small=1), trials=20)
    assert row.apart[1] < row.plain[1] / 2


def test_table_has_a_row_for_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    show(1, print)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("| IPv")]) == len(list(cases()))
