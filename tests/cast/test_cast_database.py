"""Opening, migrating, sharing and killing."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from people import person, picture
from sqlalchemy import create_engine, text

import inkcast.cast.migrations
from inkcast import database as database_module
from inkcast.cast.database import HEAD, VERSION_TABLE, Database, upgrade
from inkcast.cast.store import CastLibrary
from inkcast.cast.tables import METADATA
from inkcast.errors import CastError, MissingExtraError

WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from people import person
from inkcast.cast.database import Database
from inkcast.cast.store import CastLibrary
url, home, tag, count = sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5])
library = CastLibrary(Database(url, home))
for number in range(count):
    seed = int(tag) * 1000 + number
    library.add(person(f"{tag}-{number}", seed, 7))
    library.add(extending=[person("Shared", seed)])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    if number % 3 == 2:
        library.remove(f"{tag}-{number}")
"""


def start(url: str, home: Path, tag: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(Path(__file__).parent), url, str(home), str(tag), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_lose_nothing(url: str, tmp_path: Path, open_again: Callable[[], CastLibrary]) -> None:
    count = 9
    workers = [start(url, tmp_path, tag, count) for tag in (1, 2)]  # both find no database: they race from the start
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
    library = open_again()
    kept = [number for number in range(count) if number % 3 != 2]
    assert {entry.name for entry in library.entries()} == {"Shared"} | {f"{tag}-{n}" for tag in (1, 2) for n in kept}
    shared = library.character("Shared")  # reads and checks every picture
    wanted = {hashlib.sha256(picture(tag * 1000 + n)).hexdigest() for tag in (1, 2) for n in range(count)}
    assert {reference.digest for reference in shared.references} == wanted
    assert len(shared.references) == 2 * count
    for tag in (1, 2):
        for number in kept:
            assert len(library.character(f"{tag}-{number}").references) == 2


def test_a_kill_at_any_moment_leaves_a_library_that_opens(
    url: str, tmp_path: Path, open_again: Callable[[], CastLibrary]
) -> None:
    moments = random.Random(0)
    promised: set[str] = set()
    for tag in range(1, 5):
        worker = start(url, tmp_path, tag, 1000)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(moments.uniform(0, 0.15))
        os.kill(worker.pid, signal.SIGKILL)
        done, _ = worker.communicate(timeout=120)
        numbers = [0, *(int(line) for line in done.splitlines() if line.isdigit())]
        promised |= {f"{tag}-{number}" for number in numbers if number % 3 != 2}
        library = open_again()
        names = {entry.name for entry in library.entries()}
        assert promised <= names
        for name in names:
            assert library.character(name).references
    library.add(person("After", 1))
    for name in [entry.name for entry in library.entries()]:
        library.remove(name)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and "library.sqlite3" not in path.name]
    assert left == []  # removing sweeps up what killed processes left


def test_a_kill_while_the_tables_are_made_leaves_a_database_that_opens(tmp_path: Path) -> None:
    for number in range(6):
        url = f"sqlite:///{tmp_path / f'{number}.sqlite3'}"
        worker = start(url, tmp_path, 1, 1)
        while not (tmp_path / f"{number}.sqlite3").exists() and worker.poll() is None:
            time.sleep(0.001)
        time.sleep(0.02 * number)
        worker.kill()
        worker.communicate(timeout=120)
        database = Database(url, tmp_path)
        CastLibrary(database).add(person("After"))
        database.close()


def test_tables_and_migrations_agree(url: str, tmp_path: Path) -> None:
    Database(url, tmp_path).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "target_metadata": METADATA}
        )
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    folder = Path(inkcast.cast.migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_the_oldest_tables_are_brought_up_to_date(url: str, tmp_path: Path) -> None:
    """The rows are written as the first version wrote them, not by today's code."""
    engine = create_engine(url)
    digest = hashlib.sha256(picture(1)).hexdigest()
    with engine.begin() as connection:
        upgrade(connection, "0001")
        insert = [
            "INSERT INTO cast_characters (id, pronouns, description) VALUES ('abc', 'she', 'red hair')",
            "INSERT INTO cast_names (key, character_id, position, text) VALUES "
            f"('{hashlib.sha256(b'ann lee').hexdigest()}', 'abc', 0, 'Ann Lee')",
            "INSERT INTO cast_references (character_id, position, picture, mask, view, source) VALUES "
            f"('abc', 0, '{digest}', NULL, 'side', 'ann.png')",
        ]
        for statement in insert:
            connection.execute(text(statement))
        connection.execute(
            text("INSERT INTO cast_identities VALUES ('abc', 'any-story', 'w', '', :tensors)"), {"tensors": b"junk"}
        )
    engine.dispose()
    database = Database(url, tmp_path)
    library = CastLibrary(database)
    path = database.pictures / digest[:2] / digest
    path.parent.mkdir(parents=True)
    path.write_bytes(picture(1))
    ann = library.character("ANN LEE")
    assert (ann.name, ann.pronouns, ann.description, ann.states) == ("Ann Lee", "she", "red hair", ())
    (reference,) = ann.references
    assert (reference.view, reference.source, reference.consent, reference.state) == ("side", "ann.png", "", "")
    assert library.record("ann lee").identities[0].tensors == b"junk"
    database.close()


def test_a_library_of_a_newer_version_is_left_alone(url: str, tmp_path: Path) -> None:
    Database(url, tmp_path).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(CastError, match=r"newer Inkcast.*update Inkcast"):
        Database(url, tmp_path)
    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "9999"
    engine.dispose()


def test_sqlite_keeps_a_write_ahead_log_and_foreign_keys(tmp_path: Path) -> None:
    library = CastLibrary(Database("", tmp_path))
    library.add(person("Bob"))
    with sqlite3.connect(tmp_path / "cast.sqlite3") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (tmp_path / "cast-pictures").is_dir()
    library.remove("Bob")
    with sqlite3.connect(tmp_path / "cast.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM cast_references").fetchone() == (0,)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://ann:secret@host/db", "'mysql'"),
        ("no url at all", "cannot be read"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("postgresql://ann:secret@127.0.0.1:1/db", r"ann:\*\*\*@127\.0\.0\.1:1/db failed"),
    ],
)
def test_a_database_that_cannot_be_is_one_line_without_the_password(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(CastError, match=told) as caught:
        Database(url, tmp_path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "cast.sqlite3"
    file.write_bytes(b"my poems " * 1000)
    with pytest.raises(CastError, match="not a database"):
        Database("", tmp_path)
    assert file.read_bytes() == b"my poems " * 1000


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CastError, match="cannot be made"):
        Database("", tmp_path / "file" / "home")


def test_a_writer_that_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "PATIENCE", 0.1)
    library = CastLibrary(Database("", tmp_path))
    other = sqlite3.connect(tmp_path / "cast.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert library.entries() == ()  # readers do not wait
    with pytest.raises(CastError, match="locked"):
        library.add(person("Bob"))
    other.close()
    library.add(person("Bob"))


def test_a_missing_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'inkcast\[postgres\]'"):
        Database("postgresql://ann@127.0.0.1/db", tmp_path)
