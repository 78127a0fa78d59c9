"""`inkcast studio`: the web app and the HTTP API on one port, and the accounts of those who use it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from inkcast.cli.common import AsJson

if TYPE_CHECKING:
    from inkcast.app.accounts import Accounts

app = typer.Typer(invoke_without_command=True)
users = typer.Typer(no_args_is_help=True, help="Who may sign in to a studio that runs with --auth.")
tokens = typer.Typer(no_args_is_help=True, help="Keys with which programs call the API for a user.")
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")

UserName = Annotated[str, typer.Argument(help="The user's name; upper and lower case are the same.")]


@app.callback()
def studio(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 7860,
    host: Annotated[str, typer.Option("--host", help="Which address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    auth: Annotated[bool, typer.Option("--auth", help="Ask for a name and password; a library for each user.")] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let all who reach --host in, as one user, without --auth.")
    ] = False,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Draw in this process too, besides other workers.")
    ] = True,
) -> None:
    """Run the studio until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    from inkcast.app.context import Studio
    from inkcast.app.server import Serving, serve

    if auth:
        with opened_accounts() as accounts:
            if not accounts.users():
                typer.echo("Nobody can sign in yet. Add somebody:  inkcast studio users add NAME", err=True)
    serve(
        Studio(auth=auth),
        Serving(host=host, port=port, insecure=insecure, worker=worker),
        lambda address: typer.echo(f"Inkcast studio at {address}  (stop it with Ctrl-C)"),
    )


@users.command()
def add(name: UserName) -> None:
    """Add a user; asks for the password, or reads it from standard input."""
    with opened_accounts() as accounts:
        user = accounts.add(name, read_password())
    typer.echo(f"Added {user.name}.")


@users.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List the users."""
    with opened_accounts() as accounts:
        found = accounts.users()
    if as_json:
        typer.echo(json.dumps([vars(account) for account in found], indent=2, ensure_ascii=False))
    for account in () if as_json else found:
        typer.echo(f"{account.name}  since {datetime.fromtimestamp(account.created, UTC):%Y-%m-%d}")


@users.command()
def remove(name: UserName) -> None:
    """Remove a user with all sign-ins and tokens; their characters and comics stay on disk."""
    from inkcast.app.context import Studio

    with opened_accounts() as accounts:
        user = accounts.remove(name)
    typer.echo(f"Removed {user.name}; what they made stays in {Studio(auth=True).folder(user.id)}")


@users.command()
def password(name: UserName) -> None:
    """Set a user's password anew, and end all their sign-ins."""
    with opened_accounts() as accounts:
        accounts.find(name)
        user = accounts.change_password(name, read_password())
    typer.echo(f"Changed the password of {user.name}.")


@tokens.command("add")
def add_token(
    user: UserName,
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    days: Annotated[
        float | None, typer.Option("--days", min=0.01, help="How long it is valid; for ever if not given.")
    ] = None,
) -> None:
    """Make a token; its secret is shown this once."""
    with opened_accounts() as accounts:
        _, secret = accounts.add_token(accounts.find(user), name, days)
    typer.echo(secret)


@tokens.command("list")
def list_tokens(user: UserName) -> None:
    """List a user's tokens, without their secrets."""
    with opened_accounts() as accounts:
        for token in accounts.tokens(accounts.find(user)):
            typer.echo(f"{token.id}  {token.name}")


@tokens.command("remove")
def remove_token(user: UserName, token: Annotated[str, typer.Argument(help="The token, as list shows it.")]) -> None:
    """End a token at once."""
    with opened_accounts() as accounts:
        accounts.remove_token(accounts.find(user), token)
    typer.echo("Removed.")


@contextmanager
def opened_accounts() -> Iterator[Accounts]:
    """The accounts of the studio that the settings name."""
    from inkcast.app.accounts import Accounts
    from inkcast.app.accounts_tables import AccountsDatabase
    from inkcast.config import settings

    chosen = settings()
    database = AccountsDatabase(chosen.database_url, chosen.home)
    try:
        yield Accounts(database)
    finally:
        database.close()


def read_password() -> str:
    """Asked for twice where somebody sits there; else the first line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
