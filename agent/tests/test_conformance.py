"""The table of what the standards ask is true to the tests, and each marker names a row."""

from __future__ import annotations

from tests.conformance.rows import GROUPS, ROWS, Row
from tests.conformance.table import DOCUMENT, all_tests, functions, shown, text


def test_the_document_is_what_rows_and_markers_make() -> None:
    assert DOCUMENT.read_text() == text(GROUPS, shown()), "cd agent && python3 -m tests.conformance.table"


def test_every_marker_names_a_row() -> None:
    assert shown().keys() - ROWS.keys() == set()


def test_a_test_that_is_named_after_a_row_carries_its_marker() -> None:
    assert [
        f"{file}::{name}: {row}"
        for file, name, rows in all_tests()
        for row in ROWS
        if name.startswith(f"test_{row}_") and row not in rows
    ] == []


def test_rows_have_ids_of_their_own_and_say_what_is_open() -> None:
    assert len(ROWS) == sum(map(len, GROUPS.values()))
    assert {row.weight for row in ROWS.values()} == {"M", "S", "P"}
    tests = shown()
    assert [row.id for row in ROWS.values() if not tests.get(row.id) and not row.note] == []


def test_markers_are_read_and_a_row_without_a_test_is_open() -> None:
    source = '@pytest.mark.conformance("r1", "r2")\n@pytest.mark.spec("RFC 1", "2")\ndef test_x() -> None: ...\n'
    assert list(functions(source)) == [("test_x", ("r1", "r2"))]
    group = (Row("r1", "this", "1 §2", "M"), Row("r2", "that", "", "P", "why"))
    document = text({"Group": group}, {"r1": [("a/test_b.py", "test_x")]})
    assert "1 of 2 rows have a test; 1 are open." in document
    assert "| `r1` | this | 1 §2 | M | `a/test_b.py::test_x` |" in document
    assert "| `r2` | that | - | P | **open**: why |" in document
