"""pgbouncer in transaction mode, of this machine's own program, before a PostgreSQL server."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.app.postgres import PASSWORD, free_port
from tests.app.waiting import until

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions}
logfile = {folder}/log
"""
USER = "postgres"


@asynccontextmanager
async def pooler(server_port: int, sessions: int) -> AsyncIterator[int]:
    """Run a pooler that has so many sessions at a server; its port."""
    port = free_port()
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        user = USER if os.getuid() == 0 else None  # it refuses to run as root
        folder = Path(name)
        _write(folder / "users", f'"{USER}" "{PASSWORD}"\n', user)
        _write(
            folder / "ini", CONFIGURATION.format(server=server_port, port=port, folder=name, sessions=sessions), user
        )
        process = await asyncio.create_subprocess_exec("pgbouncer", "--quiet", folder / "ini", user=user)
        try:
            await until("pgbouncer to listen", lambda: _listens(port), bool, 5)
            yield port
        finally:
            process.kill()
            await process.wait()


def _write(path: Path, text: str, user: str | None) -> None:
    path.write_text(text)
    if user:
        shutil.chown(path, user)
        shutil.chown(path.parent, user)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
