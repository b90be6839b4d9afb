"""A PostgreSQL of the tests' own, in a folder: they may restart it and cut its connections.

Its programs are Debian's. It refuses to run as root, which therefore becomes its user.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "hunter2%40secret"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """A PostgreSQL in a folder, reached by a socket in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"postgresql://me:{PASSWORD}@/postgres?host={folder}"

    def command(self, program: str, *words: str) -> None:
        become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        # Its log is kept out of the pipes: the server inherits them, and they would stay open.
        subprocess.run(
            [*become, PROGRAMS[-1] / program, "-D", self.folder / "data", *words],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        settings = f"-F -c listen_addresses='' -c unix_socket_directories='{self.folder}'"
        self.command("pg_ctl", "-l", str(self.folder / "log"), "-w", "-o", settings, "start")

    def stop(self) -> None:
        self.command("pg_ctl", "-m", "immediate", "-w", "stop")

    def restart(self, seconds: float = 1) -> None:
        """Stops the server as a crash does, and starts it after some seconds."""
        self.stop()
        time.sleep(seconds)
        self.start()

    def create(self) -> str:
        """Makes an empty database, and returns its address."""
        name = f"db_{secrets.token_hex(4)}"
        self.ask(f"CREATE DATABASE {name}")
        return self.address.replace("/postgres?", f"/{name}?")

    def cut(self, share: float = 1) -> int:
        """Ends a random share of the other connections, and returns their number."""
        return len(
            self.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE pid <> pg_backend_pid() AND usename = 'me' AND random() < {share}"
            )
        )

    def ask(self, statement: str, address: str | None = None) -> list[tuple[Any, ...]]:
        """The rows that a database answers with, in a connection of its own."""
        import psycopg2

        session = psycopg2.connect(address or self.address)
        try:
            session.autocommit = True
            cursor = session.cursor()
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
        finally:
            session.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of these tests."""
    if not PROGRAMS:
        pytest.skip("needs PostgreSQL's programs in /usr/lib/postgresql")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to become another")
    pytest.importorskip("psycopg2", reason="needs psycopg2, the extra postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: the name of a socket has a limit
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        (folder / "password").write_text(PASSWORD.replace("%40", "@"), encoding="ascii")
        (folder / "password").chmod(0o644)
        found = Server(folder)
        found.command(
            "initdb", "-U", "me", "--pwfile", str(folder / "password"), "--auth", "scram-sha-256", "-E", "UTF8"
        )
        found.start()
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres(server: Server) -> str:
    """The address of an empty database."""
    return server.create()
