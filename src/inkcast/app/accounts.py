"""Accounts of a studio that several people use: passwords, sign-ins, tokens.

Passwords are kept as argon2 hashes; of sign-ins and tokens, which are 256 random bits, only SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sqlmodel import col, delete, select

from inkcast.app.accounts_tables import AccountsDatabase, SessionRow, TokenRow, UserRow
from inkcast.app.context import User
from inkcast.cast.names import clean_name, name_key
from inkcast.errors import AccountError, CastError, ConflictError, NotFoundError
from inkcast.files import shown

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1000
LONGEST_NAME = 100
TOKEN_PREFIX = "ink_"
DAY = 86400


@dataclass(frozen=True)
class Token:
    """A program's key as it is listed; times are seconds since 1970."""

    id: str
    name: str
    created: int
    expires: int | None


@dataclass(frozen=True)
class Account:
    id: str
    name: str
    created: int


class Accounts:
    """The users of one studio. Every method is one transaction and raises AccountError."""

    def __init__(
        self, database: AccountsDatabase, *, session_days: float = 14, clock: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self._session_seconds = int(session_days * DAY)
        self._clock = clock

    def add(self, name: str, password: str) -> User:
        """Raises ConflictError where somebody has the name, AccountError where name or password will not do."""
        name = _clean(name)
        hashed = self._hasher.hash(_strong(password))
        user = User(uuid.uuid4().hex, name)
        with self.database.writing() as session:
            if session.exec(select(UserRow).where(UserRow.key == name_key(name))).first() is not None:
                raise ConflictError(f"there is a user called {shown(name)} already: choose another name")
            session.add(UserRow(id=user.id, key=name_key(name), name=name, password=hashed, created=self._now()))
        return user

    def users(self) -> tuple[Account, ...]:
        """Everybody, by name."""
        with self.database.reading() as session:
            found = [Account(row.id, row.name, row.created) for row in session.exec(select(UserRow)).all()]
        return tuple(sorted(found, key=lambda account: account.name.casefold()))

    def find(self, name: str) -> User:
        """Raises NotFoundError."""
        with self.database.reading() as session:
            row = session.exec(select(UserRow).where(UserRow.key == name_key(name))).first()
        if row is None:
            raise NotFoundError(f"there is no user called {shown(name)}: see  inkcast studio users list")
        return User(row.id, row.name)

    def remove(self, name: str) -> User:
        """Forgets a user with all sign-ins and tokens; what they made stays in their folder."""
        user = self.find(name)
        with self.database.writing() as session:
            session.delete(session.get_one(UserRow, user.id))
        return user

    def change_password(self, name: str, password: str) -> User:
        """Ends all sign-ins of the user; tokens stay."""
        user = self.find(name)
        hashed = self._hasher.hash(_strong(password))
        with self.database.writing() as session:
            session.get_one(UserRow, user.id).password = hashed
            session.exec(delete(SessionRow).where(col(SessionRow.user_id) == user.id))
        return user

    def sign_in(self, name: str, password: str) -> str:
        """A new sign-in: the secret that the browser is to hold.

        Raises:
            AccountError: name and password do not fit; says no more, and takes as long for a name nobody has.
        """
        from argon2.exceptions import Argon2Error, InvalidHashError

        with self.database.reading() as session:
            row = session.exec(select(UserRow).where(UserRow.key == name_key(name[:LONGEST_NAME]))).first()
        try:
            self._hasher.verify(row.password if row else self._nobody, password[:LONGEST_PASSWORD])
        except (Argon2Error, InvalidHashError) as error:
            raise AccountError("name and password do not fit together: try again") from error
        if row is None:
            raise AccountError("name and password do not fit together: try again")
        secret = secrets.token_urlsafe(32)
        with self.database.writing() as session:
            session.exec(delete(SessionRow).where(col(SessionRow.expires) <= self._now()))
            session.add(SessionRow(digest=_digest(secret), user_id=row.id, expires=self._now() + self._session_seconds))
        return secret

    def sign_out(self, secret: str) -> None:
        with self.database.writing() as session:
            session.exec(delete(SessionRow).where(col(SessionRow.digest) == _digest(secret)))

    def signed_in(self, secret: str) -> User | None:
        """Whose sign-in it is, unless it has ended."""
        with self.database.reading() as session:
            found = session.exec(
                select(UserRow.id, UserRow.name, SessionRow.expires)
                .join(SessionRow)
                .where(SessionRow.digest == _digest(secret))
            ).first()
        return User(found[0], found[1]) if found and found[2] > self._now() else None

    def add_token(self, user: User, name: str, days: float | None = None) -> tuple[Token, str]:
        """A new token as it is listed, and its secret, which is told this once."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        expires = None if days is None else self._now() + int(days * DAY)
        token = Token(uuid.uuid4().hex, _clean(name), self._now(), expires)
        with self.database.writing() as session:
            session.add(TokenRow(digest=_digest(secret), user_id=user.id, **vars(token)))
        return token, secret

    def tokens(self, user: User) -> tuple[Token, ...]:
        """The user's tokens, oldest first."""
        with self.database.reading() as session:
            rows = session.exec(
                select(TokenRow).where(TokenRow.user_id == user.id).order_by(col(TokenRow.created), col(TokenRow.id))
            ).all()
        return tuple(Token(row.id, row.name, row.created, row.expires) for row in rows)

    def remove_token(self, user: User, token_id: str) -> None:
        """Raises NotFoundError where the user has no such token."""
        with self.database.writing() as session:
            row = session.get(TokenRow, token_id)
            if row is None or row.user_id != user.id:
                raise NotFoundError(f"you have no token {shown(token_id)}")
            session.delete(row)

    def token_user(self, secret: str) -> User | None:
        """Whose token it is, unless it has expired."""
        with self.database.reading() as session:
            found = session.exec(
                select(UserRow.id, UserRow.name, TokenRow.expires)
                .join(TokenRow)
                .where(TokenRow.digest == _digest(secret))
            ).first()
        alive = found and (found[2] is None or found[2] > self._now())
        return User(found[0], found[1]) if found and alive else None

    def _now(self) -> int:
        return int(self._clock())

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """The hash that a name nobody has is checked against, so that it takes as long."""
        return self._hasher.hash(secrets.token_urlsafe(32))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _clean(name: str) -> str:
    try:
        cleaned = clean_name(name)
    except CastError as error:
        raise AccountError(str(error)) from error
    if len(cleaned) > LONGEST_NAME:
        raise AccountError(f"name {shown(cleaned)} has {len(cleaned)} characters: use at most {LONGEST_NAME}")
    return cleaned


def _strong(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AccountError(f"the password has {len(password)} characters: use at least {SHORTEST_PASSWORD}")
    return password
