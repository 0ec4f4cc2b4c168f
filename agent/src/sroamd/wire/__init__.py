"""Bytes to frozen values and back, one module per protocol; no socket, no clock, standard library only.

Every parser raises `sroamd.wire.cursor.DecodeError` and nothing else, whatever the bytes.
"""
