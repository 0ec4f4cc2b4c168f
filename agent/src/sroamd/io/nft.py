"""nft(8): one transaction, and the process is over when this is, however it ends."""

from __future__ import annotations

import asyncio
import os
import shutil

TIMEOUT = 10.0  # s


async def run_nft(text: str) -> str | None:
    """Returns why it has failed."""
    program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return "there is no nft; install the package nftables"
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(program, "-f", "-", stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        return f"nft cannot be started: {error.strerror}"
    try:
        async with asyncio.timeout(TIMEOUT):
            _, said = await process.communicate(text.encode())
    except TimeoutError:
        return f"nft has not answered for {TIMEOUT:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()  # the kernel commits what it was in the middle of
    if process.returncode == 0:
        return None
    first = said.decode(errors="replace").partition("\n")[0]
    return first.partition("Error: ")[2] or first or f"nft has ended with {process.returncode}"
