"""Cast libraries to test: in SQLite, and in a PostgreSQL server of our own on loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inkcast.cast.database import Database
from inkcast.cast.store import CastLibrary

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "not-to-be-shown"


def _tool(name: str) -> str | None:
    return shutil.which(name) or next((str(folder / name) for folder in DEBIAN if (folder / name).exists()), None)


def _unprivileged() -> dict[str, str]:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
    return {"user": "postgres", "group": "postgres"} if os.name == "posix" and os.geteuid() == 0 else {}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    server, initdb = _tool("postgres"), _tool("initdb")
    if server is None or initdb is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'inkcast[postgres]'")
    folder = Path(tempfile.mkdtemp(prefix="inkcast-postgres-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    who = _unprivileged()
    if who:
        shutil.chown(folder, **who)
        shutil.chown(secret, **who)
    data = folder / "data"
    setup = [initdb, "-D", data, "-U", "ann", "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"]
    subprocess.run(setup, check=True, capture_output=True, cwd=folder, **who)
    port = _free_port()
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([server, "-D", data, *options], stderr=log, cwd=folder, **who)
    try:
        _wait_for(process, port, folder / "log")
        yield f"postgresql+psycopg://ann:{PASSWORD}@127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="ann", password=PASSWORD, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-500:]}") from None
            time.sleep(0.05)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'library.sqlite3'}"
    import psycopg

    server = request.getfixturevalue("postgres_server")
    name = f"cast_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture
def open_again(url: str, tmp_path: Path) -> Iterator[Callable[[], CastLibrary]]:
    """Opens the library at `url`, as another process would."""
    opened: list[Database] = []

    def open_library() -> CastLibrary:
        opened.append(Database(url, tmp_path))
        return CastLibrary(opened[-1])

    yield open_library
    for database in opened:
        database.close()


@pytest.fixture
def library(open_again: Callable[[], CastLibrary]) -> CastLibrary:
    return open_again()
