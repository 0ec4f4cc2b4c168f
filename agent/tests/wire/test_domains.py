"""Lists of domain names, beyond what the messages that carry them show."""

from __future__ import annotations

import pytest

from sroamd.wire.cursor import DecodeError
from sroamd.wire.domains import LABELS_MAX, decode_domains


def test_more_labels_than_any_list_has_are_refused() -> None:
    domain = b"\1a\1b\0"
    assert len(decode_domains(LABELS_MAX // 2 * domain)) == LABELS_MAX // 2
    with pytest.raises(DecodeError, match="more than 128 labels"):
        decode_domains((LABELS_MAX // 2 + 1) * domain)
