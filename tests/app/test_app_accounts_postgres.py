"""Accounts in PostgreSQL, and a library per user: a schema of the same database."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.app.studio_kit import LOCAL, PASSWORD, add_character, bearer
from tests.cast.conftest import postgres_server  # noqa: F401  (a fixture)

from inkcast.app.accounts import Accounts
from inkcast.app.accounts_tables import AccountsDatabase
from inkcast.app.context import LOCAL as LOCAL_USER
from inkcast.app.context import Studio
from inkcast.app.server import Serving, make_app

pytestmark = pytest.mark.slow


@pytest.fixture
def url(postgres_server: str) -> str:  # noqa: F811
    import psycopg

    name = f"accounts_{secrets.token_hex(6)}"
    with psycopg.connect(f"{postgres_server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres_server}/{name}"


def test_users_share_a_database_and_nothing_in_it(tmp_path: Path, url: str) -> None:
    database = AccountsDatabase(url, tmp_path)
    accounts = Accounts(database)
    ann, bo = (bearer(accounts.add_token(accounts.add(name, PASSWORD), "test")[1]) for name in ("Ann", "Bo"))
    database.close()
    app = make_app(Studio(tmp_path, url, auth=True), Serving(web=False, worker=False))
    with TestClient(app, base_url=LOCAL) as client:
        own = add_character(client, "Rolf", headers=ann)
        other = add_character(client, "Rolf", "blue", headers=bo)
        for who, character in ((ann, own), (bo, other)):
            listed = client.get("/api/v1/characters", headers=who).json()["items"]
            assert listed == [character]
        address = f"/api/v1/characters/{own['id']}/references/{own['references'][0]['id']}"
        assert [client.get(address, headers=who).status_code for who in (ann, bo)] == [200, 404]
    studio = Studio(tmp_path, url)
    assert studio.library(LOCAL_USER).entries() == ()
    studio.close()
