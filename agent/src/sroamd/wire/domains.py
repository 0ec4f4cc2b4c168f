"""Lists of domain names as RFC 1035 section 3.1 writes them: in options 119 (RFC 3397), DNSSL (RFC 8106 section 5.2)
and 24 of DHCPv6 (RFC 3646 section 4). Nothing is compressed: only option 119 would allow it, and not all can read it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sroamd.wire.cursor import DecodeError, Reader

DOMAIN_MAX = 253  # characters of a domain name as written (RFC 1035 section 2.3.4: 255 octets on the wire)
LABEL_MAX = 63
LABELS_MAX = 128  # in one list: as many as the 255 octets hold that can be configured, and each costs time


def encode_domains(domains: Iterable[str]) -> bytes:
    """ValueError if one is none: ASCII, labels of 1 to 63 octets, 253 in all."""
    return b"".join(map(_encode, domains))


def decode_domains(octets: bytes) -> tuple[str, ...]:
    """At least one; zeros behind the last are padding."""
    reader = Reader(octets)
    domains: list[str] = []
    labels: list[str] = []
    count = 0
    while reader.remaining:
        length = reader.u8()
        if length:
            count += 1
            if count > LABELS_MAX:
                raise DecodeError(f"more than {LABELS_MAX} labels")
            labels.append(_decode_label(reader, length))
        elif labels:
            domains.append(_checked(labels))
            labels = []
    if labels or not domains:
        raise DecodeError("a search domain without an end, or none")
    return tuple(domains)


def _encode(domain: str) -> bytes:
    labels = [label.encode("ascii") for label in domain.removesuffix(".").split(".")]
    if len(domain.removesuffix(".")) > DOMAIN_MAX or not all(1 <= len(label) <= LABEL_MAX for label in labels):
        raise ValueError(f"{domain!r} is not a domain")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _decode_label(reader: Reader, length: int) -> str:
    if length > LABEL_MAX:
        raise DecodeError(f"a label of {length} octets")
    label = reader.take(length)
    if not label.isascii() or b"." in label:
        raise DecodeError("a label that is not of a domain name")
    return label.decode("ascii")


def _checked(labels: list[str]) -> str:
    domain = ".".join(labels)
    if len(domain) > DOMAIN_MAX:
        raise DecodeError(f"a domain of {len(domain)} characters")
    return domain
