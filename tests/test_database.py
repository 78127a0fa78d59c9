"""What all databases share: opened, brought up to date and reported on alike, by owners with errors of their own."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from inkcast.app.accounts_tables import TABLES as ACCOUNTS
from inkcast.app.accounts_tables import AccountsDatabase
from inkcast.app.store import TABLES as STUDIO
from inkcast.cast.database import TABLES as CAST
from inkcast.database import OpenDatabase, Tables, failed, parse_url, sqlite_url
from inkcast.errors import AccountError, CastError, DatabaseError, InkcastError, StudioError

EVERYBODY = pytest.mark.parametrize("tables", [CAST, STUDIO, ACCOUNTS], ids=lambda tables: tables.title)


def opened(file: Path, tables: Tables) -> OpenDatabase:
    database = OpenDatabase(sqlite_url(file), tables)
    database.close()
    return database


@EVERYBODY
def test_tables_are_made_once(tmp_path: Path, tables: Tables) -> None:
    brought = []

    def bring(connection: Connection) -> None:
        brought.append(1)
        tables.bring(connection)

    for _ in range(2):
        opened(tmp_path / "deep" / "db", replace(tables, bring=bring))
    assert brought == [1]
    assert (tmp_path / "deep").stat().st_mode & 0o077 == 0


@EVERYBODY
def test_a_newer_version_is_left_alone(tmp_path: Path, tables: Tables) -> None:
    opened(tmp_path / "db", tables)
    older = replace(tables, newest="0000", bring=lambda connection: pytest.fail("it was changed"))
    with pytest.raises(tables.error, match=rf"{tables.title} at .*db' was made by a newer Inkcast .*; update Inkcast"):
        opened(tmp_path / "db", older)


@EVERYBODY
def test_no_database_is_one_line_of_its_owner(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "db").write_bytes(b"my poems " * 1000)
    with pytest.raises(
        tables.error, match=rf"^{tables.title} at .*db' failed: file is not a database; put back a copy"
    ):
        opened(tmp_path / "db", tables)
    with pytest.raises(tables.error, match="cannot be made: Not a directory"):
        opened(tmp_path / "db" / "deep" / "db", tables)


@EVERYBODY
def test_a_write_that_fails_changes_nothing(tmp_path: Path, tables: Tables) -> None:
    database = OpenDatabase(sqlite_url(tmp_path / "db"), tables)

    def write() -> None:
        with database.writing(turns=True) as session:
            session.execute(text("CREATE TABLE notes (word TEXT)"))
            session.execute(text("INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(tables.error, match="no such table: nowhere"):
        write()
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM sqlite_master WHERE name = 'notes'")).scalar() == 0
    database.close()


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    database = OpenDatabase(sqlite_url(tmp_path / "db"), STUDIO)

    def fill() -> None:
        with database.writing(turns=False) as session:
            session.execute(text("PRAGMA max_page_count = 1"))
            session.execute(text("CREATE TABLE much AS SELECT randomblob(100000) AS junk"))

    with pytest.raises(DatabaseError, match=r"disk is full; make room on its disk"):
        fill()
    database.close()


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("database or disk is full", "make room on its disk"),
        ('could not extend file "base/1": No space left on device', "make room on its disk"),
        ("disk I/O error", "make room on its disk"),
        ("database is locked", "another program holds it"),
        ("attempt to write a readonly database", "let this user write"),
        ("unable to open database file", "let this user write"),
        ("database disk image is malformed", "put back a copy"),
        ('connection failed: connection to server at "db", port 5432 failed: Connection refused', "PostgreSQL runs"),
        ('FATAL: password authentication failed for user "ann"', "correct the user or the password"),
        ("FATAL: sorry, too many clients already", "more connections"),
    ],
)
def test_what_a_database_says_comes_in_one_line_with_advice(said: str, advice: str) -> None:
    error = failed("the studio's database", "'db'", OperationalError("SELECT", {}, Exception(f"{said}\nLINE 1")))
    line = str(error)
    assert line.startswith(f"the studio's database at 'db' failed: {said}")
    assert advice in line
    assert "\n" not in line
    assert isinstance(error, CastError)
    assert isinstance(error, AccountError)


def test_a_database_that_another_holds_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkcast.database.PATIENCE", 0.01)
    database = OpenDatabase(sqlite_url(tmp_path / "db"), STUDIO)
    holder = sqlite3.connect(tmp_path / "db")
    holder.execute("BEGIN IMMEDIATE")
    told = pytest.raises(DatabaseError, match="database is locked; another program holds it")
    with told, database.writing(turns=False) as session:
        session.connection()
    holder.close()
    database.close()


def test_accounts_get_a_table_that_their_version_gained(tmp_path: Path) -> None:
    AccountsDatabase("", tmp_path).close()
    with sqlite3.connect(tmp_path / "accounts.sqlite3") as connection:
        connection.execute("DROP TABLE studio_answers")
    AccountsDatabase("", tmp_path).close()
    with sqlite3.connect(tmp_path / "accounts.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM studio_answers").fetchone() == (0,)
        assert connection.execute("SELECT version FROM studio_accounts_version").fetchall() == [(1,)]


@pytest.mark.parametrize("url", ["mysql://ann:secret@host/db", "no url at all", "sqlite://"])
def test_a_url_of_nothing_known_is_an_error_of_its_owner(url: str) -> None:
    with pytest.raises(StudioError) as caught:
        parse_url(url, StudioError)
    assert "secret" not in str(caught.value)
    assert issubclass(StudioError, InkcastError)
