"""The machine's interfaces, by index and by name."""

from __future__ import annotations

from collections.abc import Iterable

from sroamd.io.netlink import LinkMessage


class LinkTable:
    def __init__(self) -> None:
        self._links: dict[int, LinkMessage] = {}
        self._index: dict[str, int] = {}

    def fill(self, links: Iterable[LinkMessage]) -> None:
        """These and no others."""
        self._links.clear()
        self._index.clear()
        for link in links:
            self.put(link)

    def put(self, link: LinkMessage) -> None:
        """New, or what has become of it."""
        self.drop(link.index)
        self._links[link.index] = link
        self._index[link.name] = link.index

    def drop(self, index: int) -> None:
        before = self._links.pop(index, None)
        if before is not None and self._index.get(before.name) == index:
            del self._index[before.name]

    def get(self, index: int) -> LinkMessage | None:
        return self._links.get(index)

    def named(self, name: str) -> LinkMessage | None:
        index = self._index.get(name)
        return None if index is None else self._links[index]

    def all(self) -> list[LinkMessage]:
        """In the order of their indices."""
        return [self._links[index] for index in sorted(self._links)]
