"""Accounts: passwords, sign-ins and tokens, and what of them lies on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.studio_kit import PASSWORD
from typer.testing import CliRunner

from inkcast.app.accounts import Accounts
from inkcast.app.accounts_tables import AccountsDatabase, VersionRow
from inkcast.cli import app
from inkcast.errors import AccountError, ConflictError, NotFoundError


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Iterator[Accounts]:
    database = AccountsDatabase("", tmp_path)
    yield Accounts(database, session_days=2, clock=clock)
    database.close()


def test_a_password_opens_and_another_does_not(accounts: Accounts) -> None:
    ann = accounts.add("Ann Lee", PASSWORD)
    assert accounts.signed_in(accounts.sign_in(" ANN  lee ", PASSWORD)) == ann
    for name, password in (("Ann Lee", PASSWORD.upper()), ("Ann Lee", ""), ("Nobody", PASSWORD), ("\0", "x" * 5000)):
        with pytest.raises(AccountError, match=r"^name and password do not fit together: try again$"):
            accounts.sign_in(name, password)


def test_nothing_secret_lies_on_the_disk(accounts: Accounts, tmp_path: Path) -> None:
    ann = accounts.add("Ann", PASSWORD)
    session = accounts.sign_in("Ann", PASSWORD)
    _, token = accounts.add_token(ann, "laptop")
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"$argon2id$" in data
    assert all(secret.encode() not in data for secret in (PASSWORD, session, token))


def test_a_sign_in_ends(accounts: Accounts, clock: Clock) -> None:
    accounts.add("Ann", PASSWORD)
    first, second, third = (accounts.sign_in("Ann", PASSWORD) for _ in range(3))
    accounts.sign_out(first)
    assert accounts.signed_in(first) is None
    assert accounts.signed_in(second) is not None
    clock.now += 2 * 86400 - 1
    assert accounts.signed_in(second) is not None
    clock.now += 1
    assert accounts.signed_in(second) is None
    fresh = accounts.sign_in("Ann", PASSWORD)
    accounts.change_password("Ann", "another one")
    assert accounts.signed_in(fresh) is None
    assert accounts.signed_in(third) is None


def test_tokens_belong_to_their_user_and_end(accounts: Accounts, clock: Clock) -> None:
    ann, bo = accounts.add("Ann", PASSWORD), accounts.add("Bo", PASSWORD)
    lasting, lasting_secret = accounts.add_token(ann, "server")
    short, short_secret = accounts.add_token(ann, "test", days=1)
    assert accounts.token_user(short_secret) == ann
    assert accounts.tokens(ann) == tuple(sorted((lasting, short), key=lambda token: (token.created, token.id)))
    assert accounts.tokens(bo) == ()
    with pytest.raises(NotFoundError):
        accounts.remove_token(bo, lasting.id)
    clock.now += 86400
    assert accounts.token_user(short_secret) is None
    assert accounts.token_user(lasting_secret) == ann
    accounts.remove_token(ann, lasting.id)
    assert accounts.token_user(lasting_secret) is None


def test_a_removed_user_is_out_at_once(accounts: Accounts) -> None:
    ann = accounts.add("Ann", PASSWORD)
    session, (_, token) = accounts.sign_in("Ann", PASSWORD), accounts.add_token(ann, "laptop")
    accounts.remove("ann")
    assert accounts.signed_in(session) is None
    assert accounts.token_user(token) is None
    assert accounts.add("Ann", PASSWORD).id != ann.id  # so that a namesake inherits nothing


@pytest.mark.parametrize(
    ("name", "password", "problem", "message"),
    [
        ("ANN", PASSWORD, ConflictError, "there is a user called 'ANN' already"),
        ("Bo", "short", AccountError, "the password has 5 characters"),
        ("Bo", "x" * 1001, AccountError, "the password has 1001 characters"),
        (" ", PASSWORD, AccountError, "name ' ' is empty"),
        ("B\x07o", PASSWORD, AccountError, "control character"),
        ("B" * 101, PASSWORD, AccountError, "use at most 100"),
    ],
)
def test_a_name_or_password_that_will_not_do(
    accounts: Accounts, name: str, password: str, problem: type[Exception], message: str
) -> None:
    accounts.add("Ann", PASSWORD)
    with pytest.raises(problem, match=message):
        accounts.add(name, password)
    assert [account.name for account in accounts.users()] == ["Ann"]


def test_accounts_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    database = AccountsDatabase("", tmp_path)
    with database.writing() as session:
        session.add(VersionRow(version=99))
        session.delete(session.get_one(VersionRow, 1))
    database.close()
    with pytest.raises(AccountError, match="newer Inkcast"):
        AccountsDatabase("", tmp_path)


def test_the_command_line_keeps_users_and_tokens(tmp_path: Path) -> None:
    def run(*arguments: str, answer: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(
            app, ["studio", *arguments], input=answer, env={"INKCAST_HOME": str(tmp_path), "COLUMNS": "200"}
        )
        return result.exit_code, result.stdout

    assert run("users", "add", "Ann", answer=f"{PASSWORD}\n") == (0, "Added Ann.\n")
    assert run("users", "password", "ANN", answer="another one\n") == (0, "Changed the password of Ann.\n")
    assert run("users", "list")[1].startswith("Ann  since 2")
    code, secret = run("tokens", "add", "Ann", "laptop")
    assert code == 0
    database = AccountsDatabase("", tmp_path)
    accounts = Accounts(database)
    assert accounts.token_user(secret.strip()) == accounts.signed_in(accounts.sign_in("Ann", "another one"))
    (token,) = accounts.tokens(accounts.find("Ann"))
    database.close()
    assert run("tokens", "list", "Ann") == (0, f"{token.id}  laptop\n")
    assert run("tokens", "remove", "Ann", token.id) == (0, "Removed.\n")
    assert run("users", "remove", "Ann")[0] == 0
    assert run("users", "remove", "Ann")[0] == 1
