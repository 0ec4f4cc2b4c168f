"""Where log lines go: to standard error, in the journal's form where the journal reads it."""

from __future__ import annotations

import logging
import os
import sys

LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
DEFAULT_LEVEL = 2
TRACE_LEVEL = 3  # every event and every effect

# What an operator asked for with a signal is printed at any level.
dump_log = logging.getLogger("sroamd.dump")

_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class _JournalFormatter(logging.Formatter):
    """`<N>` before each line, which the journal takes for its priority (sd-daemon(3)); it adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def is_journal(stream: int) -> bool:
    """Whether the descriptor is the one that systemd connected to its journal."""
    try:
        status = os.fstat(stream)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def configure(level: int) -> None:
    """`level` from 0, errors only, to 3, everything."""
    # What no line of ours shows need not be found out for each: who called, and in which thread and process.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    if is_journal(sys.stderr.fileno()):
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(max(LEVELS[level], logging.WARNING))
    dump_log.setLevel(logging.INFO)
