"""The one error of the lab, and the one way in which it runs commands."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class LabError(RuntimeError):
    """Something outside did not do what the lab needs; the text is for the person at the keyboard."""


def execute(
    argv: Sequence[str | Path],
    *,
    stdin: str = "",
    check: bool = True,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run argv to its end and return it with stdout and stderr as text.

    Raises LabError with the command, its status and its own words when check is set and it failed, and when
    it needs longer than timeout seconds or does not exist.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
            check=False,
        )
    except FileNotFoundError as missing:
        raise LabError(f"command not found: {words[0]}") from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(words)}: still running after {timeout} s") from late
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise LabError(f"{' '.join(words)}: exit status {done.returncode}\n{said}")
    return done
