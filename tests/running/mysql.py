"""A MariaDB of the tests' own, in a folder: they may kill and restart it."""

from __future__ import annotations

import getpass
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAMS = ("mariadb-install-db", "mariadbd")


class MariaDB:
    """A MariaDB in a folder, reached by a socket in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        # As root it becomes its user.
        self.user = f"--user={'mysql' if getpass.getuser() == 'root' else getpass.getuser()}"

    def install(self) -> None:
        """Makes the folder of its data."""
        words = (
            "--no-defaults",
            f"--datadir={self.folder}/data",
            "--auth-root-authentication-method=normal",
            self.user,
        )
        subprocess.run(["mariadb-install-db", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        import pymysql

        words = ("--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.folder}/socket", self.user)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["mariadbd", *words, "--skip-networking"], stdout=log, stderr=log)
        while self.process.poll() is None:
            try:
                pymysql.connect(user="root", unix_socket=f"{self.folder}/socket").close()
            except pymysql.err.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8"))

    def create(self) -> str:
        """Makes an empty database, and returns its address."""
        import pymysql

        name = f"db_{secrets.token_hex(4)}"
        with pymysql.connect(user="root", unix_socket=f"{self.folder}/socket") as session:
            session.cursor().execute(f"CREATE DATABASE {name}")
        return f"mysql://root@localhost/{name}?unix_socket={self.folder}/socket"

    def kill(self) -> None:
        """Ends it as a crash does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Kills it, and starts it after a second."""
        self.kill()
        time.sleep(1)
        self.start()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The server of these tests."""
    pytest.importorskip("pymysql", reason="needs PyMySQL")
    if not all(map(shutil.which, PROGRAMS)):
        pytest.skip(f"needs MariaDB's programs {' and '.join(PROGRAMS)}")
    folder = Path(tempfile.mkdtemp(prefix="my"))  # a short path: the name of a socket has a limit
    try:
        folder.chmod(0o755)
        if getpass.getuser() == "root":
            shutil.chown(folder, "mysql")
        found = MariaDB(folder)
        found.install()
        found.start()
        try:
            yield found
        finally:
            found.kill()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def mysql(mariadb: MariaDB) -> str:
    """The address of an empty database in it."""
    return mariadb.create()
