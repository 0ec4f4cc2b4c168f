"""The command `sroamd`: arguments, configuration, and an exit status."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from sroamd import __version__, config_file
from sroamd.config import Config
from sroamd.daemon import logs
from sroamd.daemon.service import Service

log = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("/etc/sroamd/sroamd.toml")
FAILED = 1
BAD_CONFIG = 2


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sroamd",
        description="Roaming by routing: the agent of one access point, or a flooding server without stations.",
        epilog="SIGTERM stops (stations' routes stay), SIGHUP reloads the configuration, SIGUSR1 logs the database.",
    )
    parser.add_argument(
        "-c", dest="config", metavar="FILE", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s"
    )
    parser.add_argument(
        "-d",
        dest="level",
        metavar="LEVEL",
        type=int,
        choices=range(len(logs.LEVELS)),
        default=logs.DEFAULT_LEVEL,
        help="0 errors, 1 warnings, 2 decisions (default), 3 every event and effect",
    )
    parser.add_argument("--check-config", action="store_true", help="exit with 0, or with 2 and one line per error")
    parser.add_argument("--observe", action="store_true", help="hear the flood, log what would be done, touch nothing")
    parser.add_argument("--version", action="version", version=f"sroamd {__version__}")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a clean stop, 1 after a failure, 2 for a configuration or arguments that are wrong."""
    arguments = parse_arguments(argv)
    try:
        config = config_file.load(arguments.config)
    except config_file.ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return BAD_CONFIG
    if arguments.check_config:
        return 0
    logs.configure(arguments.level)
    try:
        return asyncio.run(_serve(config, arguments))
    except OSError as error:
        log.critical("cannot run: %s", error)
    except sqlite3.Error as error:
        log.critical("cannot run: state directory %s: %s", config.node.state_dir, error)
    return FAILED


async def _serve(config: Config, arguments: argparse.Namespace) -> int:
    trace = arguments.level >= logs.TRACE_LEVEL
    return await Service(config, arguments.config, observe=arguments.observe, trace=trace).run()
