"""Text from files and from the network, made fit for a terminal or a log line."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Escape whatever is not printable: C0 and C1 controls, newlines, format characters that turn the text around.

    A station or another node must not be able to write to an operator's terminal: "\x1b[2J" comes out as four visible
    characters and "[2J". Spaces and letters of all scripts stay.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
