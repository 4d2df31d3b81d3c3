"""A throw-away PgBouncer in transaction mode, in front of a Postgres server of the tests.

Only what `make thorough` runs uses it, as not every machine has the program.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url

_PLACES: Final = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
_CONFIGURATION: Final = """
[databases]
* = host={server.host} port={server.port} user={server.username}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 500
server_idle_timeout = 5
"""


def find_pgbouncer() -> str:
    """Return the program. Raises `FileNotFoundError`, saying how to come by it."""
    found = shutil.which("pgbouncer", path=_PLACES)
    if found is None:
        raise FileNotFoundError(
            "No pgbouncer found in PATH or /usr/sbin: install it (Debian: apt-get install "
            "pgbouncer), or leave out what needs it with -k 'not pgbouncer'."
        )
    return found


@contextmanager
def pgbouncer(server_url: str, *, servers: int = 5) -> Iterator[URL]:
    """Give the URL of the same server behind a PgBouncer with so many connections to it."""
    server = make_url(server_url)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as directory:
        file = Path(directory) / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(server=server, port=port, servers=servers))
        # It refuses to run as root, and has to read its file as somebody else.
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        if account:
            nobody = pwd.getpwnam("nobody")
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        process = subprocess.Popen(  # noqa: S603 - the program that was found
            [find_pgbouncer(), "-q", *account, str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with process:
            try:
                _wait_for(process, port)
                yield server.set(host="127.0.0.1", port=port)
            finally:
                process.terminate()  # SIGTERM: at once


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise RuntimeError(f"pgbouncer ended with {process.returncode}")
