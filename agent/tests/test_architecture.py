"""The rules of docs/architecture.md that a parser can check: floors, bans, closed unions, sizes.

The checks are functions of source text; the last tests feed them bad sources, to see that they do object.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "sroamd"

# Part of the package -> its floor. Imports go down, or stay on their floor.
FLOORS = {
    "addresses": 0,
    "constants": 0,
    "config": 0,
    "config_values": 0,
    "config_pools": 0,
    "config_file": 0,
    "config_checks": 0,
    "config_options": 0,
    "printable": 0,
    "rate": 0,
    "spans": 0,
    "stored": 0,
    "wire": 1,
    "core": 2,
    "io": 3,
    "sim": 3,
    "daemon": 4,
    "tables": 4,
    "check_text": 4,
    "cli": 4,
    "__main__": 4,
}
# wire, core and what they count with: no clock, no socket, no log, no chance of their own, nothing that waits.
PURE = ("wire", "core", "rate", "spans", "stored")
IMPURE = frozenset(
    "asyncio datetime logging os pyroute2 random select selectors socket subprocess threading time".split()
)
# What the simulator and everything below io/ may use, so that `make demo SIM=1` runs on any machine with Python.
STDLIB_ONLY = frozenset({"", "sim", *(part for part, floor in FLOORS.items() if floor < 3)})
# What an adapter may know of the core: what comes in and goes out, and the shapes inside.
CORE_SEEN_BY_ADAPTERS = frozenset({"effects", "events", "status", "values"})

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 70

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def part_of(module: str) -> str:
    """sroamd.wire.flood -> wire; the package itself -> ''."""
    return (module.split(".") + [""])[1]


def imports(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of each import; the name is empty for `import module`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def target_of(module: str, name: str) -> str:
    """The module that an import of ours reaches: `from sroamd.core import node` reaches sroamd.core.node."""
    inner = f"{module}.{name}"
    return inner if inner in MODULES or name in FLOORS else module


def objection(importer: str, module: str, name: str) -> str | None:
    """Why `importer` may not import this, or None."""
    part, top = part_of(importer), module.split(".")[0]
    if top in ("", "tests", "lab"):
        return "the package imports itself by its full name, and nothing of its tests"
    if top != "sroamd":
        if part in PURE and top in IMPURE and (module, name) != ("random", "Random"):
            return f"{part} is pure"
        if top not in sys.stdlib_module_names and part in STDLIB_ONLY:
            return "standard library only"
        if top == "pyroute2" and part != "io":
            return "only io imports pyroute2"
        return None
    target = target_of(module, name)
    return objection_inside(importer, target)


def objection_inside(importer: str, target: str) -> str | None:
    part, reached = part_of(importer), part_of(target)
    if reached == "" or part == "":
        return None  # the package's own __init__ holds the version, and imports nothing of ours
    if FLOORS[reached] > FLOORS[part]:
        return f"{part} is on floor {FLOORS[part]}, {reached} on floor {FLOORS[reached]}"
    if {part, reached} == {"io", "sim"}:
        return "the simulator and the real adapters do not know each other"
    if part == "core" and target == "sroamd.core.node" and importer != "sroamd.core.status":
        return "the core's parts do not know the node that holds them"
    if part == "io" and reached == "core" and target.split(".")[-1] not in CORE_SEEN_BY_ADAPTERS:
        return "an adapter knows events, effects and the values in them, and no decision"
    return None


def import_violations(importer: str, source: str) -> list[str]:
    return [
        f"{importer}:{line}: {module} {name}: {why}"
        for line, module, name in imports(source)
        if (why := objection(importer, module, name))
    ]


def impure_calls(importer: str, source: str) -> list[str]:
    return [
        f"{importer}:{node.lineno}: {node.func.id}()"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input")
    ]


def long_functions(importer: str, source: str) -> list[str]:
    return [
        f"{importer}:{node.lineno}: {node.name} has {lines} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]


def union_members(source: str, union: str) -> set[str]:
    """The classes in `Union = A | B | ...`, where A may be such a union itself."""
    unions = {
        node.targets[0].id: {leaf.id for leaf in ast.walk(node.value) if isinstance(leaf, ast.Name)}
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    members, found = set[str](), {union}
    while found:
        name = found.pop()
        if name in unions:
            found |= unions[name]
        else:
            members.add(name)
    return members


def dataclasses_of(source: str) -> set[str]:
    return {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(mark) for mark in node.decorator_list)
    }


def matched_classes(source: str) -> set[str]:
    """Class names in the patterns of every `case`."""
    return {
        ast.unparse(node.cls).split(".")[-1] for node in ast.walk(ast.parse(source)) if isinstance(node, ast.MatchClass)
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_on_a_floor_and_imports_downward(module: str) -> None:
    assert part_of(module) in {"", *FLOORS}, f"{module}: put it on a floor, here and in docs/architecture.md"
    assert import_violations(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) in PURE])
def test_wire_and_core_touch_nothing_outside(module: str) -> None:
    assert impure_calls(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("union", "declared_in", "handled_in"),
    [("Event", "core/events.py", "core/node.py"), ("Effect", "core/effects.py", "io/executor.py")],
)
def test_unions_are_closed_and_every_member_is_handled(union: str, declared_in: str, handled_in: str) -> None:
    declaration, handler = (PACKAGE / declared_in).read_text(), (PACKAGE / handled_in).read_text()
    members = union_members(declaration, union)

    assert dataclasses_of(declaration) - members == set(), f"declared in {declared_in}, not in {union}"
    assert members - matched_classes(handler) == set(), f"members of {union} that {handled_in} does not match"
    assert "assert_never(" in handler, f"{handled_in} must let the type checker see that it matches all of {union}"


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_fit_a_mind(module: str) -> None:
    source = MODULES[module].read_text()
    assert source.count("\n") <= MAX_FILE_LINES
    assert long_functions(module, source) == []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("sroamd.wire.flood", "from sroamd.core import database"),
        ("sroamd.core.routes", "import sroamd.io.rtnetlink"),
        ("sroamd.core.leases", "from sroamd.core.node import Node"),
        ("sroamd.core.node", "import time"),
        ("sroamd.rate", "import time"),
        ("sroamd.core.node", "from random import randrange"),
        ("sroamd.core.node", "def f():\n    from os.path import join"),
        ("sroamd.core.node", "from . import routes"),
        ("sroamd.daemon", "from pyroute2 import IPRoute"),
        ("sroamd.sim.world", "import hypothesis"),
        ("sroamd.sim.world", "from sroamd.io import executor"),
        ("sroamd.io.control", "from sroamd.core.node import Node"),
        ("sroamd.config", "from sroamd.wire import cursor"),
    ],
)
def test_forbidden_imports_are_seen(importer: str, source: str) -> None:
    assert len(import_violations(importer, source)) == 1


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("sroamd.core.node", "from random import Random"),
        ("sroamd.core.node", "from sroamd.core import routes"),
        ("sroamd.io.rtnetlink", "import pyroute2"),
        ("sroamd.daemon", "from sroamd.core.node import Node"),
    ],
)
def test_allowed_imports_pass(importer: str, source: str) -> None:
    assert import_violations(importer, source) == []


def test_the_other_checks_object_too() -> None:
    assert impure_calls("sroamd.core.x", "def f():\n    print(1)") == ["sroamd.core.x:2: print()"]
    assert long_functions("m", "def f():\n" + "    1\n" * MAX_FUNCTION_LINES) == ["m:1: f has 71 lines"]
    assert matched_classes("match e:\n    case A(x=1) | events.B():\n        pass") == {"A", "B"}
    assert union_members("F = B | C\nE = A | F", "E") == {"A", "B", "C"}
