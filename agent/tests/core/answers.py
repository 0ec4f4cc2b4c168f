"""What a test reads off the lab's answers."""

from __future__ import annotations

from sroamd.core import effects as do
from tests.core.harness import Lab


def counted(lab: Lab, name: str, number: int = 1) -> int:
    return lab[number].node.counters[name]


def kind_of(replies: list[do.SendDhcp]) -> list[str]:
    return [sent.message.message_type.name for sent in replies]
