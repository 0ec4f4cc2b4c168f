"""The books of direct routes: small, and right however objects and routes come and go."""

from __future__ import annotations

import random
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest

from sroamd.addresses import NodeId
from sroamd.core.values import Prefix
from sroamd.io import direct_routes
from sroamd.io.direct_routes import NUMBERS, DirectRoutes, key_of, prefix_of

AP2, AP3 = NodeId(bytes(7) + b"\2"), NodeId(bytes(7) + b"\3")
GATEWAY = IPv6Address("fe80::1")


@pytest.mark.parametrize(
    "prefix",
    [
        IPv4Network("192.0.2.7/32"),
        IPv4Network("0.0.0.0/0"),
        IPv6Network("2001:db8:44:7::/64"),
        IPv6Network("c000:207::/32"),
    ],
)
def test_key_says_which_prefix_it_is(prefix: Prefix) -> None:
    assert prefix_of(key_of(prefix)) == prefix


def test_numbers_are_not_used_twice_nor_taken_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_routes, "NUMBERS", range(NUMBERS.start, NUMBERS.start + 6))
    books = DirectRoutes()
    books.avoid([NUMBERS.start + 1, NUMBERS.start + 3])
    numbers = [books.create(node, 6, 1, GATEWAY).number - NUMBERS.start for node in (AP2, AP3, AP2, AP2, AP2)]
    assert numbers == [0, 2, 4, 5, 0], "the whole range before any comes again, and never one that is in use"
    assert [one.node for one in books.objects()] == [AP3, AP2]


def test_memory_of_what_is_behind_removed_objects_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_routes, "SWEEP_MIN", 10)
    books = direct_routes.DirectRoutes()
    keys = [direct_routes.key_of(IPv6Network((n << 64, 64))) for n in range(100)]
    assert [direct_routes.prefix_of(key) for key in keys] == [IPv6Network((n << 64, 64)) for n in range(100)]
    for _ in range(20):
        for node in (AP2, AP3):
            made = books.create(node, 6, 1, IPv6Address("fe80::1"))
            for key in keys[: 50 if node == AP2 else 100]:
                books.put(key, made.number)
        assert len(books) == 100
        books.forget(AP3, 6)
        assert len(books) == 0
        books.put(keys[3], books.towards(AP2, 6).number)  # type: ignore[union-attr]
        assert len(books) == 1
        assert [len(list(books.behind(one.number))) for one in books.objects()] == [1]
        books.forget(AP2, 6)
        assert len(books._routes) <= 10 + 1
        assert len(books) == 0


def test_books_are_right_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a table that forgets each route one by one."""
    monkeypatch.setattr(direct_routes, "SWEEP_MIN", 5)
    rng = random.Random(3)
    books, model = DirectRoutes(), dict[bytes, tuple[NodeId, int]]()
    keys = [key_of(IPv4Network((n, 32))) for n in range(30)]
    for _ in range(5000):
        node, key = rng.choice((AP2, AP3)), rng.choice(keys)
        match rng.randrange(6):
            case 0:
                made = books.create(node, 4, rng.randrange(9), None)
                assert books.numbered(made.number) is made
                model = {key: owner for key, owner in model.items() if owner != (node, 4)}
            case 1:
                books.forget(node, 4)
                model = {key: owner for key, owner in model.items() if owner != (node, 4)}
            case 2:
                assert (books.drop(key) is None) == (model.pop(key, None) is None)
            case _:
                if (towards := books.towards(node, 4)) is not None:
                    books.put(key, towards.number)
                    model[key] = (node, 4)
        found = {key: (towards.node, 4) for key in keys if (towards := books.get(key)) is not None}
        assert found == model
        assert len(books) == len(model)
        assert sum(len(list(books.behind(one.number))) for one in books.objects()) == len(model)
