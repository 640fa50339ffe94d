"""An ssh server that gives out repositories: ``python -m tests.integration.sources.ssh_server ROOT KEYS``.

Prints its port and its public key. Who may come in stands in KEYS, as in ``authorized_keys``.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

import asyncssh

from tests.integration.sources.servers import GIT


async def serve(root: Path, keys: Path) -> None:
    """Until ended."""

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        command, path = shlex.split(process.command or "none none")[:2]
        if command != "git-upload-pack":
            process.exit(1)
            return
        environment = GIT | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        asked = process.get_environment() if hasattr(process, "get_environment") else {}
        child = await asyncio.create_subprocess_exec(
            "git-upload-pack", str(root / path.strip("/")), env=environment | dict(asked),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        process.exit(await child.wait())

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=[key], authorized_client_keys=str(keys),
        process_factory=handle, encoding=None,
    )  # fmt: skip
    public = key.export_public_key().decode().split()
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]} {public[0]} {public[1]}\n")
    sys.stdout.flush()
    await server.wait_closed()


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
