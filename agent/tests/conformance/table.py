"""docs/conformance.md, from the rows and from the tests that carry their markers.

`cd agent && python3 -m tests.conformance.table` writes it; a test holds it against what stands there.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.conformance.rows import GROUPS, ROWS, Row

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs/conformance.md"
TESTS = ROOT / "agent/tests"

HEAD = """\
# Conformance

Which test shows what of the standards (DHCPv4, and IPv6 for stations), and which carries out which attack of a station.
Written by `python3 -m tests.conformance.table` (in `agent/`) from the markers of the tests and from
`agent/tests/conformance/rows.py`; do not edit it here. M: the RFC says MUST; S: SHOULD; P: our own policy. Files are
below `agent/tests`.
"""


def functions(source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each test, and the rows in its `conformance` markers."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield (
                node.name,
                tuple(
                    argument.value
                    for mark in node.decorator_list
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.conformance"
                    for argument in mark.args
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                ),
            )


def all_tests() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(file below agent/tests, function, rows) of all tests."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, rows in functions(path.read_text()):
            yield str(path.relative_to(TESTS)), name, rows


def shown() -> dict[str, list[tuple[str, str]]]:
    """By row: its tests, as (file, function)."""
    tests = defaultdict(list)
    for file, name, rows in all_tests():
        for row in rows:
            tests[row].append((file, name))
    return tests


def text(groups: Mapping[str, Sequence[Row]], tests: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The whole document."""
    rows = [row for group in groups.values() for row in group]
    open_rows = [row for row in rows if not tests.get(row.id)]
    parts = [HEAD, f"{len(rows) - len(open_rows)} of {len(rows)} rows have a test; {len(open_rows)} are open.\n"]
    for title, group in groups.items():
        parts.append(f"## {title}\n")
        lines = ["| row | what is asked | RFC | | shown by |", "|---|---|---|---|---|"]
        for row in group:
            cells = (f"`{row.id}`", row.what, row.source or "-", row.weight, _shown_by(row, tests.get(row.id, ())))
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _shown_by(row: Row, tests: Sequence[tuple[str, str]]) -> str:
    named = [f"`{file}::{name}`" for file, name in tests] or ["**open**"]
    return "<br>".join(named) + (f": {row.note}" if row.note else "")


if __name__ == "__main__":
    DOCUMENT.write_text(text(GROUPS, shown()))
    print(f"{len(ROWS)} rows")
