"""`make routes`: how soon a moved station is reached, in each shape of the net and under each routing daemon.

Exit status: 0 the tables are complete, 1 something failed, 2 this machine cannot.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from enum import Enum

from . import magnitude, roaming, upheaval
from .errors import LabError
from .preflight import preflight
from .proving import Daemon, Proving, Setting
from .router import HELLO_INTERVAL
from .shapes import Shape

DEFAULT_HELLO = 4.0  # babeld's and BIRD's own
_STAY = 1.0  # seconds: direct routes are long settled then, or never
_STAY_BABEL = 1.5  # hello intervals, for settings in which Babel has to do it

_ALL = "all"


class Trial(Enum):
    """What is measured."""

    ROAMS = "roams"  # one station roams
    CROWD = "crowd"  # sixty move at one instant
    CUT = "cut"  # a link breaks while stations move
    KILL = "kill"  # an agent on the way is killed
    MAGNITUDE = "magnitude"  # thousands of stations

    def is_for(self, setting: Setting) -> bool:
        """In which settings: roams in all, the others where they say something that is not said elsewhere."""
        babeld, slow = setting.daemon is Daemon.BABELD, setting.hello == DEFAULT_HELLO
        match self:
            case Trial.ROAMS:
                return True
            case Trial.CROWD:
                return setting.direct and babeld and slow and setting.shape is not Shape.FOREIGN
            case Trial.CUT:
                return babeld and not slow and setting.shape is Shape.RING
            case Trial.KILL:
                return setting.direct and babeld and slow and setting.shape is Shape.TREE
            case Trial.MAGNITUDE:
                return setting.direct and babeld and not slow and setting.shape is Shape.FOREIGN


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if missing := preflight():
        print("\n".join(["This machine cannot run the lab:", *missing]), file=sys.stderr)
        return 2
    # Thousands of stations take all that two processors have: only if they are asked for.
    usual = [trial for trial in Trial if trial is not Trial.MAGNITUDE]
    trials = usual if arguments.trial == _ALL else [Trial(arguments.trial)]
    try:
        measure(settings(arguments), trials, arguments.roams, keep=arguments.keep)
    except LabError as error:
        print(f"\nFailed: {error}", file=sys.stderr)
        return 1
    return 0


def settings(arguments: argparse.Namespace) -> list[Setting]:
    """All settings that the options leave, in the order of least work."""
    shapes = list(Shape) if arguments.topology == _ALL else [Shape(arguments.topology)]
    hellos = [DEFAULT_HELLO, HELLO_INTERVAL] if arguments.hello == _ALL else [float(arguments.hello)]
    daemons = [(Daemon.BABELD, hello) for hello in hellos] + [(Daemon.BIRD, DEFAULT_HELLO)]
    return [
        Setting(shape, daemon, hello, direct)
        for direct in ([True, False] if arguments.direct == _ALL else [arguments.direct == "yes"])
        for daemon, hello in daemons
        if arguments.daemon in (_ALL, daemon.value)
        for shape in shapes
    ]


def measure(wanted: Sequence[Setting], trials: Sequence[Trial], roams: int, *, keep: bool = False) -> None:
    """Bring a fleet up, measure in one setting after the other, and print each result and at the end both tables."""
    plan = [(setting, [trial for trial in trials if trial.is_for(setting)]) for setting in wanted]
    plan = [(setting, these) for setting, these in plan if these]
    tables: dict[str, list[str]] = {roaming.HEADER: [], upheaval.HEADER: [], magnitude.HEADER: []}
    with Proving(plan[0][0], keep=keep) as fleet:
        for setting, these in plan:
            fleet.change(setting)
            for trial in these:
                header, lines = run(fleet, trial, roams)
                tables[header] += lines
                print("\n".join((header, *lines)), flush=True)
    print("\nAll of it:")
    for header, lines in tables.items():
        if lines:
            print("\n".join(("", header, *lines)))


def run(fleet: Proving, trial: Trial, roams: int) -> tuple[str, list[str]]:
    """One trial in the present setting: the table's header, and its rows."""
    match trial:
        case Trial.ROAMS:
            return roaming.HEADER, roaming.rows(str(fleet.setting), roaming.roam(fleet, roams, _stay(fleet.setting)))
        case Trial.CROWD:
            return upheaval.HEADER, [upheaval.row(upheaval.crowd(fleet))]
        case Trial.CUT:
            return upheaval.HEADER, [upheaval.row(upheaval.cut(fleet, silent=silent)) for silent in (False, True)]
        case Trial.KILL:
            return upheaval.HEADER, [upheaval.row(upheaval.kill(fleet))]
        case Trial.MAGNITUDE:
            joined = [magnitude.joined_row(magnitude.join(fleet, count)) for count in magnitude.STATIONS]
            return magnitude.HEADER, [*magnitude.babel_rows(fleet), *joined]


def _stay(setting: Setting) -> float:
    if setting.direct and setting.shape is not Shape.FOREIGN:
        return _STAY
    return max(_STAY, _STAY_BABEL * setting.hello)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m lab.routes", description=__doc__)
    parser.add_argument("--topology", choices=[_ALL, *(shape.value for shape in Shape)], default=_ALL)
    parser.add_argument("--daemon", choices=[_ALL, *(daemon.value for daemon in Daemon)], default=_ALL)
    parser.add_argument(
        "--hello", default=_ALL, help=f"babeld's, in seconds (default: {DEFAULT_HELLO:g}, and the role's)"
    )
    parser.add_argument("--direct", choices=[_ALL, "yes", "no"], default=_ALL, help="with direct routes, or without")
    parser.add_argument("--trial", choices=[_ALL, *(trial.value for trial in Trial)], default=_ALL)
    parser.add_argument("--roams", type=int, default=40)
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    return parser


if __name__ == "__main__":
    sys.exit(main())
